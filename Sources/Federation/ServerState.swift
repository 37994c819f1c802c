// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import FoundationEssentials
internal import Rounds
internal import Tensors
internal import Updates

/// What the coordinator knows of the adapter after a commit: all that the next commit needs.
struct ServerState {
  /// How many commits are behind the adapter.
  private(set) var version: Int
  /// The adapter itself.
  private(set) var adapter: ParameterVector
  /// The digest of the adapter.
  private(set) var adapterDigest: Digest
  /// The digest of what the workers hold: the adapter, or its replica.
  private(set) var replicaDigest: Digest
  /// What every worker can start from, as it is sent; nil until the state was stored.
  private(set) var snapshot: Payload?
  /// The message that brought the workers here from the version before.
  private(set) var lastBroadcast: Payload?
  /// The last messages, oldest first: as many as are together no longer than a snapshot.
  private var broadcasts: [Broadcast]
  /// The last contribution of each worker that is part of the adapter.
  private(set) var accepted: [WorkerID: Contribution]
  /// What the workers hold, where changes are sent; nil where they hold the adapter itself.
  private var broadcaster: Broadcaster?
  private var optimizer: ServerOptimizer
  /// What the directions of a pool have come to, where versions are told by it.
  private var pool: DirectionPool?
  private let reader: ContributionReader

  private var plan: UpdatePlan { reader.plan.updates }

  /// A message that brought the workers from one version to the next.
  struct Broadcast: Codable {
    let payload: Digest
    let byteCount: Int
    /// The digest of what they held before.
    let from: Digest
  }

  /// What the workers hold.
  var replica: ParameterVector { broadcaster?.replica ?? adapter }

  /// Version 0, where the next version depends on it.
  var origin: ParameterVector? { pool?.origin }

  /// Version 0.
  init(adapter: ParameterVector, plan: RunPlan) {
    version = 0
    self.adapter = adapter
    adapterDigest = adapter.digest
    replicaDigest = adapterDigest
    broadcaster = plan.updates.down == .dense ? nil : Broadcaster(replica: adapter)
    accepted = [:]
    broadcasts = []
    optimizer = ServerOptimizer(rule: plan.updates.server, layout: adapter.layout)
    pool = DirectionPool(of: plan, from: adapter)
    reader = ContributionReader(plan: plan, layout: adapter.layout)
  }

  /// The next version: what its contributions come to, through the server's optimizer; or their
  /// steps, one after the other.
  ///
  /// Updates are read in the order of `contributions`, block by block where that can be: beside the
  /// adapter no other vector of its size is in memory, but for those of walks.
  /// - Returns: The state as it is to be stored; its vectors are written to drafts of `log`.
  /// - Throws: what `log` throws, and `UpdateError` when an update cannot be read or there is no
  ///   next version of finite numbers; the state is then of no use any more.
  mutating func commit(
    _ contributions: [Contribution], in log: some RunLog
  ) throws -> StoredState {
    let contents = try reader.contents(of: contributions, from: version, in: log)
    let steps = try followed(contents)
    if steps == nil {
      try optimizer.step(of: &adapter) { [reader, version] step throws(UpdateError) in
        try reader.eachBlock(of: contents, from: version) { step.move($1, at: $0) }
      }
    }
    // Finite updates may be so large that their mean, or a step along it, is not.
    guard adapter.isFinite, optimizer.state.allSatisfy(\.isFinite) else {
      throw UpdateError.diverged(version: version + 1)
    }
    do {
      try broadcast(steps)
    } catch UpdateError.nonFiniteInput {
      throw UpdateError.diverged(version: version + 1)
    }
    // So may what is sent of the step, added to what the workers hold.
    guard broadcaster?.replica.isFinite ?? true else {
      throw UpdateError.diverged(version: version + 1)
    }
    for contribution in contributions { accepted[contribution.worker] = contribution }
    version += 1
    return try stored(in: log)
  }

  /// Takes the steps of all walks, each as long as its weight and the server's rate make it, where a
  /// version is made of nothing else; gives them as every worker will take them, from the version
  /// before or, of a pool, from version 0.
  private mutating func followed(_ contents: ContributionReader.Contents) throws -> Payload? {
    guard plan.steps == .upAndDown, let rules = reader.walkRules,
      case .sgd(let rate, _) = plan.server
    else { return nil }
    let update = rules.mean(of: contents.walks, rate: rate)
    if var pool {
      pool.add(update)
      adapter = try pool.adapter
      self.pool = pool
      return pool.payload
    }
    try rules.follow(update, &adapter)
    return Payload(update.payload(for: adapter.layout))
  }

