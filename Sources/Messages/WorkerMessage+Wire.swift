// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Rounds

extension WorkerMessage {
  /// The message for its frames.
  func packed() throws(MessageError) -> PackedMessage {
    switch self {
    case .hello(let hello): try hello.packed()
    case .contribution(let upload): try upload.packed()
    case .losses(let report): try report.packed()
    case .failed(let round, let reason): try packedFailure(round: round, reason: reason)
    case .heartbeat(let heartbeat): try heartbeat.packed()
    case .farewell(let reason):
      PackedMessage(
        .farewell,
        packedBody { arena in
          Tern__Farewell.made { $0.reason = arena.text(presentable(reason)) }
        })
    case .renewal(let request): try packedRenewal(request)
    }
  }

  /// The message in the body of a frame of `type`, sent by `worker`.
  static func unpacked(
    _ type: FrameType, _ body: ArraySlice<UInt8>, from worker: WorkerID
  ) throws(MessageError) -> UnpackedMessage<WorkerMessage> {
    switch type {
    case .hello: .whole(.hello(try Hello(body)))
    case .contribution: try Upload.unpacked(body, from: worker)
    case .losses: .whole(.losses(try LossReport(body)))
    case .failure: .whole(try unpackedFailure(body))
    case .workerHeartbeat: .whole(.heartbeat(try WorkerHeartbeat(body)))
    case .farewell:
      .whole(
        try withUnpacked(Tern__Farewell.self, body, named: "farewell") {
          (farewell) throws(MessageError) in
          .farewell(reason: try WireFields(message: "farewell").text("reason", farewell.reason))
        })
    case .renewal: .whole(try unpackedRenewal(body))
    default: throw .unexpectedFrame(type: type.rawValue)
    }
  }
}

private func packedFailure(round: Int, reason: String) throws(MessageError) -> PackedMessage {
  try WireFields(message: "failure").check("round", round)
  return PackedMessage(
    .failure,
    packedBody { arena in
      Tern__Failure.made {
        $0.round = UInt64(round)
        $0.reason = arena.text(presentable(reason))
      }
    })
}

private func unpackedFailure(_ body: ArraySlice<UInt8>) throws(MessageError) -> WorkerMessage {
  try withUnpacked(Tern__Failure.self, body, named: "failure") { (failure) throws(MessageError) in
    let fields = WireFields(message: "failure")
    let round = Int(clamping: failure.round)
    try fields.check("round", round)
    return .failed(round: round, reason: try fields.text("reason", failure.reason))
  }
}

private func packedRenewal(_ request: [UInt8]) throws(MessageError) -> PackedMessage {
  try WireFields(message: "renewal").check("request", request, within: WireLimit.requestByteCount)
  return PackedMessage(
    .renewal,
    packedBody { arena in Tern__Renewal.made { $0.request = arena.data(request) } })
}

private func unpackedRenewal(_ body: ArraySlice<UInt8>) throws(MessageError) -> WorkerMessage {
  try withUnpacked(Tern__Renewal.self, body, named: "renewal") { (renewal) throws(MessageError) in
    .renewal(
      request: try WireFields(message: "renewal").bytes(
        "request", renewal.request, within: WireLimit.requestByteCount))
  }
}

extension WorkerHeartbeat {
  private func check() throws(MessageError) {
    guard let activity else { return }
    let fields = WireFields(message: "worker_heartbeat")
    try fields.check("activity.round", activity.round)
    try fields.check("activity.step_count", activity.stepCount)
    try fields.check("activity.step", activity.step, in: 0...activity.stepCount)
  }

  fileprivate func packed() throws(MessageError) -> PackedMessage {
    try check()
    return PackedMessage(
      .workerHeartbeat,
      packedBody { arena in
        Tern__WorkerHeartbeat.made {
          $0.sequence = sequence
          guard let activity else { return }
          $0.activity = arena.placed(
            Tern__Activity.made {
              $0.round = UInt64(activity.round)
              $0.step = UInt64(activity.step)
              $0.step_count = UInt64(activity.stepCount)
            })
        }
      })
  }

  fileprivate init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__WorkerHeartbeat.self, body, named: "worker_heartbeat") {
      (heartbeat) throws(MessageError) in
      WorkerHeartbeat(
        sequence: heartbeat.sequence,
        activity: pointed(heartbeat.activity).map {
          Activity(
            round: Int(clamping: $0.round), step: Int(clamping: $0.step),
            stepCount: Int(clamping: $0.step_count))
        })
    }
    try check()
  }
}
