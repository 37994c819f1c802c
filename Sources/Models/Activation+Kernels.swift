// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens (or rows with targets), F feed-forward width, G = F, or 2F with gates before.
internal import Checkpoints
internal import Tensors

extension ModelConfiguration.Activation {
  /// y = what the feed-forward part makes of x before its last matrix.
  func forward(_ x_TG: Matrix, into y_TF: inout Matrix) {
    switch self {
    case .swiglu: Kernels.swiglu(x_TG, into: &y_TF)
    case .geluTanh: Kernels.geluTanh(x_TG, into: &y_TF)
    case .gelu: Kernels.gelu(x_TG, into: &y_TF)
    case .relu: Kernels.relu(x_TG, into: &y_TF)
    }
  }

  /// Replaces x by its gradient, given that of y.
  func replaceByGradient(_ dy_TF: Matrix, _ x_TG: inout Matrix) {
    switch self {
    case .swiglu: Kernels.replaceBySwigluGradient(dy_TF, &x_TG)
    case .geluTanh: Kernels.replaceByGeluTanhGradient(dy_TF, &x_TG)
    case .gelu: Kernels.replaceByGeluGradient(dy_TF, &x_TG)
    case .relu: Kernels.replaceByReluGradient(dy_TF, &x_TG)
    }
  }
}

extension ModelConfiguration {
  /// How many values a row has before the activation: ups, and gates if there are any.
  var activatedWidth: Int { activation.isGated ? 2 * feedForwardWidth : feedForwardWidth }
}
