// SPDX-License-Identifier: Apache-2.0
internal import CPlatform
internal import Foundation

/// What a process has used so far.
struct ProcessUsage: Codable, Sendable {
  /// User and system time, in seconds.
  var processorSeconds: Double
  /// Resident memory now, in bytes.
  var residentBytes: Int
  /// The most that was ever resident, in bytes.
  var peakResidentBytes: Int

  /// That of this process.
  static func current() -> ProcessUsage {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    func bytes(_ key: String) -> Int {
      let line = status.split(separator: "\n").first { $0.hasPrefix("\(key):") }
      return (line?.split(separator: " ").dropLast().last.flatMap { Int($0) } ?? 0) << 10
    }
    return ProcessUsage(
      processorSeconds: Double(clock()) / Double(CLOCKS_PER_SEC),
      residentBytes: bytes("VmRSS"), peakResidentBytes: bytes("VmHWM"))
  }
}

/// Lets the memory of large vectors go back to the system as soon as they are freed: for a process
/// whose memory must stay flat for days.
func keepMemoryFlat() { tern_give_freed_memory_back() }

/// Keeps the memory of vectors that are freed for those that come next: for a process that makes
/// the same ones again and again.
func keepMemoryWarm() { tern_keep_freed_memory() }
