// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Disks that are full, or cannot be written: one line says so, and the run resumes whole.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct DiskTests {
  private static let needsRoot: Comment = "mounting a small file system needs root"

  /// What a log says from a line on that begins with "error: ".
  private func errors(in site: Site, _ name: String) -> [Substring] {
    site.text(of: "\(name).log").split(separator: "\n").filter { $0.hasPrefix("error: ") }
  }

  private func finish(
    _ site: Site, _ coordinator: Process, _ workers: [Process], with adapter: Data
  ) async throws {
    for process in [coordinator] + workers {
      try await site.wait("all end") { !process.isRunning }
      #expect(process.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    }
    #expect(try site.bytes(of: Site.adapter) == adapter)
  }

  @Test(.enabled(if: SmallDisk.isPossible, needsRoot))
  func aFullDiskStopsTheCoordinatorAndWithRoomTheRunGoesOn() async throws {
    let site = try Site(versions: 40, localSteps: 6)
    let adapter = try site.undisturbedAdapter()
    let disk = try SmallDisk(at: "\(site.folder)/runs", byteCount: 24 << 20)
    var coordinator = try await site.startCoordinator()
    let workers = try Site.workers.map { try site.startWorker($0) }
    for (version, count) in [(3, 1), (12, 2)] {
      try await site.wait("versions") { site.version >= version || !coordinator.isRunning }
      try disk.fill()
      try await site.wait("it stops") { !coordinator.isRunning }
      #expect(coordinator.terminationStatus == 4)
      let errors = errors(in: site, "coordinator")
      #expect(errors.count == count, "\(site.text(of: "coordinator.log"))")
      // The journal, or the adapter, if what room the journal still had was enough for the rest.
      #expect(errors.last?.contains(/no room left to write|No space left/) == true, "\(errors)")
      #expect(errors.last?.contains("\(site.folder)/runs/tiny") == true, "\(errors)")
      try disk.makeRoom()
      coordinator = try await site.startCoordinator()
    }
    try await finish(site, coordinator, workers, with: adapter)
  }

  @Test(.enabled(if: SmallDisk.isPossible, needsRoot))
  func noRoomForTheAdapterAtTheEndLosesNothing() async throws {
    let site = try Site()
    let adapter = try site.undisturbedAdapter()
    let disk = try SmallDisk(at: "\(site.folder)/runs/tiny/adapter", byteCount: 8192)
    var coordinator = try await site.startCoordinator()
    let workers = try Site.workers.map { try site.startWorker($0) }
    try await site.wait("it stops") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 4)
    #expect(errors(in: site, "coordinator").count == 1, "\(site.text(of: "coordinator.log"))")
    #expect(errors(in: site, "coordinator").last?.contains("adapter_model.safetensors") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: disk.folder).isEmpty)
    disk.unmount()
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    coordinator = try await site.startCoordinator()
    // Who hears of the end again ends again, and it need not be waited for.
    let again = try Site.workers.map { try site.startWorker($0) }
    try await finish(site, coordinator, again, with: adapter)
  }

  @Test func aWorkerThatCannotRememberStopsAndGoesOnWhenItCan() async throws {
    let site = try Site(versions: 6)
    let adapter = try site.undisturbedAdapter()
    let coordinator = try await site.startCoordinator()
    var workers = try ["worker-1", "worker-3"].map { try site.startWorker($0) }
    // Its memory is some 100 kB, the limit 20; the signal that comes with the limit is not heard.
    let failing = try site.startWorker("worker-2", shell: "trap '' XFSZ; ulimit -f 40")
    try await site.wait("it stops") { !failing.isRunning }
    #expect(failing.terminationStatus == 4)
    #expect(errors(in: site, "worker-2").count == 1, "\(site.text(of: "worker-2.log"))")
    let line = errors(in: site, "worker-2").first
    #expect(line?.contains("no room left to write state/worker-2") == true)
    workers.append(try site.startWorker("worker-2"))
    try await finish(site, coordinator, workers, with: adapter)
  }

  @Test(.enabled(if: SmallDisk.isPossible, needsRoot))
  func aFolderThatCannotBeWrittenIsSaidInOneLine() async throws {
    let site = try Site()
    func complaint() throws -> String {
      let result = try site.run("tern-coordinator", ["run.yaml"], expecting: nil)
      #expect([2, 4].contains(result.code))
      let lines = result.output.split(separator: "\n")
      #expect(lines.count == 1, "\(result.output)")
      return String(lines.last ?? "")
    }
    let disk = try SmallDisk(at: "\(site.folder)/runs", byteCount: 24 << 20)
    try disk.freeze()
    #expect(try complaint().contains("cannot make the run's folder \(site.folder)/runs/tiny"))
    disk.unmount()

    let other = try SmallDisk(at: "\(site.folder)/runs", byteCount: 24 << 20)
    let coordinator = try await site.startCoordinator()
    kill(coordinator.processIdentifier, SIGKILL)
    coordinator.waitUntilExit()
    try other.freeze()
    #expect(try complaint().contains("runs/tiny"))
  }

  @Test func aPortThatIsTakenIsSaidInOneLine() throws {
    let site = try Site()
    let (listener, port) = try listeningSocket()
    defer { close(listener) }
    let result = try site.run(
      "tern-coordinator", ["run.yaml", "--set", "coordinator.port=\(port)"], expecting: 4)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 1, "\(result.output)")
    #expect(lines.first?.contains("cannot listen on 127.0.0.1:\(port)") == true)
  }
}
