// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Rounds
internal import Tensors
internal import Updates

/// What the coordinator knows of the adapter after a commit: all that the next commit needs.
struct ServerState {
  /// How many commits are behind the adapter.
  private(set) var version: Int
  /// The adapter itself.
  private(set) var adapter: ParameterVector
  /// What the workers hold.
  private(set) var broadcaster: Broadcaster
  /// The message that brought them there from the version before, and what they held then.
  private(set) var lastBroadcast: (payload: [UInt8], from: Digest)?
  /// The last contribution of each worker that is part of the adapter.
  private(set) var accepted: [WorkerID: Contribution]
  private var optimizer: ServerOptimizer
  private let plan: UpdatePlan

  /// Version 0.
  init(adapter: ParameterVector, plan: UpdatePlan) {
    version = 0
    self.adapter = adapter
    broadcaster = Broadcaster(replica: adapter)
    accepted = [:]
    optimizer = ServerOptimizer(rule: plan.server, layout: adapter.layout)
    self.plan = plan
  }

  /// The next version: the mean of the contributions' updates, through the server's optimizer.
  ///
  /// Payloads are asked for and decoded one by one, in the order of `contributions`, so that the
  /// memory is that of one accumulator.
  mutating func commit(
    _ contributions: [Contribution], payload: (Digest) throws -> [UInt8]
  ) throws {
    let codec = plan.upCodec(from: version)
    var mean = WeightedMean(layout: adapter.layout)
    for contribution in contributions {
      try mean.add(
        payload: try payload(contribution.payload), codec: codec,
        weight: Double(contribution.exampleCount))
    }
    guard let delta = mean.combined() else { return }
    optimizer.apply(delta, to: &adapter)
    try broadcast()
    for contribution in contributions { accepted[contribution.worker] = contribution }
    version += 1
  }

  /// What every worker can start from: the replica, as it is.
  func snapshotPayload() throws -> [UInt8] {
    try UpdateCodec.dense.encode(broadcaster.replica).payload
  }

  private mutating func broadcast() throws {
    if plan.down == .dense {
      // A dense message is the adapter itself; there is nothing left over to remember.
      broadcaster = Broadcaster(replica: adapter)
    } else {
      let before = broadcaster.replica.digest
      lastBroadcast = (try broadcaster.broadcast(adapter, with: plan.down).payload, before)
    }
  }
}

extension ServerState {
  private struct Header: Codable {
    var version: Int
    var layout: Digest
    var accepted: [Contribution]
    var optimizerVectorCount: Int
    var broadcastFrom: Digest?
  }

  /// The state as bytes that know when they are damaged.
  func encoded() throws -> [UInt8] {
    let header = Header(
      version: version, layout: adapter.layout.digest,
      accepted: accepted.values.sorted { $0.worker < $1.worker },
      optimizerVectorCount: optimizer.state.count, broadcastFrom: lastBroadcast?.from)
    let vectors = [adapter, broadcaster.replica] + optimizer.state
    return try Archive(
      header: header, parts: vectors.map { floatBytes($0.values) } + [lastBroadcast?.payload ?? []]
    ).encoded()
  }

  /// The state in `bytes`, of a run with this plan and layout.
  init(decoding bytes: [UInt8], layout: ParameterLayout, plan: UpdatePlan) throws {
    let archive = try Archive<Header>(decoding: bytes, from: "the snapshot")
    let header = archive.header
    guard header.layout == layout.digest else {
      throw FederationError.damagedState(
        "the snapshot has layout \(header.layout.short) instead of \(layout.digest.short)")
    }
    let vectors = try archive.parts.dropLast().map { part in
      guard let values = floats(from: part, count: layout.count) else {
        throw FederationError.damagedState("the snapshot holds a vector of another length")
      }
      return ParameterVector(layout: layout, values: values)
    }
    guard header.optimizerVectorCount >= 0, vectors.count == 2 + header.optimizerVectorCount,
      let broadcast = archive.parts.last
    else { throw FederationError.damagedState("the snapshot lacks a part") }
    version = header.version
    adapter = vectors[0]
    broadcaster = Broadcaster(replica: vectors[1])
    lastBroadcast = header.broadcastFrom.map { (broadcast, $0) }
    accepted = Dictionary(
      header.accepted.map { ($0.worker, $0) }, uniquingKeysWith: { _, last in last })
    optimizer = try ServerOptimizer(
      rule: plan.server, layout: layout, state: Array(vectors.dropFirst(2)))
    self.plan = plan
  }
}
