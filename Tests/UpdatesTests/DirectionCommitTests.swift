// SPDX-License-Identifier: Apache-2.0
import Digests
import Testing
import Updates

struct DirectionCommitTests {
  private let digest = Digest(of: [1, 2, 3])

  private func commit(
    _ version: Int, after chain: CommitChain, state: Digest? = nil
  ) -> DirectionCommit {
    DirectionCommit(
      version: version, previous: chain.link,
      step: DirectionStep(
        step: UInt32(version + 3), terms: [DirectionTerm(query: 2, coefficient: 0.5)]),
      state: state)
  }

  private var start: CommitChain { CommitChain(plan: digest, adapter: Digest(of: [])) }

  @Test func theRecordIsThatOfTheFormat() {
    let chain = CommitChain(version: 299, digest: digest)
    #expect(
      commit(300, after: chain).record
        == [0xAC, 0x02] + digest.bytes.prefix(8) + [0xAF, 0x02, 0, 1, 2, 0, 0, 0, 0x3F])
    #expect(
      commit(300, after: chain, state: digest).record
        == commit(300, after: chain).record + digest.bytes)
  }

  @Test func whatIsWrittenIsReadBack() throws {
    for state in [nil, digest] {
      let commit = commit(7, after: start, state: state)
      #expect(try DirectionCommit(record: commit.record) == commit)
    }
  }

  @Test func aRecordThatIsCutOffOrGoesOnIsRefused() {
    let record = commit(7, after: start, state: digest).record
    let whole = record.count - Digest.byteCount
    for count in record.indices where count != whole {
      #expect(throws: UpdateError.self) {
        try DirectionCommit(record: Array(record.prefix(count)))
      }
    }
    #expect(throws: UpdateError.self) { try DirectionCommit(record: record + [0]) }
    #expect(throws: UpdateError.self) {
      try DirectionCommit(record: [0] + commit(7, after: start).record.dropFirst())
    }
  }

  @Test func aChainTellsHistoriesApart() {
    var (one, other) = (start, start)
    for version in 1...3 {
      let commit = commit(version, after: one)
      #expect(one.isFollowed(by: commit))
      one.append(commit, record: commit.record)
    }
    let first = commit(1, after: other, state: digest)
    other.append(first, record: first.record)
    #expect(!other.isFollowed(by: commit(2, after: one)))
    #expect(!other.isFollowed(by: commit(3, after: other)))
    #expect(!one.isFollowed(by: commit(3, after: one)))
    #expect(one.digest != other.digest && one.version == 3)
    #expect(CommitChain(plan: Digest(of: []), adapter: Digest(of: [])) != start)
  }
}
