// SPDX-License-Identifier: Apache-2.0
import Digests
import Federation
import Files
import Messages
import Randomness
import Rounds
import Tensors
import Testing
import Updates

@Suite struct ContributionTests {
  private static let names = ["ann", "bob", "cleo"]

  /// Runs a fleet in which the second upload of anyone is changed on its way.
  private func run(_ change: @escaping (Upload) throws -> Upload) throws -> LockstepFleet {
    try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(plan: testPlan(), workers: Self.names, folder: folder)
      let counter = Counter()
      fleet.tamper = { upload in
        if counter.next() == 2 { upload = try change(upload) }
      }
      try fleet.run()
      return fleet
    }
  }

  private func refusals(of fleet: LockstepFleet) -> [String] {
    fleet.events.compactMap { event in
      if case .refused(_, let reason) = event { reason } else { nil }
    }
  }

  private func altered(_ upload: Upload, payload: [UInt8]) -> Upload {
    Upload(
      contribution: Contribution(
        round: upload.contribution.round, baseVersion: upload.contribution.baseVersion,
        worker: upload.contribution.worker, payload: Digest(of: payload),
        exampleCount: upload.contribution.exampleCount),
      loss: upload.loss, tokenCount: upload.tokenCount, duration: upload.duration,
      payload: Payload(payload))
  }

  @Test(arguments: [0, 5, 20, 60])
  func aFlippedBitCostsTheSenderItsConnectionAndNobodyElseAnything(position: Int) throws {
    let fleet = try run { upload in
      var payload = try upload.payload.bytes()
      payload[min(position, payload.count - 1)] ^= 0x40
      return altered(upload, payload: payload)
    }
    let outcome = try #require(fleet.outcome)
    #expect(outcome.failure == nil && outcome.version == 5)
  }

  @Test func anUpdateThatCannotBeDecodedIsRefusedWithItsReason() throws {
    let fleet = try run { altered($0, payload: try Array($0.payload.bytes().dropLast(3))) }
    #expect(refusals(of: fleet).contains { $0.contains("not valid") })
    #expect(fleet.outcome?.failure == nil)
  }

  @Test func aDenseUpdateWhereTernaryIsAgreedIsRefused() throws {
    let dense = try UpdateCodec.dense.encode(.init(zerosOf: testLayout), seed: Seed(0)).payload
    let fleet = try run { altered($0, payload: dense) }
    #expect(!refusals(of: fleet).isEmpty)
    #expect(fleet.outcome?.failure == nil)
  }

  @Test func updatesThatLeadBeyondAllNumbersFailTheRoundAndNotTheCoordinator() throws {
    var plan = testPlan(server: .sgd(learningRate: 2, momentum: 0))
    plan.updates.opening = .dense
    plan.updates.up = .dense
    var huge = ParameterVector(zerosOf: testLayout)
    for index in huge.values.indices { huge.values[index] = 3e38 }
    let payload = try UpdateCodec.dense.encode(huge, seed: Seed(0)).payload
    let fleet = try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(plan: plan, workers: Self.names, folder: folder)
      fleet.tamper = { $0 = altered($0, payload: payload) }
      try fleet.run()
      return fleet
    }
    let outcome = try #require(fleet.outcome)
    #expect(outcome.version == 0)
    #expect(outcome.failure?.contains("not finite") == true)
  }

  @Test func aRefusedUpdateIsGivenAgainAsItIs() throws {
    // Learned once, refused once on its way: the bits of a run in which nothing happened.
    let undisturbed = try run { $0 }
    let disturbed = try run {
      altered($0, payload: try Array($0.payload.bytes().dropLast(3)))
    }
    #expect(!refusals(of: disturbed).isEmpty)
    #expect(disturbed.outcome == undisturbed.outcome)
  }

  @Test func whatWorkersSendTelescopes() throws {
    // With a ternary downlink too, nothing is lost: the run comes near to where it is pulled.
    let fleet = try withTemporaryFolder { folder in
      var fleet = try LockstepFleet(
        plan: testPlan(versions: 60, down: .ternary(density: 0.3)), workers: Self.names,
        folder: folder)
      try fleet.run()
      return fleet
    }
    let losses = fleet.events.compactMap { event in
      if case .committed(let commit) = event { commit.loss } else { nil }
    }
    #expect(losses.count == 60)
    #expect(losses[59] < losses[0])
  }
}

/// Counts calls.
private final class Counter {
  private var count = 0

  func next() -> Int {
    count += 1
    return count
  }
}
