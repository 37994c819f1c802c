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
    guard let adapter else { return }
    try Self.fields.check("adapter.version", adapter.version)
    guard let base = adapter.baseVersion else { return }
    try Self.fields.check("adapter.base_version", base)
    guard base < adapter.version else {
      throw Self.fields.invalid(
        "adapter.base_version", "is \(base), expected less than version \(adapter.version)")
    }
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    if let adapter {
      try Self.fields.check("adapter.offset", adapter.offset, in: 0...adapter.payload.byteCount)
    }
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
        adapter: try adapter.map(AdapterDelivery.init),
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
      adapter: adapter.map {
        AdapterDelivery(
          version: $0.version, baseVersion: $0.baseVersion, state: $0.state, payload: payload,
          offset: $0.offset)
      }, part: part)
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
  fileprivate func wired(_ arena: PackingArena) -> Tern__AdapterDelivery {
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
  fileprivate init(_ delivery: Tern__AdapterDelivery) throws(MessageError) {
    let fields = WireFields(message: "assignment")
    let state = try fields.digest("adapter.state", delivery.state)
    let announced = try fields.announcement(delivery.payload)
    self.init(
      version: Int(clamping: delivery.version),
      baseVersion: delivery.base_case == TERN__ADAPTER_DELIVERY__BASE_BASE_VERSION
        ? Int(clamping: delivery.base_version) : nil,
      state: state, payload: announced.placeholder,
      offset: announced.offset)
  }
}
