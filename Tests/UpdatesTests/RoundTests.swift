// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import Updates

/// What happens to updates from worker to server and back, round after round.
@Suite struct RoundTests {
  @Test(arguments: [
    ServerOptimizerRule.sgd(), .sgd(learningRate: 0.7, momentum: 0.9), .yogi(learningRate: 0.1),
  ])
  func aRunGoesOnFromASnapshotWithTheSameBits(rule: ServerOptimizerRule) throws {
    var whole = Run(rule: rule)
    for _ in 0..<12 { try whole.round() }
    var half = Run(rule: rule)
    for _ in 0..<5 { try half.round() }
    var rest = try half.restored()
    for _ in 5..<12 { try rest.round() }
    #expect(rest.adapter.digest == whole.adapter.digest)
    #expect(rest.broadcaster.replica.digest == whole.broadcaster.replica.digest)
    #expect(rest.senders.map(\.residual.digest) == whole.senders.map(\.residual.digest))
    #expect(whole.adapter.norm > 0)
  }

  @Test func aRefusedUpdateIsNotLost() throws {
    // The round in which worker 1 is refused; what it learned must still arrive later.
    var run = Run(rule: .sgd())
    let learned = randomVector(run.layout, seed: 77)
    let encoded = try run.senders[1].compress(learned, with: run.uplink)
    run.senders[1].restore(encoded.decoded)
    var difference = run.senders[1].residual
    difference.add(learned, scaledBy: -1)
    #expect(difference.norm <= 1e-6 * learned.norm)
    let silence = ParameterVector(zerosOf: run.layout)
    var received = silence
    for _ in 0..<40 {
      received.add(try run.senders[1].compress(silence, with: run.uplink).decoded)
    }
    received.add(learned, scaledBy: -1)
    #expect(received.norm < 0.05 * learned.norm)
  }

  @Test func workersHoldTheSameBits() throws {
    var run = Run(rule: .sgd())
    for _ in 0..<10 {
      try run.round()
      for replica in run.replicas { #expect(replica.digest == run.broadcaster.replica.digest) }
    }
  }
}

/// Three workers and a server, all in one value.
private struct Run {
  let layout = ParameterLayout([("a", [10, 8]), ("b", [40])])
  let uplink = UpdateCodec.ternary(density: 0.1)
  let downlink = UpdateCodec.ternary(density: 0.3)
  var version = 0
  var adapter: ParameterVector
  var optimizer: ServerOptimizer
  var broadcaster: Broadcaster
  var senders: [ErrorFeedback]
  var replicas: [ParameterVector]

  init(rule: ServerOptimizerRule) {
    adapter = ParameterVector(zerosOf: layout)
    optimizer = ServerOptimizer(rule: rule, layout: layout)
    broadcaster = Broadcaster(replica: adapter)
    senders = (0..<3).map { [layout] _ in ErrorFeedback(layout: layout) }
    replicas = [adapter, adapter, adapter]
  }

  mutating func round() throws {
    var mean = WeightedMean(layout: layout)
    for worker in senders.indices {
      var delta = randomVector(layout, seed: UInt64(version * 3 + worker))
      delta.add(replicas[worker], scaledBy: -0.1)
      let payload = try senders[worker].compress(delta, with: uplink).payload
      try mean.add(payload: payload, codec: uplink, weight: Double(worker + 10))
    }
    optimizer.apply(try #require(mean.combined()), to: &adapter)
    let payload = try broadcaster.broadcast(adapter, with: downlink).payload
    for worker in replicas.indices {
      replicas[worker].add(try downlink.decode(payload, layout: layout))
    }
    version += 1
  }

  /// The run as a restart finds it: everything that is saved, through its saved form.
  func restored() throws -> Run {
    func saved(_ vector: ParameterVector) throws -> ParameterVector {
      try UpdateCodec.dense.decode(
        try UpdateCodec.dense.encode(vector).payload, layout: layout)
    }
    var run = Run(rule: optimizer.rule)
    run.version = version
    run.adapter = try saved(adapter)
    run.optimizer = try ServerOptimizer(
      rule: optimizer.rule, layout: layout, state: try optimizer.state.map(saved))
    run.broadcaster = Broadcaster(replica: try saved(broadcaster.replica))
    run.senders = try senders.map { ErrorFeedback(residual: try saved($0.residual)) }
    run.replicas = try replicas.map(saved)
    return run
  }
}
