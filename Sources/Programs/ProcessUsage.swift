// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Glibc

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
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return ProcessUsage(
      processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
      residentBytes: bytes("VmRSS"), peakResidentBytes: bytes("VmHWM"))
  }
}

private func seconds(_ time: timeval) -> Double {
  Double(time.tv_sec) + Double(time.tv_usec) / 1e6
}

/// Lets the memory of large vectors go back to the system as soon as they are freed.
///
/// Otherwise the C library keeps it, in pieces, once it has seen some of them come and go.
func keepMemoryFlat() {
  mallopt(M_MMAP_THRESHOLD, 256 << 10)
  mallopt(M_TRIM_THRESHOLD, 1 << 20)
  mallopt(M_ARENA_MAX, 2)
}
