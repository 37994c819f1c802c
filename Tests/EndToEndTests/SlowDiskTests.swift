// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A disk that takes its time: the run slows and says so, and nothing else is different.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct SlowDiskTests {
  private static let milliseconds = 400

  /// Delays what makes a file durable, for files below a folder; loaded before the C library.
  private static let source = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <limits.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>

    static void wait_for(int descriptor) {
      const char *folder = getenv("SLOW_FOLDER");
      char link[64], path[PATH_MAX];
      snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
      ssize_t count = readlink(link, path, sizeof path - 1);
      if (!folder || count < 0) return;
      path[count] = 0;
      if (!strncmp(path, folder, strlen(folder))) usleep(\(milliseconds) * 1000);
    }

    int fsync(int descriptor) {
      wait_for(descriptor);
      return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
    }

    int fdatasync(int descriptor) {
      wait_for(descriptor);
      return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
    }
    """

  private static let clang: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "")
    .split(separator: ":").map { "\($0)/clang" }
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  @Test(.enabled(if: clang != nil, "a library is compiled for it; needs clang"))
  func theRunSlowsAndEndsWithTheSameBits() async throws {
    let site = try Site(versions: 4)
    let adapter = try site.undisturbedAdapter()
    try site.write(Self.source, to: "slow.c")
    try compile("slow.c", into: "slow.so", in: site)
    let begin = ContinuousClock.now
    let coordinator = try await site.startCoordinator(
      shell: "SLOW_FOLDER=\(site.folder)/runs LD_PRELOAD=\(site.folder)/slow.so; "
        + "export SLOW_FOLDER LD_PRELOAD")
    let workers = try Site.workers.map { try site.startWorker($0) }
    try await site.wait("a version") { site.version >= 1 || !coordinator.isRunning }
    let early = residentByteCount(of: coordinator)
    var late = early
    try await site.wait("the run ends") {
      late = max(late, residentByteCount(of: coordinator))
      return !coordinator.isRunning
    }
    #expect(coordinator.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    // A version is four syncs at least: three contributions and the commit.
    #expect(.now - begin > .milliseconds(4 * 4 * Self.milliseconds))
    #expect(try site.bytes(of: Site.adapter) == adapter)
    #expect(early > 0 && late - early < 16 << 20, "from \(early) to \(late) bytes")
    #expect(site.lineCount(of: "coordinator.log", with: "the disk is slow") > 0)
    // Nobody was taken for dead meanwhile.
    for worker in Site.workers {
      #expect(
        site.lineCount(of: "coordinator.log", with: "\(worker) joined") == 1,
        "\(site.text(of: "coordinator.log"))")
    }
  }

  private func compile(_ source: String, into library: String, in site: Site) throws {
    let process = Process()
    process.executableURL = URL(filePath: Self.clang ?? "")
    process.arguments = ["-shared", "-fPIC", "-o", library, source, "-ldl"]
    process.currentDirectoryURL = URL(filePath: site.folder)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }
}

/// How much memory a process holds; 0 when it is gone.
func residentByteCount(of process: Process) -> Int {
  let path = "/proc/\(process.processIdentifier)/status"
  let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  return text.firstMatch(of: /VmRSS:\s*([0-9]+) kB/).flatMap { Int($0.1) }.map { $0 * 1024 } ?? 0
}
