// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Rounds
import Testing

/// A message with its golden bytes: every kind, with and without what is optional.
///
/// The bytes were written by hand from `proto/README.md`, not by this program; payloads go in
/// chunks of three bytes.
struct Sample: Sendable, CustomTestStringConvertible {
  let name: String
  let message: EitherMessage
  let golden: String

  var testDescription: String { name }

  static let payload: [UInt8] = [1, 2, 3, 4, 5]
  static let configuration = Array(#"{"rank":8}"#.utf8)
  static let run: RunID = {
    guard let run = RunID(rawValue: "demo") else { preconditionFailure("run 'demo'") }
    return run
  }()

  /// Those with a payload.
  static let withPayload = all.filter { $0.message.payload != nil }

  static let all = fromWorkers + fromCoordinator + aboutCertificates

  private static let fromWorkers: [Sample] = [
    Sample(
      name: "hello",
      message: .worker(
        .hello(
          Hello(
            protocolVersion: 1, schema: digest(1), software: "tern 0.1.0", model: digest(2),
            layout: digest(3), heldVersion: 7, heldState: digest(4), memoryByteCount: 8 << 30,
            coreCount: 4, exampleCount: 400, data: digest(5)))),
      golden: "000000c5010801122001010101010101010101010101010101010101010101010101010101010101"
        + "011a0a7465726e20302e312e30222002020202020202020202020202020202020202020202020202"
        + "020202020202022a2003030303030303030303030303030303030303030303030303030303030303"
        + "0330073a200404040404040404040404040404040404040404040404040404040404040404408080"
        + "80802048045090036220050505050505050505050505050505050505050505050505050505050505"
        + "0505"),
    Sample(
      name: "helloOfANewcomer",
      message: .worker(
        .hello(
          Hello(
            protocolVersion: 1, schema: digest(1), software: "tern 0.1.0", model: digest(2),
            layout: nil, heldVersion: nil, heldState: nil, memoryByteCount: 1 << 30,
            coreCount: 1, exampleCount: 1))),
      golden: "0000005c010801122001010101010101010101010101010101010101010101010101010101010101"
        + "011a0a7465726e20302e312e30222002020202020202020202020202020202020202020202020202"
        + "0202020202020240808080800448015001"),
    Sample(
      name: "contribution",
      message: .worker(
        .contribution(
          Upload(
            contribution: Contribution(
              round: 9, baseVersion: 7, worker: EitherMessage.workerID,
              payload: Digest(of: Sample.payload), exampleCount: 120),
            loss: 1.5, tokenCount: 3000, duration: .milliseconds(2500),
            payload: Payload(Sample.payload)))),
      golden: "0000003e02080910071a240a2074f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25d5e5a3936f"
        + "f3dcec60d01005207829000000000000f83f30b8173880f28ba8090000000b400000000000000000"
        + "0102030000000a4000000000000000030405"),
    Sample(
      name: "failed",
      message: .worker(.failed(round: 9, reason: "out of memory")),
      golden: "00000011030809120d6f7574206f66206d656d6f7279"),
    Sample(
      name: "workerHeartbeat",
      message: .worker(
        .heartbeat(
          WorkerHeartbeat(
            sequence: 300, activity: WorkerHeartbeat.Activity(round: 9, step: 3, stepCount: 4)))),
      golden: "0000000b0408ac021206080910031804"),
    Sample(
      name: "idleWorkerHeartbeat",
      message: .worker(.heartbeat(WorkerHeartbeat(sequence: 0))),
      golden: "0000000004"),
    Sample(
      name: "farewell",
      message: .worker(.farewell(reason: "shut down")),
      golden: "0000000b050a097368757420646f776e"),
    Sample(
      name: "losses",
      message: .worker(
        .losses(
          LossReport(
            step: 300, baseVersion: 50, firstQuery: 4, losses: [1.5, .infinity], exampleCount: 8,
            tokenCount: 640, state: digest(4)))),
      golden: "000000400608ac02103218042210000000000000f83f000000000000f07f28083080053a20040404"
        + "0404040404040404040404040404040404040404040404040404040404"),
  ]

  private static let fromCoordinator: [Sample] = [
    Sample(
      name: "welcome",
      message: .coordinator(
        .welcome(
          Welcome(
            run: Sample.run, configuration: Sample.configuration,
            configurationDigest: Digest(of: Sample.configuration), layout: digest(3),
            heartbeatInterval: .seconds(5), silenceLimit: .seconds(15)))),
      golden: "00000062200a0464656d6f120a7b2272616e6b223a387d1a20fd6fa1f57597df6436cbf33e320635"
        + "4d2efb234c9c35a86c352a435eabeab74e2220030303030303030303030303030303030303030303"
        + "03030303030303030303032880e497d0123080acc7f037"),
    Sample(
      name: "refused",
      message: .coordinator(
        .refused(Refusal(code: .model, reason: "another model", retryable: true))),
      golden: "00000013210802120d616e6f74686572206d6f64656c1801"),
    Sample(
      name: "assignment",
      message: .coordinator(
        .assignment(
          AssignmentMessage(
            round: 9, baseVersion: 7, remaining: .seconds(60),
            accepted: AssignmentMessage.Accepted(version: 7, payload: digest(5)),
            adapter: AdapterDelivery(
              version: 7, baseVersion: 6, state: digest(4), payload: Payload(Sample.payload))))),
      golden: "0000007f22080910071880b09dc2df01222408071220050505050505050505050505050505050505"
        + "05050505050505050505050505052a4c080710061a20040404040404040404040404040404040404"
        + "040404040404040404040404040422240a2074f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25"
        + "d5e5a3936ff3dcec60d010050000000b4000000000000000000102030000000a4000000000000000"
        + "030405"),
    Sample(
      name: "assignmentWithSnapshot",
      message: .coordinator(
        .assignment(
          AssignmentMessage(
            round: 1, baseVersion: 0, remaining: .seconds(60), accepted: nil,
            adapter: AdapterDelivery(
              version: 0, baseVersion: nil, state: digest(4), payload: Payload(Sample.payload))))),
      golden: "000000532208011880b09dc2df012a481a2004040404040404040404040404040404040404040404"
        + "0404040404040404040422240a2074f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25d5e5a393"
        + "6ff3dcec60d010050000000b4000000000000000000102030000000a4000000000000000030405"),
    Sample(
      name: "assignmentWithoutAdapter",
      message: .coordinator(
        .assignment(
          AssignmentMessage(
            round: 10, baseVersion: 8, remaining: .seconds(1), accepted: nil, adapter: nil))),
      golden: "0000000a22080a1008188094ebdc03"),
    Sample(
      name: "receipt",
      message: .coordinator(.receipt(Receipt(round: 9, payload: digest(5)))),
      golden: "00000024230809122005050505050505050505050505050505050505050505050505050505050505"
        + "05"),
    Sample(
      name: "receiptWithRefusal",
      message: .coordinator(
        .receipt(Receipt(round: 9, payload: digest(5), refusal: "too late"))),
      golden: "0000002e230809122005050505050505050505050505050505050505050505050505050505050505"
        + "051a08746f6f206c617465"),
    Sample(
      name: "released",
      message: .coordinator(.released(round: 9, reason: "the round is over")),
      golden: "00000015240809121174686520726f756e64206973206f766572"),
    Sample(
      name: "finished",
      message: .coordinator(.finished(Finished(version: 10, state: digest(6)))),
      golden: "0000002425080a122006060606060606060606060606060606060606060606060606060606060606"
        + "06"),
    Sample(
      name: "finishedInFailure",
      message: .coordinator(
        .finished(Finished(version: 4, state: digest(6), outcome: "no quorum"))),
      golden: "0000002f250804122006060606060606060606060606060606060606060606060606060606060606"
        + "061a096e6f2071756f72756d"),
    Sample(
      name: "coordinatorHeartbeat",
      message: .coordinator(.heartbeat(sequence: .max)),
      golden: "0000000b2608ffffffffffffffffff01"),
    Sample(
      name: "step",
      message: .coordinator(
        .step(
          StepTask(
            step: 300, baseVersion: 50, queries: 4..<6, remaining: .seconds(60),
            commits: [[1, 2, 3], [4]]))),
      golden: "000000182708ac021032180420022880b09dc2df013203010203320104"),
    Sample(
      name: "stepOfOneSign",
      message: .coordinator(
        .step(
          StepTask(
            step: 3, baseVersion: 2, queries: 4..<6, signs: .minus, remaining: .seconds(1)))),
      golden: "00000010270803100218042002288094ebdc034002"),
    Sample(
      name: "stepWithHistory",
      message: .coordinator(
        .step(
          StepTask(
            step: 51, baseVersion: 50, queries: 0..<1, remaining: .seconds(1),
            history: AdapterDelivery(
              version: 50, baseVersion: 0, state: digest(4), payload: Payload(Sample.payload))))),
      golden: "0000005a27083310322001288094ebdc033a4c083210001a20040404040404040404040404040404"
        + "040404040404040404040404040404040422240a2074f81fe167d99b4cb41d6d0ccda82278caee9f"
        + "3e2f25d5e5a3936ff3dcec60d010050000000b4000000000000000000102030000000a4000000000"
        + "000000030405"),
  ]

  private static let aboutCertificates: [Sample] = [
    Sample(
      name: "renewal",
      message: .worker(.renewal(request: [1, 2, 3])),
      golden: "00000005800a03010203"),
    Sample(
      name: "renewed",
      message: .coordinator(.renewed(.certificate([4, 5]))),
      golden: "00000004a00a020405"),
    Sample(
      name: "notRenewed",
      message: .coordinator(.renewed(.refused(reason: "revoked"))),
      golden: "00000009a012077265766f6b6564"),
    Sample(
      name: "enrolment",
      message: .newcomer(
        Enrolment(
          secret: Array(repeating: 7, count: 32), request: [1, 2, 3], software: "tern 0.1.0")),
      golden: "00000033100a2007070707070707070707070707070707070707070707070707070707"
        + "0707070712030102031a0a7465726e20302e312e30"),
    Sample(
      name: "grant",
      message: .authority(.granted(Grant(certificate: [1, 2, 3], authority: [4, 5]))),
      golden: "00000009300a0301020312020405"),
    Sample(
      name: "noGrant",
      message: .authority(
        .refused(Refusal(code: .invitation, reason: "unknown", retryable: false))),
      golden: "0000000b2108091207756e6b6e6f776e"),
  ]
}
