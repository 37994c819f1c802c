// SPDX-License-Identifier: Apache-2.0
internal import Digests

/// What happened, as a number that tells histories apart and, if wanted, as text.
struct History {
  private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  private(set) var lines: [String] = []
  private let isWritten: Bool

  init(isWritten: Bool) { self.isWritten = isWritten }

  mutating func note(_ time: Int64, _ codes: Int..., text: @autoclosure () -> String) {
    mix(UInt64(bitPattern: time))
    for code in codes { mix(UInt64(bitPattern: Int64(code))) }
    if isWritten { lines.append("\(stamp(time))  \(text())") }
  }

  mutating func note(_ time: Int64, _ digest: Digest, text: @autoclosure () -> String) {
    mix(digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    note(time, text: text())
  }

  private mutating func mix(_ value: UInt64) {
    digest = (digest ^ value) &* 0x9E37_79B9_7F4A_7C15
    digest ^= digest >> 29
  }
}

/// Seconds with six digits after the point, aligned.
private func stamp(_ time: Int64) -> String {
  let text = "\(time / 1_000_000_000)"
  let fraction = "\(time / 1_000 % 1_000_000)"
  return String(repeating: " ", count: max(0, 5 - text.count)) + text + "."
    + String(repeating: "0", count: 6 - fraction.count) + fraction
}

/// What was seen over a simulation, or over many.
public struct FaultTally: Codable, Equatable, Sendable {
  /// Versions that were made.
  public internal(set) var versionCount = 0
  /// Rounds that were opened.
  public internal(set) var roundCount = 0
  /// Inputs that coordinators took.
  public internal(set) var inputCount = 0
  /// Writes into stores.
  public internal(set) var writeCount = 0
  /// Times a coordinator went on from its store.
  public internal(set) var recoveryCount = 0
  /// Runs that ended with all versions.
  public internal(set) var completedCount = 0
  /// Runs that ended with the very bits of the undisturbed run, as they had to.
  public internal(set) var comparedCount = 0
  /// How often a worker made up for several versions by their changes.
  public internal(set) var catchUpCount = 0
  /// Faults, by kind.
  public internal(set) var faults: [Fault: Int] = [:]

  /// Nothing seen yet.
  public init() {}

  mutating func count(_ fault: Fault) { faults[fault, default: 0] += 1 }

  /// Adds what was seen elsewhere.
  public static func += (sum: inout FaultTally, other: FaultTally) {
    sum.versionCount += other.versionCount
    sum.roundCount += other.roundCount
    sum.inputCount += other.inputCount
    sum.writeCount += other.writeCount
    sum.recoveryCount += other.recoveryCount
    sum.completedCount += other.completedCount
    sum.comparedCount += other.comparedCount
    sum.catchUpCount += other.catchUpCount
    sum.faults.merge(other.faults, uniquingKeysWith: +)
  }
}
