// SPDX-License-Identifier: Apache-2.0

/// The straight line through some points with the least squares.
struct Trend {
  /// What y gains with 1 of x.
  let slope: Double
  /// Its standard error, from the residuals e and the leverages h of the points: the root of
  /// sum (e (x - mean) / (1 - h))^2 / (sum (x - mean)^2)^2.
  ///
  /// That is HC3 of J. MacKinnon and H. White, "Some Heteroskedasticity-Consistent Covariance Matrix
  /// Estimators with Improved Finite Sample Properties" (1985): a line that hangs on a few points is
  /// known no better than these are. Residuals that follow each other are alike where something
  /// drifts; as many as they are worth are counted, (1 - r) / (1 + r) of them with their correlation r.
  let error: Double

  /// The line; nil for fewer than four points, without different x, or where numbers are too large.
  init?(_ points: [(x: Double, y: Double)]) {
    let count = Double(points.count)
    guard points.count >= 4 else { return nil }
    let meanX = points.reduce(0) { $0 + $1.x } / count
    let meanY = points.reduce(0) { $0 + $1.y } / count
    let places = points.map { $0.x - meanX }
    let spread = places.reduce(0) { $0 + $1 * $1 }
    guard spread > 0 else { return nil }
    let slope = zip(places, points).reduce(0) { $0 + $1.0 * ($1.1.y - meanY) } / spread
    let residuals = zip(places, points).map { $1.y - meanY - slope * $0 }
    let variance = zip(places, residuals).reduce(0) { sum, point in
      let leverage = 1 / count + point.0 * point.0 / spread
      let part = point.0 * point.1 / (1 - leverage) / spread
      return sum + part * part
    }
    let squares = residuals.reduce(0) { $0 + $1 * $1 }
    let follows = zip(residuals, residuals.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
    let correlation = squares > 0 ? max(0, follows / squares) : 0
    let error = (variance * (1 + correlation) / (1 - correlation)).squareRoot()
    guard slope.isFinite, error.isFinite else { return nil }
    (self.slope, self.error) = (slope, error)
  }
}
