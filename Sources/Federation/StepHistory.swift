// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Rounds
internal import Tensors
internal import Training
internal import Updates

/// All that the next step depends on, at one version: what a run by steps can be gone on from.
struct StepState {
  /// All commits so far.
  var chain: CommitChain
  /// The adapter, and what the rule keeps.
  var replica: ZerothOrderReplica
  /// What the limit of the scalars is made from.
  var clip: ScalarClip
  /// The number of the last step that was committed, plus one.
  var nextStep: Int
  /// How the run trains.
  let settings: ZerothOrderTraining
  /// How many versions the run makes.
  let versionCount: Int

  /// Version 0 of the run of `plan`.
  ///
  /// - Throws: unless it is one of steps.
  init(plan: RunPlan, initialAdapter: ParameterVector) throws {
    guard let settings = plan.training.sharedSteps else {
      throw FederationError.unreadablePlan("it is none of steps that workers take together")
    }
    replica = settings.replica(
      from: initialAdapter, directions: plan.stepDirections(settings.distribution))
    chain = CommitChain(plan: try plan.digest(), adapter: initialAdapter.digest)
    clip = ScalarClip()
    nextStep = 0
    self.settings = settings
    versionCount = plan.rounds.versionCount
  }

  /// The learning rate of the step that makes a version.
  func learningRate(ofVersion version: Int) -> Double {
    settings.learningRate(atStep: version - 1, of: versionCount)
  }

  /// Takes a commit with its record.
  ///
  /// - Throws: unless it is the next one, and a step of the rule.
  mutating func apply(_ commit: DirectionCommit, record: [UInt8]) throws(FederationError) {
    guard chain.isFollowed(by: commit) else {
      throw .unexpected(
        "a commit of version \(commit.version) that does not follow version \(chain.version)")
    }
    guard (commit.step.rate != nil) == replica.rule.hasState, commit.step.step >= nextStep else {
      throw .unexpected("a commit of version \(commit.version) with another rule's step")
    }
    replica.apply(commit.step)
    note(commit, record: record)
  }

  /// Remembers a commit whose step the replica has taken.
  ///
  /// - Precondition: it is the next one.
  mutating func note(_ commit: DirectionCommit, record: [UInt8]) {
    clip.note(
      commit.step, by: replica.rule, learningRate: learningRate(ofVersion: commit.version))
    chain.append(commit, record: record)
    nextStep = Int(commit.step.step) + 1
  }
}

// MARK: - As bytes

extension StepState {
  private struct Header: Codable {
    var version: Int
    var chain: Digest
    var layout: Digest
    var clip: ScalarClip
    var nextStep: Int
    var momentStepCount: Int
  }

  /// The state as it is stored and sent: its numbers, then its vectors.
  func encoded() throws -> [UInt8] {
    let memory = replica.memory
    let header = Header(
      version: chain.version, chain: chain.digest, layout: replica.adapter.layout.digest,
      clip: clip, nextStep: nextStep, momentStepCount: memory.stepCount)
    return try Archive(
      header: header, parts: ([replica.adapter.values] + memory.vectors).map(floatBytes)
    ).encoded()
  }

  /// The state in `bytes`, which may be anything at all, for a run whose version 0 is `start`.
  ///
  /// - Throws: `FederationError.damagedState`.
  init(decoding bytes: [UInt8], from place: String, start: StepState) throws {
    let archive = try Archive<Header>(decoding: bytes, from: place)
    let header = archive.header
    let layout = start.replica.adapter.layout
    let vectors = archive.parts.compactMap { floats(from: $0, count: layout.count) }
    let memoryCount = ZerothOrderReplica.memoryVectorCount(of: start.replica.rule)
    guard header.layout == layout.digest, (0...start.versionCount).contains(header.version),
      header.nextStep >= header.version, (0...header.version).contains(header.momentStepCount),
      vectors.count == archive.parts.count, vectors.count == 1 + memoryCount
    else { throw FederationError.damagedState("\(place) is of another run") }
    guard vectors.allSatisfy({ ParameterVector(layout: layout, values: $0).isFinite }) else {
      throw FederationError.damagedState("\(place) has numbers that are not finite")
    }
    settings = start.settings
    versionCount = start.versionCount
    chain = CommitChain(version: header.version, digest: header.chain)
    replica = ZerothOrderReplica(
      adapter: ParameterVector(layout: layout, values: vectors[0]),
      directions: start.replica.directions, rule: start.replica.rule,
      moved: start.replica.moved)
    replica.restore(
      ZerothOrderReplica.Memory(
        vectors: Array(vectors.dropFirst()), stepCount: header.momentStepCount))
    clip = header.clip
    nextStep = header.nextStep
  }
}

/// What brings a worker to a version that is more than a few commits away: a state to begin with, if
/// it is not the worker's own, and the commits after it.
struct StepHistory {
  /// A state as `StepState` encodes it; nil to go on from what the worker holds.
  var state: [UInt8]?
  /// The records of the commits after it.
  var records: [[UInt8]]

  private struct Header: Codable {
    var hasState: Bool
    var recordByteCounts: [Int]
  }

  /// The history as one string of bytes.
  func encoded() throws -> [UInt8] {
    try Archive(
      header: Header(hasState: state != nil, recordByteCounts: records.map(\.count)),
      parts: (state.map { [$0] } ?? []) + [records.flatMap { $0 }]
    ).encoded()
  }

  /// A history of its parts.
  init(state: [UInt8]?, records: [[UInt8]]) {
    self.state = state
    self.records = records
  }

  /// The history in `bytes`, which may be anything at all.
  ///
  /// - Throws: `FederationError.damagedState`.
  init(decoding bytes: [UInt8]) throws {
    let archive = try Archive<Header>(decoding: bytes, from: "a history")
    let counts = archive.header.recordByteCounts
    guard archive.parts.count == (archive.header.hasState ? 2 : 1), let joined = archive.parts.last,
      counts.allSatisfy({ $0 > 0 && $0 <= joined.count }), counts.reduce(0, +) == joined.count
    else { throw FederationError.damagedState("a history contradicts itself") }
    state = archive.header.hasState ? archive.parts.first : nil
    var rest = joined[...]
    records = counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }

  /// No history of a run with this layout is longer: the vectors of a state, and commits beside.
  static func maximumByteCount(for layout: ParameterLayout, rule: UpdateRule) -> Int {
    let vectorCount = 1 + ZerothOrderReplica.memoryVectorCount(of: rule)
    return vectorCount * layout.count * MemoryLayout<Float>.size + commitByteLimit + (1 << 16)
  }

  /// So many bytes of commits are sent at the most.
  static let commitByteLimit = 16 << 20
}
