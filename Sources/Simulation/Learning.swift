// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Rounds
internal import Tensors
internal import Training

/// What a worker learns: a pull of each parameter towards a value of the worker's own.
///
/// Like training, it depends on the worker and on where it starts, and on nothing else.
func pretendedTraining(of worker: Int, from start: ParameterVector) -> TrainingResult {
  let pull = Float(worker * 3 % 7 + 1)
  var delta = start
  for index in delta.values.indices {
    let goal = pull * Float(index * 37 % 17 - 8)
    delta.values[index] = (goal - start.values[index]) * 0.25
  }
  return TrainingResult(
    delta: delta, exampleCount: worker * 10 + 7, tokenCount: 100, loss: Double(pull))
}

/// What one worker has learned so far, summed up, to hold against what was counted.
struct Ledger {
  private(set) var sum: [Double]
  private(set) var versions: Set<Int> = []
  /// The largest magnitude on the way here: what rounding is measured by.
  private(set) var scale = 1.0

  init(count: Int) { sum = [Double](repeating: 0, count: count) }

  mutating func learn(_ delta: ParameterVector, from version: Int) throws {
    try require(
      versions.insert(version).inserted, "learned from version \(version), again")
    add(delta.values)
  }

  mutating func add(_ values: [Float]) {
    for index in sum.indices {
      sum[index] += Double(values[index])
      scale = max(scale, abs(Double(values[index])), abs(sum[index]))
    }
  }

  mutating func measure(_ values: [Float]) {
    for value in values { scale = max(scale, abs(Double(value))) }
  }
}
