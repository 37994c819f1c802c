// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Foundation
import Rounds
import Runs
import Testing

/// What every store does, wherever it lives.
@Suite struct RunStoreTests {
  enum Variant: CaseIterable {
    case folder, memory

    func location(in folder: TemporaryFolder) -> RunStore.Location {
      switch self {
      case .folder: .folder(folder("run-1"))
      case .memory: .memory
      }
    }
  }

  @Test(arguments: Variant.allCases) func aRunCanBeRecoveredAfterEveryStep(variant: Variant) throws
  {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: variant.location(in: folder))
    try check(run)
    for step in ScriptedRun.script {
      try step(&run)
      try check(run)
    }
    #expect(run.engine.outcome == .completed(version: 4))
    #expect(run.engine.statistics.failedRoundCount == 1)
    #expect(try run.store.outcome() == .completed(version: 4))
    #expect(
      try run.store.metrics().map(\.json)
        == [#"{"loss":1.5}"#] + (1...4).map { "{\"version\":\($0)}" })
  }

  private func check(_ run: ScriptedRun) throws {
    let recovered = try run.store.recoveredEngine()
    #expect(recovered.engine == run.engine)
    #expect(recovered.snapshot.version == run.engine.version)
    #expect(recovered.snapshot.state == run.state)
    #expect(recovered.snapshot.sequence + recovered.replayedCount == run.journal.count)
    #expect(try run.store.latestSnapshot() == recovered.snapshot)
    #expect(try run.store.events() == run.journal)
    #expect(try run.store.commits() == run.commits)
    for case .contributed(let one) in run.journal.map(\.event)
    where one.baseVersion == run.engine.version {
      let payload = ScriptedRun.payload(one.worker.rawValue, from: one.baseVersion)
      #expect(try run.store.payload(of: one.payload).bytes() == payload)
    }
  }

  @Test(arguments: Variant.allCases) func theJournalCanBeReadFromAnyPlace(variant: Variant) throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: variant.location(in: folder))
    for step in ScriptedRun.script { try step(&run) }
    let all = try run.store.events()
    #expect(all.map(\.sequence) == Array(1...all.count))
    #expect(try run.store.events(after: 5) == Array(all.dropFirst(5)))
    #expect(try run.store.events(after: all.count) == [])
    #expect(try run.store.commits(after: 2).map(\.version) == [3, 4])
  }

  @Test(arguments: Variant.allCases) func aPayloadIsStoredOnce(variant: Variant) throws {
    let folder = try TemporaryFolder()
    let store = try ScriptedRun(at: variant.location(in: folder)).store
    for payload in [[], [1, 2, 3], [UInt8](repeating: 7, count: 300_000)] as [[UInt8]] {
      let digest = Digest(of: payload)
      #expect(try !store.hasPayload(digest))
      #expect(throws: RunError.missingPayload(digest)) { try store.payload(of: digest) }
      try store.put(Payload(payload))
      try store.put(Payload(payload))
      #expect(try store.hasPayload(digest))
      #expect(try store.payload(of: digest).bytes() == payload)
    }
  }

  @Test(arguments: Variant.allCases)
  func aContributionWithAnotherPayloadIsRefusedWhole(variant: Variant) throws {
    let folder = try TemporaryFolder()
    let store = try ScriptedRun(at: variant.location(in: folder)).store
    let contribution = Contribution(
      round: 1, baseVersion: 0, worker: worker("a"), payload: Digest(of: [1]), exampleCount: 1)
    #expect(
      throws: RunError.differentPayload(named: Digest(of: [1]), actual: Digest(of: [2]))
    ) {
      try store.record(
        contribution, payload: Payload([2]), event: .contributed(contribution),
        at: RunTime(nanoseconds: 1))
    }
    #expect(try store.events() == [])
    #expect(try !store.hasPayload(Digest(of: [2])))
  }

  @Test(arguments: Variant.allCases) func aVersionIsCommittedOnceAndInOrder(variant: Variant) throws
  {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: variant.location(in: folder))
    for step in ScriptedRun.script.prefix(14) { try step(&run) }
    #expect(run.engine.version == 1)
    for version in [0, 1, 3] {
      #expect(throws: RunError.versionOutOfOrder(version: version, expected: 2)) {
        try run.store.commit(
          version: version, round: 9, adapter: Digest(of: []), contributions: [],
          broadcast: Payload([9]), state: [], engine: run.engine,
          event: .aggregated(round: 9, version: version), at: run.now)
      }
    }
    try check(run)
    #expect(try !run.store.hasPayload(Digest(of: [9])))
  }

  @Test(arguments: Variant.allCases)
  func contributedPayloadsGoWithTheirVersion(variant: Variant) throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: variant.location(in: folder))
    let kept = Payload([1, 2, 3])
    try run.store.put(kept)
    for step in ScriptedRun.script { try step(&run) }
    #expect(run.commits.contains { !$0.contributions.isEmpty })
    for commit in run.commits {
      for one in commit.contributions { #expect(try !run.store.hasPayload(one.payload)) }
      if let broadcast = commit.broadcast { #expect(try run.store.hasPayload(broadcast)) }
    }
    #expect(try run.store.hasPayload(kept.digest))
    #expect(try run.store.recoveredEngine().engine == run.engine)
  }

  @Test(arguments: Variant.allCases) func aPayloadOfTwoVersionsIsOfUseToTheLater(variant: Variant)
    throws
  {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: variant.location(in: folder))
    for step in ScriptedRun.script.prefix(14) { try step(&run) }
    for (version, payload) in [(2, 1), (1, 1), (1, 2), (1, 3)] as [(Int, UInt8)] {
      let contribution = Contribution(
        round: 9, baseVersion: version, worker: worker("a"), payload: Digest(of: [payload]),
        exampleCount: 1)
      try run.store.record(
        contribution, payload: Payload([payload]), event: .contributed(contribution),
        at: run.now)
    }
    // Stored for good as well: no version's end deletes it.
    try run.store.put(Payload([2]))
    try run.store.commit(
      version: 2, round: 9, adapter: Digest(of: []), contributions: [], broadcast: nil, state: [],
      engine: run.engine, event: .aggregated(round: 9, version: 2), at: run.now)
    #expect(
      try [1, 2, 3].map { try run.store.hasPayload(Digest(of: [$0])) } == [true, true, false])
  }

  @Test(arguments: Variant.allCases) func manyThreadsMayWrite(variant: Variant) throws {
    let folder = try TemporaryFolder()
    let store = try ScriptedRun(at: variant.location(in: folder)).store
    DispatchQueue.concurrentPerform(iterations: 40) { place in
      _ = try? store.append(.woke, at: RunTime(nanoseconds: Int64(place)))
    }
    let events = try store.events()
    #expect(events.map(\.sequence) == Array(1...40))
    #expect(Set(events.map(\.time.nanoseconds)) == Set(0..<40))
  }
}
