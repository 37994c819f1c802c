// SPDX-License-Identifier: Apache-2.0
import Randomness
import Tensors
import Testing

@testable import Updates

@Suite struct BroadcasterTests {
  @Test(arguments: [UpdateCodec.dense, .ternary(density: 0.2)])
  func theWorkersReplicaIsTheServersBitForBit(codec: UpdateCodec) throws {
    let layout = layout(80, 20)
    var adapter = randomVector(layout, seed: 1)
    var broadcaster = Broadcaster(replica: adapter)
    var worker = adapter
    for round in 0..<100 {
      adapter.add(randomVector(layout, seed: UInt64(round)), scaledBy: 0.01)
      let payload = try broadcaster.broadcast(adapter, with: codec).payload
      worker.add(try codec.decode(payload, layout: layout))
      #expect(worker.digest == broadcaster.replica.digest)
    }
  }

  @Test func aWorkerThatWasAwayHearsTheBroadcastsInOrder() throws {
    let layout = layout(100)
    let codec = UpdateCodec.ternary(density: 0.1)
    var adapter = ParameterVector(zerosOf: layout)
    var broadcaster = Broadcaster(replica: adapter)
    var worker = adapter
    var missed: [[UInt8]] = []
    var stream = RandomStream(Seed(2))
    for round in 0..<100 {
      adapter.add(randomVector(layout, seed: UInt64(round)), scaledBy: 0.01)
      missed.append(try broadcaster.broadcast(adapter, with: codec).payload)
      guard stream.unit() < 0.3 else { continue }
      for payload in missed { worker.add(try codec.decode(payload, layout: layout)) }
      missed = []
      #expect(worker.digest == broadcaster.replica.digest)
    }
  }

  @Test func whatWasLeftOutComesLater() throws {
    let adapter = randomVector(layout(100), seed: 3)
    var broadcaster = Broadcaster(replica: ParameterVector(zerosOf: adapter.layout))
    var distance = adapter.norm
    for _ in 0..<60 {
      _ = try broadcaster.broadcast(adapter, with: .ternary(density: 0.1))
    }
    var difference = adapter
    difference.add(broadcaster.replica, scaledBy: -1)
    distance = difference.norm / distance
    #expect(distance < 0.05)
  }

  @Test func aFailureChangesNothing() {
    var broadcaster = Broadcaster(replica: vector([1, 2]))
    #expect(throws: UpdateError.nonFiniteInput(tensor: "tensor0", index: 1)) {
      try broadcaster.broadcast(vector([1, .infinity]), with: .ternary(density: 0.5))
    }
    #expect(broadcaster.replica == vector([1, 2]))
  }
}
