// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// One number that was measured, and what was promised about it, if anything.
struct Measurement: Encodable {
  let name: String
  let value: Double
  let unit: String
  var atLeast: Double?
  var atMost: Double?

  /// Whether the promise is kept; nil without one.
  var isMet: Bool? {
    if let atLeast { return value >= atLeast }
    if let atMost { return value <= atMost }
    return nil
  }

  /// The number with its unit, its bound, and what came of it.
  var text: String {
    let number = value >= 10 ? "\(Int(value.rounded()))" : "\((value * 10_000).rounded() / 10_000)"
    let bound = atLeast.map { "at least \($0)" } ?? atMost.map { "at most \($0)" }
    guard let bound, let isMet else { return "\(number) \(unit)" }
    return "\(number) \(unit) (\(bound): \(isMet ? "kept" : "MISSED"))"
  }
}

/// The median processor time of `repetitions` runs of `body` on this thread, in seconds.
///
/// The first run is not counted. What a run returns is kept until its time is taken, and used.
func medianSeconds<Result>(
  repetitions: Int = 9, _ body: () throws -> Result
) rethrows -> Double {
  var seconds: [Double] = []
  for repetition in 0...repetitions {
    let start = threadSeconds()
    let result = try body()
    let end = threadSeconds()
    withExtendedLifetime(result) {}
    if repetition > 0 { seconds.append(end - start) }
  }
  return seconds.sorted()[seconds.count / 2]
}

/// The processor time that this thread has used, in seconds.
private func threadSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
