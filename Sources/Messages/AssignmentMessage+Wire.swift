// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Digests
internal import Files
internal import Rounds

extension AssignmentMessage {
  private static var fields: WireFields { WireFields(message: "assignment") }

  private func check() throws(MessageError) {
    try Self.fields.check("round", round)
    try Self.fields.check("base_version", baseVersion)
    try Self.fields.check("remaining", remaining)
    if let accepted { try Self.fields.check("accepted.version", accepted.version) }
    if let part { try Self.fields.check("part.byte_count", part.byteCount) }
    try adapter?.check(Self.fields, "adapter")
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    try adapter?.checkOffset(Self.fields, "adapter")
    let body = packedBody { arena in
      Tern__Assignment.made {
        $0.round = UInt64(round)
        $0.base_version = UInt64(baseVersion)
        $0.remaining = UInt64(remaining.wholeNanoseconds)
        if let accepted { $0.accepted = arena.placed(accepted.wired(arena)) }
        if let adapter { $0.adapter = arena.placed(adapter.wired(arena)) }
        if let part { $0.part = arena.part(part) }
      }
    }
    return PackedMessage(
      .assignment, body, payload: adapter?.payload, offset: adapter?.offset ?? 0)
  }

  static func unpacked(
    _ body: ArraySlice<UInt8>
  ) throws(MessageError) -> UnpackedMessage<CoordinatorMessage> {
    let (message, announced) = try withUnpacked(
      Tern__Assignment.self, body, named: "assignment"
    ) { (assignment) throws(MessageError) in
      let adapter = pointed(assignment.adapter)
      let message = AssignmentMessage(
        round: Int(clamping: assignment.round),
        baseVersion: Int(clamping: assignment.base_version),
        remaining: duration(assignment.remaining),
        accepted: try pointed(assignment.accepted).map(Accepted.init),
        adapter: try adapter.map { (delivery) throws(MessageError) in
          try AdapterDelivery(delivery, fields, "adapter")
        },
        part: try pointed(assignment.part).map { (part) throws(MessageError) in
          try fields.part("part", part)
        })
      let announced = try adapter.map { (delivery) throws(MessageError) in
        try fields.announcement(delivery.payload)
      }
      return (message, announced)
    }
    try message.check()
    guard let announced else { return .whole(.assignment(message)) }
    return .announcing(announced) { .assignment(message.carrying($0)) }
  }

  private func carrying(_ payload: Payload) -> AssignmentMessage {
    AssignmentMessage(
      round: round, baseVersion: baseVersion, remaining: remaining, accepted: accepted,
      adapter: adapter?.carrying(payload), part: part)
  }
}

extension AssignmentMessage.Accepted {
  fileprivate func wired(_ arena: PackingArena) -> Tern__Accepted {
    .made {
      $0.version = UInt64(version)
      $0.payload = arena.data(payload.bytes)
    }
  }

  fileprivate init(_ accepted: Tern__Accepted) throws(MessageError) {
    let fields = WireFields(message: "assignment")
    self.init(
      version: Int(clamping: accepted.version),
      payload: try fields.digest("accepted.payload", accepted.payload))
  }
}

extension AdapterDelivery {
  func check(_ fields: WireFields, _ field: String) throws(MessageError) {
    try fields.check("\(field).version", version)
    guard let baseVersion else { return }
    try fields.check("\(field).base_version", baseVersion)
    guard baseVersion < version else {
      throw fields.invalid(
        "\(field).base_version", "is \(baseVersion), expected less than version \(version)")
    }
  }

  /// For a delivery whose payload is here.
  func checkOffset(_ fields: WireFields, _ field: String) throws(MessageError) {
    try fields.check("\(field).offset", offset, in: 0...payload.byteCount)
  }

  func wired(_ arena: PackingArena) -> Tern__AdapterDelivery {
    .made {
      $0.version = UInt64(version)
      if let baseVersion {
        $0.base_case = TERN__ADAPTER_DELIVERY__BASE_BASE_VERSION
        $0.base_version = UInt64(baseVersion)
      }
      $0.state = arena.data(state.bytes)
      $0.payload = arena.announcement(payload, offset: offset)
    }
  }

  /// A delivery whose payload is still to come.
  init(
    _ delivery: Tern__AdapterDelivery, _ fields: WireFields, _ field: String
  ) throws(MessageError) {
    let state = try fields.digest("\(field).state", delivery.state)
    let announced = try fields.announcement(delivery.payload)
    self.init(
      version: Int(clamping: delivery.version),
      baseVersion: delivery.base_case == TERN__ADAPTER_DELIVERY__BASE_BASE_VERSION
        ? Int(clamping: delivery.base_version) : nil,
      state: state, payload: announced.placeholder,
      offset: announced.offset)
  }

  /// The same with the payload that has come.
  func carrying(_ payload: Payload) -> AdapterDelivery {
    AdapterDelivery(
      version: version, baseVersion: baseVersion, state: state, payload: payload, offset: offset)
  }
}
