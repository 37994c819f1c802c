// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Digests

extension CoordinatorMessage {
  /// The message for its frames.
  func packed() throws(MessageError) -> PackedMessage {
    switch self {
    case .welcome(let welcome): try welcome.packed()
    case .refused(let refusal): refusal.packed()
    case .assignment(let assignment): try assignment.packed()
    case .step(let task): try task.packed()
    case .receipt(let receipt): try receipt.packed()
    case .released(let round, let reason): try packedRelease(round: round, reason: reason)
    case .finished(let finished): try finished.packed()
    case .heartbeat(let sequence):
      PackedMessage(
        .coordinatorHeartbeat,
        packedBody { _ in Tern__CoordinatorHeartbeat.made { $0.sequence = sequence } })
    case .renewed(let renewed): try renewed.packed()
    }
  }

  /// The message in the body of a frame of `type`.
  static func unpacked(
    _ type: FrameType, _ body: ArraySlice<UInt8>
  ) throws(MessageError) -> UnpackedMessage<CoordinatorMessage> {
    switch type {
    case .welcome: .whole(.welcome(try Welcome(body)))
    case .refusal: .whole(.refused(try Refusal(body)))
    case .assignment: try AssignmentMessage.unpacked(body)
    case .stepTask: try StepTask.unpacked(body)
    case .receipt: .whole(.receipt(try Receipt(body)))
    case .release: .whole(try unpackedRelease(body))
    case .finish: .whole(.finished(try Finished(body)))
    case .coordinatorHeartbeat:
      .whole(
        try withUnpacked(Tern__CoordinatorHeartbeat.self, body, named: "coordinator_heartbeat") {
          .heartbeat(sequence: $0.sequence)
        })
    case .renewed: .whole(.renewed(try Renewed(body)))
    default: throw .unexpectedFrame(type: type.rawValue)
    }
  }
}

private func packedRelease(round: Int, reason: String) throws(MessageError) -> PackedMessage {
  try WireFields(message: "release").check("round", round)
  return PackedMessage(
    .release,
    packedBody { arena in
      Tern__Release.made {
        $0.round = UInt64(round)
        $0.reason = arena.text(presentable(reason))
      }
    })
}

private func unpackedRelease(_ body: ArraySlice<UInt8>) throws(MessageError) -> CoordinatorMessage {
  try withUnpacked(Tern__Release.self, body, named: "release") { (release) throws(MessageError) in
    let fields = WireFields(message: "release")
    let round = Int(clamping: release.round)
    try fields.check("round", round)
    return .released(round: round, reason: try fields.text("reason", release.reason))
  }
}

extension Renewed {
  private static var fields: WireFields { WireFields(message: "renewed") }

  fileprivate func packed() throws(MessageError) -> PackedMessage {
    if case .certificate(let certificate) = self {
      try Self.fields.check("certificate", certificate, within: WireLimit.certificateByteCount)
    }
    return PackedMessage(
      .renewed,
      packedBody { arena in
        Tern__Renewed.made {
          switch self {
          case .certificate(let certificate): $0.certificate = arena.data(certificate)
          case .refused(let reason): $0.refusal = arena.text(presentable(reason))
          }
        }
      })
  }

  fileprivate init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Renewed.self, body, named: "renewed") {
      (renewed) throws(MessageError) in
      guard renewed.certificate.len > 0 else {
        return .refused(reason: try Self.fields.text("refusal", renewed.refusal))
      }
      return .certificate(
        try Self.fields.bytes(
          "certificate", renewed.certificate, within: WireLimit.certificateByteCount))
    }
  }
}

extension Refusal {
  func packed() -> PackedMessage {
    PackedMessage(
      .refusal,
      packedBody { arena in
        Tern__Refusal.made {
          $0.code = Tern__Refusal__Code(rawValue: .init(code.rawValue))
          $0.reason = arena.text(presentable(reason))
          $0.retryable = retryable ? 1 : 0
        }
      })
  }

  init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Refusal.self, body, named: "refusal") {
      (refusal) throws(MessageError) in
      Refusal(
        code: Code(rawValue: Int(refusal.code.rawValue)) ?? .other,
        reason: try WireFields(message: "refusal").text("reason", refusal.reason),
        retryable: refusal.retryable != 0)
    }
  }
}

extension Receipt {
  private static var fields: WireFields { WireFields(message: "receipt") }

  fileprivate func packed() throws(MessageError) -> PackedMessage {
    try Self.fields.check("round", round)
    return PackedMessage(
      .receipt,
      packedBody { arena in
        Tern__Receipt.made {
          $0.round = UInt64(round)
          $0.payload = arena.data(payload.bytes)
          guard let refusal else { return }
          $0.answer_case = TERN__RECEIPT__ANSWER_REFUSAL
          $0.refusal = arena.text(presentable(refusal))
        }
      })
  }

  fileprivate init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Receipt.self, body, named: "receipt") {
      (receipt) throws(MessageError) in
      Receipt(
        round: Int(clamping: receipt.round),
        payload: try Self.fields.digest("payload", receipt.payload),
        refusal: receipt.answer_case == TERN__RECEIPT__ANSWER_REFUSAL
          ? try Self.fields.text("refusal", receipt.refusal) : nil)
    }
    try Self.fields.check("round", round)
  }
}

extension Finished {
  private static var fields: WireFields { WireFields(message: "finish") }

  fileprivate func packed() throws(MessageError) -> PackedMessage {
    try Self.fields.check("version", version)
    return PackedMessage(
      .finish,
      packedBody { arena in
        Tern__Finish.made {
          $0.version = UInt64(version)
          $0.state = arena.data(state.bytes)
          guard let outcome else { return }
          $0.outcome_case = TERN__FINISH__OUTCOME_FAILURE
          $0.failure = arena.text(presentable(outcome))
        }
      })
  }

  fileprivate init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Finish.self, body, named: "finish") {
      (finish) throws(MessageError) in
      Finished(
        version: Int(clamping: finish.version),
        state: try Self.fields.digest("state", finish.state),
        outcome: finish.outcome_case == TERN__FINISH__OUTCOME_FAILURE
          ? try Self.fields.text("failure", finish.failure) : nil)
    }
    try Self.fields.check("version", version)
  }
}
