// SPDX-License-Identifier: Apache-2.0

extension GradientDiagnostics {
  /// What the window comes to, in numbers.
  public struct Figures: Hashable, Codable, Sendable {
    /// How many steps there are in the window.
    public let stepCount: Int
    /// How many queries they had that counted.
    public let queryCount: Int
    /// How many had no finite losses.
    public let droppedCount: Int
    /// How many had finite losses whose difference is not finite, or too large to be squared.
    public let notFiniteCount: Int
    /// How many were clipped.
    public let clippedCount: Int
    /// The square of the norm of the batches' gradients; nil without a query.
    public let squaredNorm: Double?
    /// Its standard error; nil with fewer than two queries.
    public let squaredNormError: Double?
    /// The square of the norm of the gradient that the data has and not the batch alone; nil
    /// where halves are not known.
    public let sharedSquaredNorm: Double?
    /// How much the halves of a batch agree, from -1 to 1; nil where they are not known, or have no
    /// slope.
    public let agreement: Double?
    /// The share of the gradient that is the data's: the shared square over the square.
    ///
    /// A share that cannot be told from none is taken for the least that could.
    let share: Estimate?
    /// The signal-to-noise ratio of a step's estimate of the gradient, for want of directions; nil
    /// where one direction is all there are.
    public let directionRatio: Double?
    /// By how much a step should lower the loss, to first order; nil for Adam.
    ///
    /// The loss is that of data like the batches where halves are known, else that of the batch.
    public let predictedDecrease: Double?
    /// By how much the loss fell a step; nil with fewer than four losses.
    public let measuredDecrease: Double?
    /// The standard error of what was measured.
    public let measuredDecreaseError: Double?
    /// What was measured relative to what was predicted; nil without one of them, or where nothing
    /// moved.
    let ratio: Estimate?

    /// A number that is not quite known.
    struct Estimate: Hashable, Codable, Sendable {
      var value: Double
      /// The standard error.
      var error: Double
    }
  }

  /// What the window comes to.
  public var figures: Figures {
    let (share, gain) = (share, meanGain)
    let fall = fall
    var ratio: Figures.Estimate?
    if let fall, fall.isRelative {
      let divisor = share?.value ?? 1
      let value = fall.value / divisor
      let fromShare = value * (share?.error ?? 0) / divisor
      ratio = Figures.Estimate(
        value: value,
        error: (fall.error * fall.error / (divisor * divisor) + fromShare * fromShare)
          .squareRoot())
    }
    // Relative to what a step gains, or by step.
    let unit = fall.map { $0.isRelative ? gain ?? 0 : 1 }
    let slopes = slopes
    return Figures(
      stepCount: records.count, queryCount: slopes.count,
      droppedCount: sum(\.droppedCount), notFiniteCount: sum(\.notFiniteCount),
      clippedCount: sum(\.clippedCount), squaredNorm: slopes.mean, squaredNormError: slopes.error,
      sharedSquaredNorm: halved.count > 0 ? sum(\.products) / Double(halved.count) : nil,
      agreement: agreement, share: share, directionRatio: directionRatio,
      predictedDecrease: gain.map { $0 * (share?.value ?? 1) },
      measuredDecrease: fall.flatMap { fall in unit.map { fall.value * $0 } },
      measuredDecreaseError: fall.flatMap { fall in unit.map { fall.error * abs($0) } },
      ratio: ratio)
  }

  private func sum(_ count: (Record) -> Int) -> Int { records.reduce(0) { $0 + count($1) } }
  private func sum(_ value: (Record) -> Double) -> Double { records.reduce(0) { $0 + value($1) } }

  private var slopes: Record.Moments { Record.Moments(sumOf: records.map(\.slopes)) }
  private var halved: Record.Moments { Record.Moments(sumOf: records.map(\.halved)) }

  private var agreement: Double? {
    // Each root alone: the product of the sums may be too small or too large for a number.
    let scale = sum(\.halfSquares.first).squareRoot() * sum(\.halfSquares.second).squareRoot()
    return scale > 0 ? sum(\.products) / scale : nil
  }

  /// The ratio of the sums over queries of g h and s^2, and its error to first order: the root of
  /// sum (g h - ratio s^2)^2, over sum s^2.
  private var share: Figures.Estimate? {
    let halved = halved
    guard halved.count > 1, halved.squares > 0 else { return nil }
    let ratio = sum(\.products) / halved.squares
    let squares =
      sum(\.squaredProducts) - 2 * ratio * sum(\.mixedProducts) + ratio * ratio * halved.fourths
    let error = max(0, squares).squareRoot() / halved.squares
    let least = 2 * error
    return max(ratio, least) > 0 ? Figures.Estimate(value: max(ratio, least), error: error) : nil
  }

  private var directionRatio: Double? {
    guard valueCount > 1, !records.isEmpty, slopes.count > 0 else { return nil }
    return Double(slopes.count) / Double(records.count) / Double(valueCount - 1)
  }

  private var meanGain: Double? {
    let gains = records.compactMap(\.gain)
    return gains.isEmpty ? nil : gains.reduce(0, +) / Double(gains.count)
  }

  /// How fast the loss falls: relative to what the steps before it were to gain on their batches, or
  /// by step where nothing is known of that, or nothing was to be gained.
  private var fall: (value: Double, error: Double, isRelative: Bool)? {
    let losses = lossesByVersion
    let byGains = losses.map { $0.map { (x: $0.gained, y: $0.loss) } }
    if let trend = Trend(byGains) { return (-trend.slope, trend.error, true) }
    let bySteps = losses.map { $0.map { (x: Double($0.index), y: $0.loss) } }
    return Trend(bySteps).map { (-$0.slope, $0.error, false) }
  }

  /// The losses, each with its place in the window and with what was to be gained before it, apart
  /// for each version: what happens in between is not what this worker's steps were to gain.
  var lossesByVersion: [[(index: Int, gained: Double, loss: Double)]] {
    var (gained, versions): (Double, [[(index: Int, gained: Double, loss: Double)]]) = (0, [])
    for (index, record) in records.enumerated() {
      if versions.isEmpty || record.isFirst { versions.append([]) }
      if let loss = record.loss { versions[versions.count - 1].append((index, gained, loss)) }
      gained += record.gain ?? 0
    }
    return versions
  }
}

extension GradientDiagnostics.Record.Moments {
  fileprivate init(sumOf moments: [Self]) {
    for part in moments {
      count += part.count
      squares += part.squares
      fourths += part.fourths
    }
  }

  /// The mean square; nil of nothing.
  fileprivate var mean: Double? { count > 0 ? squares / Double(count) : nil }

  /// The standard error of the mean square.
  fileprivate var error: Double? {
    guard count > 1, let mean else { return nil }
    let variance = (fourths - Double(count) * mean * mean) / Double(count - 1)
    return (max(0, variance) / Double(count)).squareRoot()
  }
}
