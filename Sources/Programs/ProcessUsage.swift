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
  ///
  /// - Throws: where the system does not say it, as outside Linux.
  static func current() throws -> ProcessUsage {
    let path = "/proc/self/status"
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    func bytes(_ key: String) throws -> Int {
      let line = lines.first { $0.hasPrefix("\(key):") }
      guard let kilobytes = line?.split(separator: " ").dropLast().last.flatMap({ Int($0) }) else {
        throw InputError("\(path) does not say \(key); measure on Linux")
      }
      return kilobytes << 10
    }
    return ProcessUsage(
      processorSeconds: Programs.processorSeconds(), residentBytes: try bytes("VmRSS"),
      peakResidentBytes: try bytes("VmHWM"))
  }
}

/// Lets the memory of large vectors go back to the system as soon as they are freed: for a process
/// whose memory must stay flat for days.
func keepMemoryFlat() { tern_give_freed_memory_back() }

/// Keeps the memory of vectors that are freed for those that come next: for a process that makes
/// the same ones again and again.
///
/// To be called before other threads take memory.
public func keepMemoryWarm() { tern_keep_freed_memory() }

/// About what a program has resident beside what it computes with: code, libraries, tokenizer.
let programByteCount = 45_000_000
