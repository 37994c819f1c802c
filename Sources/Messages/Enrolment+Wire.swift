// SPDX-License-Identifier: Apache-2.0
internal import CMessages

extension Enrolment {
  private static var fields: WireFields { WireFields(message: "enrolment") }

  private func check() throws(MessageError) {
    guard secret.count == Self.secretByteCount else {
      throw Self.fields.invalid(
        "secret", "has \(secret.count) bytes, expected \(Self.secretByteCount)")
    }
    try Self.fields.check("request", request, within: WireLimit.requestByteCount)
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    return PackedMessage(
      .enrolment,
      packedBody { arena in
        Tern__Enrolment.made {
          $0.secret = arena.data(secret)
          $0.request = arena.data(request)
          $0.software = arena.text(presentable(software, limit: WireLimit.softwareByteCount))
        }
      })
  }

  init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Enrolment.self, body, named: "enrolment") {
      (enrolment) throws(MessageError) in
      Enrolment(
        secret: array(enrolment.secret), request: array(enrolment.request),
        software: try Self.fields.text(
          "software", enrolment.software, limit: WireLimit.softwareByteCount))
    }
    try check()
  }
}

extension EnrolmentAnswer {
  func packed() throws(MessageError) -> PackedMessage {
    switch self {
    case .granted(let grant): try grant.packed()
    case .refused(let refusal): refusal.packed()
    }
  }

  /// The answer in the body of a frame of `type`.
  static func unpacked(
    _ type: FrameType, _ body: ArraySlice<UInt8>
  ) throws(MessageError) -> UnpackedMessage<EnrolmentAnswer> {
    switch type {
    case .grant: .whole(.granted(try Grant(body)))
    case .refusal: .whole(.refused(try Refusal(body)))
    default: throw .unexpectedFrame(type: type.rawValue)
    }
  }
}

extension Grant {
  private static var fields: WireFields { WireFields(message: "grant") }

  fileprivate func packed() throws(MessageError) -> PackedMessage {
    try Self.fields.check("certificate", certificate, within: WireLimit.certificateByteCount)
    try Self.fields.check("authority", authority, within: WireLimit.certificateByteCount)
    return PackedMessage(
      .grant,
      packedBody { arena in
        Tern__Grant.made {
          $0.certificate = arena.data(certificate)
          $0.authority = arena.data(authority)
        }
      })
  }

  fileprivate init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Grant.self, body, named: "grant") {
      (grant) throws(MessageError) in
      Grant(
        certificate: try Self.fields.bytes(
          "certificate", grant.certificate, within: WireLimit.certificateByteCount),
        authority: try Self.fields.bytes(
          "authority", grant.authority, within: WireLimit.certificateByteCount))
    }
  }
}
