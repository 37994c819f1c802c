// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Foundation
import Rounds
import Testing

@testable import Runs

@Suite struct PayloadFileTests {
  private let large = [UInt8](repeating: 5, count: 200_000)

  private func files(_ path: String) throws -> [String] {
    try namesInFolder(path + "/payloads")
  }

  @Test func onlyLargePayloadsHaveFiles() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    var run = try ScriptedRun(at: .folder(path))
    for step in ScriptedRun.script { try step(&run) }
    run.store.files?.finishRemoving()
    // The states of the last two versions are kept, and what the open round has got so far.
    let vectors = [3, 4].map { ScriptedRun.vector($0).digest }
    let open = (0..<9).map { Digest(of: ScriptedRun.payload("a", from: $0)) }.filter { digest in
      (try? run.store.hasPayload(digest)) == true
    }
    #expect(try files(path) == Set(open + vectors).map(\.description).sorted())
    #expect(try namesInFolder(path + "/incoming").isEmpty)
  }

  @Test func whatComesAgainBeforeItIsRemovedStays() throws {
    let folder = try TemporaryFolder()
    var run = try ScriptedRun(at: .folder(folder("run-1")))
    for step in ScriptedRun.script.prefix(14) { try step(&run) }
    let remover = try #require(run.store.files).remover
    let payload = Payload(large)
    for version in 2...4 {
      let contribution = Contribution(
        round: 100 + version, baseVersion: version - 1, worker: worker("a"),
        payload: payload.digest, exampleCount: 1)
      try run.store.record(
        contribution, payload: payload, event: .contributed(contribution), at: run.now)
      run.store.files?.finishRemoving()
      #expect(try run.store.payload(of: payload.digest).bytes() == large)
      // The removal that this asks for begins when the next contribution is on its way.
      remover.suspend()
      defer { DispatchQueue.global().asyncAfter(deadline: .now() + 0.2) { remover.resume() } }
      try run.store.commit(
        version: version, round: 100 + version, adapter: Digest(of: []),
        contributions: [contribution], broadcast: nil, state: [], engine: run.engine,
        event: .aggregated(round: 100 + version, version: version), at: run.now)
      #expect(try !run.store.hasPayload(payload.digest))
    }
  }

  @Test func anUploadIsTakenFromWhereItArrived() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    let store = try ScriptedRun(at: .folder(path)).store
    let digest = Digest(of: large)
    let inbox = store.inbox(of: "ann")
    try inbox.draft(of: digest, byteCount: large.count).append(large[..<150_000])
    let draft = try inbox.draft(of: digest, byteCount: large.count, from: 150_000)
    try draft.append(large[150_000...])
    let payload = try #require(try inbox.finish(draft, as: digest))
    try store.put(payload)
    #expect(try namesInFolder(path + "/incoming").isEmpty)
    #expect(try store.payload(of: digest).bytes() == large)
    // The sender may say that all of it is here, and need not send a byte.
    let again = try inbox.draft(of: digest, byteCount: large.count, from: large.count)
    #expect(try inbox.finish(again, as: digest)?.bytes() == large)
  }

  @Test func anUploadWhoseNameWentToAnotherIsCopied() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    let store = try ScriptedRun(at: .folder(path)).store
    let inbox = store.inbox(of: "ann")
    let draft = try inbox.draft(of: Digest(of: large), byteCount: large.count)
    try draft.append(large[...])
    let payload = try #require(try inbox.finish(draft, as: Digest(of: large)))
    // A newer connection begins another upload before this one is recorded.
    try inbox.draft(of: Digest(of: [1]), byteCount: large.count).append([1][...])
    try store.put(payload)
    #expect(try store.payload(of: payload.digest).bytes() == large)
  }

  @Test func whatACrashLeftIsRemoved() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    let digest = try leaveThings(in: path)
    let store = try RunStore.open(folder: path)
    #expect(
      try files(path)
        == [digest, ScriptedRun.vector(0).digest].map(\.description).sorted())
    // An upload may go on; a draft of the coordinator's own begins anew.
    #expect(try store.inbox(of: "ann").part()?.byteCount == 3)
    #expect(try namesInFolder(path + "/incoming").count == 1)
  }

  private func leaveThings(in path: String) throws -> Digest {
    let store = try ScriptedRun(at: .folder(path)).store
    try store.put(Payload(large))
    try store.draft().append(large[...])
    try store.inbox(of: "ann").draft(of: Digest(of: large), byteCount: large.count).append(
      [5, 5, 5][...])
    for name in ["\(Digest(of: [7]))", "rubbish"] {
      try DurableFile(path: "\(path)/payloads/\(name)").write([7])
    }
    return Digest(of: large)
  }

  @Test(arguments: [-1, 0, 1]) func aChangedFileIsNotHandedOut(lengthChange: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    let digest = Digest(of: large)
    try storeLarge(in: path)
    let file = try OpenFile(writing: "\(path)/payloads/\(digest)")
    try file.truncate(to: large.count + lengthChange)
    try [UInt8](repeating: 6, count: 1).withUnsafeBytes { try file.write($0, at: 1000) }
    let store = try RunStore.open(folder: path)
    #expect(
      throws: RunError.damaged(path: path, reason: "the payload \(digest) has changed")
    ) { try store.payload(of: digest) }
  }

  @Test func aFileThatIsGoneIsDamage() throws {
    let folder = try TemporaryFolder()
    let path = folder("run-1")
    try storeLarge(in: path)
    let file = "\(path)/payloads/\(Digest(of: large))"
    try removeFile(file)
    let store = try RunStore.open(folder: path)
    #expect(throws: RunError.damaged(path: file, reason: "it is gone")) {
      try store.payload(of: Digest(of: large))
    }
  }

  private func storeLarge(in path: String) throws {
    try ScriptedRun(at: .folder(path)).store.put(Payload(large))
  }
}
