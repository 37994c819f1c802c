// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Testing

/// A coordinator with few descriptors and many strangers.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DescriptorTests {
  @Test func strangersTakeTheirPlacesAndNeverTheLastDescriptors() async throws {
    let site = try Site()
    let adapter = try site.undisturbedAdapter()
    let coordinator = try await site.startCoordinator(shell: "ulimit -n 100")
    let port = try #require(site.port)
    let strangers = (0..<200).compactMap { _ in connectedSocket(port: port) }
    try await site.wait("it says so") {
      site.lineCount(of: "coordinator.log", with: "36 connections are open, no more are taken") > 0
        || !coordinator.isRunning
    }
    #expect(site.lineCount(of: "coordinator.log", with: "raise the limit (ulimit -n)") == 1)
    let before = processorTicks(of: coordinator)
    try await Task.sleep(for: .seconds(2))
    #expect(processorTicks(of: coordinator) - before < 50, "it pauses, and does not spin")
    #expect(coordinator.isRunning)

    // Who does not hang up is cut in the end, too; that takes ten seconds for each part of them.
    for stranger in strangers { close(stranger) }
    let workers = try Site.workers.map { try site.startWorker($0) }
    for process in [coordinator] + workers {
      try await site.wait("all end") { !process.isRunning }
      #expect(process.terminationStatus == 0, "\(site.text(of: "coordinator.log"))")
    }
    #expect(try site.bytes(of: Site.adapter) == adapter)
  }

  /// The processor time that a process has used, in hundredths of a second.
  private func processorTicks(of process: Process) -> Int {
    let path = "/proc/\(process.processIdentifier)/stat"
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    return fields.dropFirst(11).prefix(2).compactMap { Int($0) }.reduce(0, +)
  }
}
