// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Foundation
import GRDB
import Randomness
import Rounds
import Testing

@testable import Runs

/// What the disk adds: crashes, full disks, other processes, damage.
@Suite struct RunStoreFolderTests {
  /// Copies what a process killed now would leave behind.
  private func remains(of folder: String, in parent: TemporaryFolder, _ name: String) throws
    -> String
  {
    let copy = parent(name)
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    for file in ["run.sqlite", "run.sqlite-wal"] {
      try FileManager.default.copyItem(atPath: folder + "/" + file, toPath: copy + "/" + file)
    }
    return copy
  }

  @Test func aCoordinatorKilledAfterAnyStepGoesOn() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    for (place, step) in ScriptedRun.script.enumerated() {
      try step(&run)
      let store = try RunStore.open(folder: remains(of: run.store.path, in: folder, "\(place)"))
      let recovered = try store.recoveredEngine()
      #expect(recovered.engine == run.engine, "after step \(place)")
      #expect(recovered.snapshot.state == run.state, "after step \(place)")
      #expect(store.record == run.store.record)
      // It can be written, too.
      #expect(try store.append(.restarted, at: run.now) == run.journal.count + 1)
    }
  }

  @Test func aCoordinatorKilledAtAnyByteHasWhollyDoneASequenceOfSteps() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    var history = [run.engine]
    for step in ScriptedRun.script {
      try step(&run)
      if run.journal.count == history.count { history.append(run.engine) }
    }
    let whole = try Data(
      contentsOf: URL(fileURLWithPath: run.store.path + "/run.sqlite-wal"))
    var random = RandomStream(Seed(5))
    var lastCount = 0
    var counts: Set<Int> = []
    let lengths = (0..<80).map { _ in random.integer(below: whole.count) }.sorted()
    for length in lengths {
      let copy = try remains(of: run.store.path, in: folder, "cut-\(length)")
      try whole.prefix(length).write(to: URL(fileURLWithPath: copy + "/run.sqlite-wal"))
      if let store = try openUnlessMissing(copy) {
        let count = try store.events().count
        #expect(try store.recoveredEngine().engine == history[count], "cut at \(length)")
        #expect(count >= lastCount, "cut at \(length)")
        lastCount = count
        counts.insert(count)
      } else {
        #expect(counts == [], "cut at \(length)")
      }
      try FileManager.default.removeItem(atPath: copy)
    }
    #expect(counts.count > 10)
  }

  private func openUnlessMissing(_ folder: String) throws -> RunStore? {
    do {
      return try RunStore.open(folder: folder)
    } catch {
      guard case .missing = error else { throw error }
      return nil
    }
  }

  @Test func aFullDiskIsAnErrorAndNothingIsHalfWritten() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    for step in ScriptedRun.script.prefix(13) { try step(&run) }
    let before = try run.store.events()
    try run.store.database.writeWithoutTransaction { connection in
      let pages = try Int.fetchOne(connection, sql: "PRAGMA page_count") ?? 0
      try connection.execute(sql: "PRAGMA max_page_count = \(pages + 1)")
    }
    let payload = [UInt8](repeating: 1, count: 60_000)
    let contribution = Contribution(
      round: 1, baseVersion: 0, worker: worker("a"), payload: Digest(of: payload),
      exampleCount: 1)
    let full = RunError.full(path: folder("run-1"))
    #expect(throws: full) {
      try run.store.record(
        contribution, payload: Payload(payload), event: .contributed(contribution), at: run.now)
    }
    #expect(throws: full) { try run.store.put(Payload(payload)) }
    #expect(throws: full) {
      try run.store.commit(
        version: 1, round: 2, adapter: Digest(of: []), contributions: [], broadcast: nil,
        state: payload, engine: run.engine, event: .aggregated(round: 2, version: 1), at: run.now)
    }
    #expect(try run.store.events() == before)
    #expect(try !run.store.hasPayload(Digest(of: payload)))
    #expect(try run.store.recoveredEngine().engine == run.engine)
    try run.store.database.writeWithoutTransaction {
      try $0.execute(sql: "PRAGMA max_page_count = 1000000")
    }
    for step in ScriptedRun.script.dropFirst(13) { try step(&run) }
    #expect(try run.store.recoveredEngine().engine.outcome == .completed(version: 4))
  }

  @Test func everyCommitIsSynced() throws {
    let folder = try TemporaryFolder()
    let store = try ScriptedRun(at: .folder(folder("run-1"))).store
    let (synchronous, mode) = try store.database.writeWithoutTransaction {
      (
        try Int.fetchOne($0, sql: "PRAGMA synchronous"),
        try String.fetchOne($0, sql: "PRAGMA journal_mode")
      )
    }
    #expect(synchronous == 2)
    #expect(mode == "wal")
  }

  @Test func onlyTheStatesOfTheLastTwoVersionsAreKept() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    for step in ScriptedRun.script { try step(&run) }
    let versions = try run.store.database.read {
      try Int.fetchAll($0, sql: "SELECT version FROM snapshot ORDER BY version")
    }
    #expect(versions == [3, 4])
  }

  // MARK: - Others

  @Test func aSecondCoordinatorIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    var run: ScriptedRun? = try ScriptedRun(at: .folder(path))
    let refused = RunError.inUse(path: path, holder: "process \(getpid())")
    #expect(throws: refused) { try RunStore.open(folder: path) }
    #expect(throws: refused) { try ScriptedRun(at: .folder(path)) }
    #expect(run != nil)
    run = nil
    #expect(try RunStore.open(folder: path).record == ScriptedRun.record())
  }

  @Test func theSameRunGoesOnAndAnotherIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    do {
      var run = try ScriptedRun(at: .folder(path))
      for step in ScriptedRun.script.prefix(14) { try step(&run) }
    }
    let again = try ScriptedRun(at: .folder(path)).store
    #expect(try again.latestSnapshot().version == 1)
  }

  @Test(arguments: ["name", "model digest", "layout digest", "configuration digest"])
  func anotherRunIsRefusedByWhatDiffers(what: String) throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    _ = try ScriptedRun(at: .folder(path))
    let record =
      switch what {
      case "name": try ScriptedRun.record("run-2")
      case "model digest": try ScriptedRun.record(model: "other")
      case "layout digest": try ScriptedRun.record(layout: "other")
      default: try ScriptedRun.record(configuration: "other")
      }
    let error = #expect(throws: RunError.self) {
      try RunStore.create(
        record, engine: ScriptedRun.engine(), at: .folder(path)
      ) { _ in ([], []) }
    }
    guard case .differentRun(path, what, let found, let expected) = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
    #expect(found != expected)
  }

  @Test func aRunCanBeLookedAtWhileItIsInUse() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    let reader = try RunStore.openReadOnly(folder: folder("run-1"))
    for step in ScriptedRun.script { try step(&run) }
    #expect(try reader.events() == run.journal)
    #expect(try reader.commits() == run.commits)
    let error = #expect(throws: RunError.self) {
      try reader.append(.woke, at: RunTime(nanoseconds: 0))
    }
    guard case .inaccessible = error else {
      Issue.record("not the expected error: \(String(describing: error))")
      return
    }
  }

  @Test func theListShowsEveryRunAndWhatIsWrongWithIt() throws {
    let folder = try TemporaryFolder()
    #expect(try RunStore.list(in: folder.path) == [])
    var finished = try ScriptedRun(at: .folder(folder("b")), name: "done")
    for step in ScriptedRun.script { try step(&finished) }
    let open = try ScriptedRun(at: .folder(folder("a")), name: "fresh")
    for name in ["c", "empty"] {
      try FileManager.default.createDirectory(
        atPath: folder(name), withIntermediateDirectories: true)
    }
    try Data("not a database, but quite long enough to look like one".utf8)
      .write(to: URL(fileURLWithPath: folder("c/run.sqlite")))
    let list = try RunStore.list(in: folder.path)
    #expect(list.map(\.folder) == ["a", "b", "c"].map { folder($0) })
    let fresh = try list[0].contents.get()
    #expect(fresh.id == open.store.record.id)
    #expect(fresh.version == 0)
    #expect(fresh.versionCount == 4)
    #expect(fresh.outcome == nil)
    #expect(fresh.lastEvent == fresh.created)
    let done = try list[1].contents.get()
    #expect(done.version == 4)
    #expect(done.outcome == .completed(version: 4))
    #expect(done.lastEvent == finished.now)
    guard case .failure(.damaged) = list[2].contents else {
      Issue.record("not damaged: \(list[2])")
      return
    }
    #expect(throws: RunError.missing(path: folder("nowhere"))) {
      try RunStore.list(in: folder("nowhere"))
    }
  }

  @Test func aKilledRunCanBeListed() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("runs/a")))
    for step in ScriptedRun.script.prefix(14) { try step(&run) }
    _ = try remains(of: run.store.path, in: folder, "copies/a")
    #expect(try RunStore.list(in: folder("copies"))[0].contents.get().version == 1)
  }
}