  /// - Parameter steps: those that lead to this version, where workers take them too.
  private mutating func broadcast(_ steps: Payload?) throws {
    // Of a pool all is told each time, as the snapshot.
    if pool != nil { return }
    // A whole adapter leaves nothing over that would have to be remembered.
    let codec = plan.down
    let update = try broadcaster?.broadcast(adapter, with: codec)
    lastBroadcast = steps ?? update.map { Payload($0.payload) }
    let limit = min(
      UpdateSequence.byteLimit, UpdateCodec.dense.maximumPayloadByteCount(for: adapter.layout))
    if let steps, steps.byteCount > limit {
      // Nobody follows by what is longer than the whole.
      (lastBroadcast, broadcasts) = (nil, [])
    }
    if let lastBroadcast {
      broadcasts.append(
        Broadcast(
          payload: lastBroadcast.digest, byteCount: lastBroadcast.byteCount, from: replicaDigest))
    }
    while broadcasts.count > Self.broadcastLimit
      || UpdateSequence.byteCount(of: broadcasts.lazy.map(\.byteCount)) > limit,
      broadcasts.count > 1
    {
      broadcasts.removeFirst()
    }
  }

  /// So many messages are remembered at the most.
  private static let broadcastLimit = 256

  /// The messages that lead from `version`, held as `state`, to this one, in order; nil when a
  /// snapshot is shorter, or `state` is not what that version was.
  func broadcasts(after version: Int, held state: Digest) -> [Broadcast]? {
    let missing = self.version - version
    guard missing > 0, missing <= broadcasts.count else { return nil }
    let messages = broadcasts.suffix(missing)
    return messages.first?.from == state ? Array(messages) : nil
  }
}

extension ServerState {
  private struct Header: Codable {
    var version: Int
    var layout: Digest
    var accepted: [Contribution]
    var adapter: Digest
    var replica: Digest?
    var pool: Digest?
    var optimizer: [Digest]
    var broadcasts: [Broadcast]
  }

  /// The state as it is stored; its vectors are written to drafts of `log`.
  mutating func stored(in log: some RunLog) throws -> StoredState {
    func written(_ vector: ParameterVector) throws -> Payload {
      let draft = log.makeDraft()
      try UpdateCodec.writeDense(vector, to: draft)
      return draft.finished()
    }
    let whole = try written(adapter)
    let replica = try broadcaster.map { try written($0.replica) }
    let averages = try optimizer.state.map(written)
    let coefficients = pool?.payload
    let header = Header(
      version: version, layout: adapter.layout.digest,
      accepted: accepted.values.sorted { $0.worker < $1.worker }, adapter: whole.digest,
      replica: replica?.digest, pool: coefficients?.digest, optimizer: averages.map(\.digest),
      broadcasts: broadcasts)
    snapshot = shorter(coefficients, replica ?? whole)
    adapterDigest = whole.digest
    replicaDigest = (replica ?? whole).digest
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return StoredState(
      bytes: Array(try encoder.encode(header)),
      vectors: [whole] + [replica, coefficients].compactMap(\.self) + averages)
  }

  /// The state in `bytes`, of a run with this plan and layout.
  ///
  /// - Parameter origin: version 0; nil where no further version is made.
  init(
    decoding bytes: [UInt8], layout: ParameterLayout, plan: RunPlan, origin: ParameterVector?,
    payload: (Digest) throws -> Payload
  ) throws {
    let header: Header
    do {
      header = try JSONDecoder().decode(Header.self, from: Data(bytes))
    } catch {
      throw FederationError.damagedState("the snapshot cannot be read (\(error))")
    }
    guard header.layout == layout.digest else {
      throw FederationError.damagedState(
        "the snapshot has layout \(header.layout.short) instead of \(layout.digest.short)")
    }
    guard (header.replica == nil) == (plan.updates.down == .dense) else {
      throw FederationError.damagedState("the snapshot was made with another downlink")
    }
    guard (header.pool != nil) == plan.tellsVersionsByPool else {
      throw FederationError.damagedState("the snapshot was made with other directions")
    }
    func vector(_ digest: Digest) throws -> ParameterVector {
      try UpdateCodec.dense.decode(try payload(digest), layout: layout)
    }
    version = header.version
    adapter = try vector(header.adapter)
    adapterDigest = header.adapter
    broadcaster = try header.replica.map { Broadcaster(replica: try vector($0)) }
    replicaDigest = header.replica ?? header.adapter
    let coefficients = try header.pool.map(payload)
    snapshot = shorter(coefficients, try payload(replicaDigest))
    pool = origin.flatMap { DirectionPool(of: plan, from: $0) }
    if let coefficients { try pool?.restore(try coefficients.bytes()) }
    broadcasts = header.broadcasts
    lastBroadcast = try broadcasts.last.map { try payload($0.payload) }
    accepted = Dictionary(
      header.accepted.map { ($0.worker, $0) }, uniquingKeysWith: { _, last in last })
    optimizer = try ServerOptimizer(
      rule: plan.updates.server, layout: layout, state: header.optimizer.map(vector))
    reader = ContributionReader(plan: plan, layout: layout)
  }
}

/// What of the same adapter is sent to those who hold nothing of it.
private func shorter(_ coefficients: Payload?, _ whole: Payload) -> Payload {
  guard let coefficients, coefficients.byteCount < whole.byteCount else { return whole }
  return coefficients
}
