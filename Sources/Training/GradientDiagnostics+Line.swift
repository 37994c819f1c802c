// SPDX-License-Identifier: Apache-2.0
internal import Foundation

extension GradientDiagnostics {
  /// The window in a line for people.
  public var line: String {
    let figures = figures
    let parts = [figures.gradientText, figures.decreaseText, figures.countText, advice?.text]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }

  /// Whether the line says that something is wrong: a rate that is too high, or queries that are lost.
  public var isWarning: Bool {
    let figures = figures
    return advice?.change == .lower || figures.droppedCount + figures.notFiniteCount > 0
  }
}

extension GradientDiagnostics.Figures {
  fileprivate var gradientText: String {
    guard let squaredNorm else { return "gradient unknown" }
    var text = "gradient \(short(squaredNorm.squareRoot()))"
    if let shared = sharedSquaredNorm {
      text += ", the data's \(short(max(0, shared).squareRoot()))"
    }
    if let agreement { text += ", halves agree \(short(agreement))" }
    if let directionRatio { text += ", signal to noise of directions \(short(directionRatio))" }
    return text
  }

  fileprivate var decreaseText: String? {
    let predicted = predictedDecrease.map { "\(short($0)) predicted" }
    let measured = measuredDecrease.map {
      "\(short($0)) +- \(short(measuredDecreaseError ?? 0)) measured"
    }
    let parts = [predicted, measured].compactMap { $0 }
    return parts.isEmpty ? nil : "decrease a step " + parts.joined(separator: ", ")
  }

  fileprivate var countText: String {
    let others = [
      (droppedCount, "dropped"), (notFiniteCount, "not finite"), (clippedCount, "clipped"),
    ]
    return
      (["\(queryCount) queries in \(stepCount) steps"]
      + others.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }).joined(separator: ", ")
  }
}

extension RateAdvice {
  /// The advice in words.
  public var text: String {
    switch change {
    case .lower: "the learning rate \(short(learningRate)) is too high: try \(short(proposal))"
    case .raise: "the learning rate \(short(learningRate)) may be higher: try \(short(proposal))"
    }
  }
}

/// A number as people read it, with three digits.
private func short(_ value: Double) -> String { String(format: "%.3g", value) }

/// A number with so many digits.
func rounded(_ value: Double, digits: Int) -> Double {
  Double(String(format: "%.\(digits - 1)e", value)) ?? value
}
