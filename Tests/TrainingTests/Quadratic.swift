// SPDX-License-Identifier: Apache-2.0
import Training
import Updates

/// A function whose gradient is known: sum of (h[i] x[i]^2 / 2 + b[i] x[i]), and a mixed term.
struct Quadratic {
  let curvatures: [Double]
  let slopes: [Double]

  init(dimensions: Int) {
    curvatures = (0..<dimensions).map { 0.5 + Double($0 * 7 % 5) }
    slopes = (0..<dimensions).map { Double($0 * 11 % 7) - 2.5 }
  }

  func value(_ x: [Double]) -> Double {
    x.indices.reduce(0) { $0 + curvatures[$1] * x[$1] * x[$1] / 2 + slopes[$1] * x[$1] }
      + (x.count > 1 ? x[0] * x[x.count - 1] : 0)
  }

  func gradient(_ x: [Double]) -> [Double] {
    var gradient = x.indices.map { curvatures[$0] * x[$0] + slopes[$0] }
    if x.count > 1 {
      gradient[0] += x[x.count - 1]
      gradient[x.count - 1] += x[0]
    }
    return gradient
  }

  /// The losses that an estimator asks for at x, where query q moves along `directions[q]`.
  func losses(
    at x: [Double], _ estimator: GradientEstimator, directions: [[Double]]
  ) -> StepLosses {
    let queries = directions.indices.map { UInt32($0) }
    let losses = estimator.displacements(for: queries).map { terms in
      value(
        terms.reduce(x) { point, term in
          zip(point, directions[Int(term.query)]).map { $0 + Double(term.coefficient) * $1 }
        })
    }
    return estimator.losses(losses, for: queries)
  }
}

/// All vectors of 1 and -1 with so many elements.
func allSigns(dimensions: Int) -> [[Double]] {
  (0..<1 << dimensions).map { bits in
    (0..<dimensions).map { bits >> $0 & 1 == 1 ? -1 : 1 }
  }
}

/// The squared length.
func square(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 } }
