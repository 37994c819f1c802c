// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A fleet of real processes to which things happen, as a seed has it.
///
/// Faults come at versions and not at times, so that they are spread over the whole run however
/// fast the machine is; the moment within a round is drawn, too.
final class Chaos {
  private enum Member: Hashable {
    case coordinator
    case worker(Int)
  }

  private struct Recovery {
    let time: ContinuousClock.Instant
    let member: Member
    let act: (Chaos) throws -> Void
  }

  private let site: Site
  private var generator: SeededGenerator
  private let faultCount: Int
  private let versionCount: Int
  private var processes: [Member: Process] = [:]
  private var proxies: [FaultyProxy] = []
  private var recoveries: [Recovery] = []
  /// What happened, for whoever has to find out why it failed.
  private(set) var journal: [String] = []
  private let begin = ContinuousClock.now

  init(site: Site, seed: UInt64, faultCount: Int, versionCount: Int) throws {
    self.site = site
    generator = SeededGenerator(state: seed)
    self.faultCount = faultCount
    self.versionCount = versionCount
    proxies = try Site.workers.map { _ in try site.makeProxy() }
  }

  /// Runs to the end of all processes.
  func run() async throws {
    try start(.coordinator)
    for index in Site.workers.indices { try start(.worker(index)) }
    let versions = (0..<faultCount)
      .map { _ in Int.random(in: 0..<versionCount, using: &generator) }.sorted()
    for version in versions {
      try await wait { site.version >= version }
      let moment = ContinuousClock.now + milliseconds(0...300)
      try await wait { .now >= moment }
      try await disturb()
    }
    note("no more faults")
    try await wait { recoveries.isEmpty && processes.values.allSatisfy { !$0.isRunning } }
  }

  /// How the processes ended, the coordinator first.
  var exitCodes: [Int32] {
    ([.coordinator] + Site.workers.indices.map(Member.worker)).map {
      processes[$0]?.terminationStatus ?? -1
    }
  }

  // MARK: Faults

  private func disturb() async throws {
    let members = [Member.coordinator] + Site.workers.indices.map(Member.worker)
    var victims: [Member] = []
    try await wait {
      victims = members.filter { member in !recoveries.contains { $0.member == member } }
      return !victims.isEmpty
    }
    guard let victim = victims.randomElement(using: &generator) else { return }
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: kill(victim)
    case 1: stop(victim)
    default: cut(Int.random(in: proxies.indices, using: &generator))
    }
  }

  private func kill(_ victim: Member) {
    guard let process = processes[victim] else { return }
    Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let pause = milliseconds(0...800)
    note("killed \(victim), back in \(pause)")
    recoveries.append(
      Recovery(time: .now + pause, member: victim) { chaos in try chaos.start(victim) })
  }

  private func stop(_ victim: Member) {
    guard let process = processes[victim], process.isRunning else { return }
    Glibc.kill(process.processIdentifier, SIGSTOP)
    let pause = milliseconds(50...2500)
    note("stopped \(victim) for \(pause)")
    recoveries.append(
      Recovery(time: .now + pause, member: victim) { chaos in
        Glibc.kill(process.processIdentifier, SIGCONT)
        chaos.note("continued \(victim)")
      })
  }

  private func cut(_ index: Int) {
    let count = Int.random(in: 0..<3000, using: &generator)
    let faults: [FaultyProxy.Fault] = [
      .reset, .truncation(after: count), .truncationBack(after: count), .flip(after: count),
      .flipBack(after: count), .hold,
    ]
    guard let fault = faults.randomElement(using: &generator) else { return }
    note("\(fault) to worker \(index)")
    proxies[index].strike(fault)
  }

  // MARK: Processes

  private func start(_ member: Member) throws {
    note("starting \(member)")
    switch member {
    case .coordinator: processes[member] = try site.launchCoordinator()
    case .worker(let index):
      processes[member] = try site.startWorker(
        Site.workers[index], port: proxies[index].port, arguments: ["--give-up-after", "25s"])
    }
  }

  /// Waits, while what is down comes up again when its time has come.
  private func wait(until condition: () throws -> Bool) async throws {
    while true {
      let due = recoveries.filter { $0.time <= .now }
      recoveries.removeAll { $0.time <= .now }
      for recovery in due { try recovery.act(self) }
      if try condition() { return }
      if recoveries.isEmpty, processes.values.allSatisfy({ !$0.isRunning }) { return }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  private func milliseconds(_ range: ClosedRange<Int>) -> Duration {
    .milliseconds(Int.random(in: range, using: &generator))
  }

  private func note(_ what: String) {
    journal.append("\((ContinuousClock.now - begin).formatted()) version \(site.version): \(what)")
  }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
