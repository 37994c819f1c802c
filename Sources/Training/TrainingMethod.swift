// SPDX-License-Identifier: Apache-2.0

/// How one worker learns.
public enum TrainingMethod: String, CaseIterable, Codable, Sendable {
  /// By gradients, from backpropagation.
  case gradient
  /// By losses alone, in the memory of a forward pass.
  case zerothOrder = "zeroth-order"
}

extension TrainingMethod: CustomStringConvertible {
  /// The method as it is called in a run file.
  public var description: String { rawValue }
}
