// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

@Suite struct ErrorFeedbackTests {
  private let codec = UpdateCodec.ternary(density: 0.05)

  @Test func whatWasSentAndWhatIsLeftIsWhatWasLearned() throws {
    let layout = layout(150, 50)
    var feedback = ErrorFeedback(layout: layout)
    var learned = [Double](repeating: 0, count: layout.count)
    var sent = learned
    for round in 0..<40 {
      let delta = randomVector(layout, seed: UInt64(round))
      let encoded = try feedback.compress(delta, with: codec)
      for index in 0..<layout.count {
        learned[index] += Double(delta.values[index])
        sent[index] += Double(encoded.decoded.values[index])
      }
    }
    for index in 0..<layout.count {
      let residual = Double(feedback.residual.values[index])
      // Two roundings a round of numbers of magnitude ten at the most.
      #expect(abs(sent[index] + residual - learned[index]) < 80 * 10 * 0x1p-24)
    }
    #expect(feedback.residual.norm > 0)
  }

  @Test func denseLeavesNothing() throws {
    var feedback = ErrorFeedback(layout: layout(20))
    let delta = randomVector(layout(20), seed: 1)
    let encoded = try feedback.compress(delta, with: .dense)
    #expect(encoded.decoded == delta)
    #expect(feedback.residual == ParameterVector(zerosOf: layout(20)))
  }

  @Test func theResidualTravelsWithTheNextUpdate() throws {
    var feedback = ErrorFeedback(layout: layout(4))
    let half = UpdateCodec.ternary(density: 0.25)
    let first = try feedback.compress(vector([4, 3, 0, 0]), with: half)
    #expect(first.decoded.values == [4, 0, 0, 0])
    #expect(feedback.residual.values == [0, 3, 0, 0])
    let second = try feedback.compress(vector([1, 1, 1, 1]), with: half)
    #expect(second.decoded.values == [0, 4, 0, 0])
    #expect(feedback.residual.values == [1, 0, 1, 1])
  }

  @Test func aRefusedUpdateIsTakenBack() throws {
    var feedback = ErrorFeedback(residual: vector([0.5, -1, 0, 2]))
    let encoded = try feedback.compress(
      vector([1, 2, 3, -8]), with: .ternary(density: 0.5))
    feedback.restore(encoded.decoded)
    #expect(feedback.residual.values == [1.5, 1, 3, -6])
  }

  @Test func aFailureChangesNothing() throws {
    var feedback = ErrorFeedback(residual: vector([1, 2]))
    #expect(throws: UpdateError.self) {
      try feedback.compress(vector([.nan, 1]), with: codec)
    }
    #expect(feedback == ErrorFeedback(residual: vector([1, 2])))
  }

  /// Four workers pull towards different points with different strengths.
  @Test func feedbackConvergesWhereItsAbsenceStalls() throws {
    let problem = Problem(workerCount: 4, width: 100)
    let dense = try problem.solve(rounds: 60, codec: .dense, feedback: false)
    let with = try problem.solve(rounds: 150, codec: codec, feedback: true)
    let without = try problem.solve(rounds: 150, codec: codec, feedback: false)
    let start = problem.loss(ParameterVector(zerosOf: problem.layout))
    let floor = problem.loss(dense)
    #expect(floor < 0.5 * start)
    #expect(problem.loss(with) - floor < 0.02 * (start - floor))
    #expect(problem.loss(without) - floor > 0.05 * (start - floor))
  }
}

/// Separable least squares: worker i loses a(i, j) (x(j) - c(i, j))^2 / 2 on each coordinate j.
private struct Problem {
  let layout: ParameterLayout
  let strengths: [ParameterVector]
  let centres: [ParameterVector]

  init(workerCount: Int, width: Int) {
    let layout = ParameterLayout([("x", [width])])
    self.layout = layout
    strengths = (0..<workerCount).map { worker in
      var strength = randomVector(layout, seed: UInt64(100 + worker))
      strength.values = strength.values.map { 0.55 + 0.45 * $0 }
      return strength
    }
    centres = (0..<workerCount).map { worker in
      var centre = randomVector(layout, seed: 99)
      centre.add(randomVector(layout, seed: UInt64(200 + worker)), scaledBy: 0.5)
      return centre
    }
  }

  func loss(_ x: ParameterVector) -> Double {
    zip(strengths, centres).reduce(0) { sum, worker in
      layoutIndices.reduce(sum) { sum, index in
        let distance = Double(x.values[index] - worker.1.values[index])
        return sum + Double(worker.0.values[index]) * distance * distance / 2
      }
    }
  }

  func solve(rounds: Int, codec: UpdateCodec, feedback: Bool) throws -> ParameterVector {
    var x = ParameterVector(zerosOf: layout)
    var senders = strengths.map { _ in ErrorFeedback(layout: layout) }
    for _ in 0..<rounds {
      var mean = WeightedMean(layout: layout)
      for worker in strengths.indices {
        if !feedback { senders[worker] = ErrorFeedback(layout: layout) }
        let delta = delta(of: worker, from: x)
        mean.add(try senders[worker].compress(delta, with: codec).decoded, weight: 1)
      }
      x.add(try #require(mean.combined()))
    }
    return x
  }

  /// Two local steps of gradient descent.
  private func delta(of worker: Int, from start: ParameterVector) -> ParameterVector {
    var x = start
    for _ in 0..<2 {
      for index in layoutIndices {
        x.values[index] -=
          0.1 * strengths[worker].values[index]
          * (x.values[index] - centres[worker].values[index])
      }
    }
    x.add(start, scaledBy: -1)
    return x
  }

  private var layoutIndices: Range<Int> { 0..<layout.count }
}
