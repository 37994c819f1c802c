// SPDX-License-Identifier: Apache-2.0

/// The slope that straight lines through some groups of points, each at a height of its own, have in
/// common, with the least squares.
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

  /// The trend; nil for fewer than three points beside one of each group, without different x, or
  /// where numbers are too large.
  init?(_ groups: [[(x: Double, y: Double)]]) {
    let groups = groups.map(Self.centred).filter { !$0.isEmpty }
    let points = groups.flatMap { $0 }
    guard points.count >= groups.count + 3 else { return nil }
    let spread = points.reduce(0) { $0 + $1.x * $1.x }
    guard spread > 0 else { return nil }
    let slope = points.reduce(0) { $0 + $1.x * $1.y } / spread
    let residuals = points.map { $0.y - slope * $0.x }
    let variance = zip(points, residuals).reduce(0) { sum, point in
      let leverage = point.0.share + point.0.x * point.0.x / spread
      let part = point.0.x * point.1 / (1 - leverage) / spread
      return sum + part * part
    }
    let squares = residuals.reduce(0) { $0 + $1 * $1 }
    let follows = zip(residuals, residuals.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
    let correlation = squares > 0 ? max(0, follows / squares) : 0
    let error = (variance * (1 + correlation) / (1 - correlation)).squareRoot()
    guard slope.isFinite, error.isFinite else { return nil }
    (self.slope, self.error) = (slope, error)
  }

  /// The points of a group relative to their mean, of which each is a share; none of a single one,
  /// which has no slope.
  private static func centred(
    _ group: [(x: Double, y: Double)]
  ) -> [(x: Double, y: Double, share: Double)] {
    guard let first = group.first, group.count > 1 else { return [] }
    let share = 1 / Double(group.count)
    // From the first point on, so that what is the same everywhere is nothing exactly.
    let points = group.map { ($0.x - first.x, $0.y - first.y) }
    let (x, y) = points.reduce((0, 0)) { ($0.0 + share * $1.0, $0.1 + share * $1.1) }
    return points.map { ($0.0 - x, $0.1 - y, share) }
  }
}
