// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a bad network does to a connection costs that connection and nothing else: the run goes
/// on, the others stay connected, the bits are the same, and the log says why.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct WireFaultTests {
  private struct Case {
    let fault: FaultyProxy.Fault
    /// What the logs say, where a side can know it.
    var coordinator: String?
    var worker: String?
  }

  private static let silent = "has been silent for too long"
  private static let cases = [
    Case(fault: .truncation(after: 0), coordinator: "worker-2 left: the connection was cut"),
    Case(fault: .truncation(after: 700), coordinator: "worker-2 left: the connection was cut"),
    Case(fault: .truncationBack(after: 0), worker: "the connection was cut"),
    Case(
      fault: .reset, coordinator: "worker-2 left: the connection was lost",
      worker: "the connection was lost"),
    Case(
      fault: .flip(after: 40), coordinator: "worker-2 left: the encrypted stream is damaged",
      worker: "the other side gave up"),
    Case(
      fault: .flipBack(after: 40), coordinator: "the other side gave up",
      worker: "the encrypted stream is damaged"),
    Case(fault: .hold, coordinator: "worker-2 left: the worker \(silent)", worker: silent),
    Case(fault: .trickle, coordinator: "worker-2 left: the worker \(silent)"),
  ]

  @Test func eachFaultCostsItsConnectionOnlyAndTheBitsAreTheSame() async throws {
    let site = try Site(versions: 100, localSteps: 6, heartbeat: 400)
    let undisturbed = try site.undisturbedAdapter()
    let coordinator = try await site.startCoordinator()
    // Versions take that long at least, so that the run outlasts all faults on any machine.
    let proxy = try site.makeProxy(latency: .milliseconds(20))
    let workers = try Site.workers.map {
      try site.startWorker($0, port: $0 == "worker-2" ? proxy.port : nil)
    }
    try await site.wait("the run goes on") { site.version >= 2 || !coordinator.isRunning }
    for wanted in Self.cases {
      let said = counts(of: wanted, in: site)
      proxy.strike(wanted.fault)
      try await site.wait("\(wanted.fault) is noticed") {
        zip(counts(of: wanted, in: site), said).allSatisfy { $0 > $1 } || !coordinator.isRunning
      }
      let version = site.version
      try await site.wait("the run goes on after \(wanted.fault)") {
        site.version >= version + 2 || !coordinator.isRunning
      }
      #expect(coordinator.isRunning, "the run was over before \(wanted.fault) was through")
    }
    // A copy of the stream is no handshake; whose stream it is notices nothing.
    proxy.duplicateNext()
    proxy.strike(.reset)
    try await site.wait("the copy is refused") {
      site.lineCount(of: "coordinator.log", with: "connection refused") > 0
        || !coordinator.isRunning
    }
    proxy.strike(.delay(milliseconds: 100))

    try await site.wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0)
    for worker in workers { try await site.wait("a worker ends") { !worker.isRunning } }
    #expect(workers.allSatisfy { $0.terminationStatus == 0 })
    #expect(try site.bytes(of: Site.adapter) == undisturbed)
    for steady in ["worker-1", "worker-3"] {
      #expect(site.lineCount(of: "coordinator.log", with: "\(steady) joined") == 1)
      #expect(!site.text(of: "\(steady).log").contains("not connected"))
    }
  }

  private func counts(of wanted: Case, in site: Site) -> [Int] {
    let coordinator = wanted.coordinator.map { site.lineCount(of: "coordinator.log", with: $0) }
    let worker = wanted.worker.map { site.lineCount(of: "worker-2.log", with: $0) }
    return [coordinator, worker].compactMap { $0 }
  }
}
