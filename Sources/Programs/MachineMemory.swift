// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// How much memory a process may have: what the machine has, or what its control groups leave of that,
/// as those of a container or of a batch job do.
public enum MachineMemory {
  /// In bytes, when the process began to ask.
  public static let byteCount: Int = {
    let all = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    let limits = limitFiles(of: groups).compactMap { path in
      (try? String(contentsOfFile: path, encoding: .utf8)).flatMap(limit)
    }
    return limits.reduce(all, min)
  }()

  /// Where the limits are of the control groups in `groups`, which is what `/proc/self/cgroup` says.
  ///
  /// Of each group and of those above it, by either version of the system's interface. In a container
  /// some of the files may be missing.
  static func limitFiles(of groups: String) -> [String] {
    groups.split(separator: "\n").flatMap { line -> [String] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("memory") else { return [] }
      let (root, file) =
        isUnified
        ? ("/sys/fs/cgroup", "memory.max") : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      let names = parts[2].split(separator: "/")
      return (0...names.count).map { count in
        ([root] + names.prefix(count).map(String.init) + [file]).joined(separator: "/")
      }
    }
  }

  /// The limit that a file's contents say, in bytes; nil for none.
  static func limit(_ contents: String) -> Int? {
    Int(contents.trimmingCharacters(in: .whitespacesAndNewlines)).flatMap { $0 > 0 ? $0 : nil }
  }
}
