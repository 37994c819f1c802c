// SPDX-License-Identifier: Apache-2.0
internal import Messages
package import Rounds
package import Training

extension Signs {
  /// The same as the estimator calls it.
  package var sides: GradientEstimator.Sides {
    switch self {
    case .both: .both
    case .plus: .along
    case .minus: .against
    }
  }
}

extension GradientEstimator {
  /// The losses of answers, in their order; two of one sign each are one, where the first stands.
  ///
  /// One sign without the other counts for nothing: its queries are left out, and counted.
  /// - Precondition: each has as many losses as this estimator asks for.
  func joined(_ answers: [StepCoordinator.Answer]) -> [WeightedLosses] {
    let halves = Dictionary(
      grouping: answers.filter { $0.signs != .both }, by: \.report.firstQuery)
    var joined: Set<Int> = []
    return answers.compactMap { answer in
      let report = answer.report
      guard let pair = answer.signs == .both ? [] : halves[report.firstQuery], !pair.isEmpty else {
        return weighted(losses(report.losses, for: queries(of: answer)), by: [report])
      }
      guard joined.insert(report.firstQuery).inserted else { return nil }
      func side(_ signs: Signs) -> [Double]? {
        pair.first { $0.signs == signs }?.report.losses
      }
      return weighted(
        losses(along: side(.plus), against: side(.minus), for: queries(of: answer)),
        by: pair.map(\.report))
    }
  }

  private func queries(of answer: StepCoordinator.Answer) -> [UInt32] {
    let report = answer.report
    let count = queryCount(of: report.losses.count, on: answer.signs.sides)
    return (0..<count).map { UInt32(report.firstQuery + $0) }
  }

  /// By the fewest examples that any of them is the mean over.
  private func weighted(_ losses: StepLosses, by reports: [LossReport]) -> WeightedLosses {
    WeightedLosses(
      losses: losses, weight: Double(reports.map(\.exampleCount).min() ?? 1))
  }
}
