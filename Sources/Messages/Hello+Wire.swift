// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Digests
internal import Files

extension Hello {
  private static var fields: WireFields { WireFields(message: "hello") }

  private func check() throws(MessageError) {
    try Self.fields.check("protocol_version", protocolVersion, in: 0...Int(UInt32.max))
    if let heldVersion { try Self.fields.check("held_version", heldVersion) }
    try Self.fields.check("core_count", coreCount, in: 1...WireLimit.coreCount)
    try Self.fields.check("example_count", exampleCount)
    if let part { try Self.fields.check("part.byte_count", part.byteCount) }
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    return PackedMessage(
      .hello,
      packedBody { arena in
        Tern__Hello.made {
          $0.protocol_version = UInt32(protocolVersion)
          $0.schema = arena.data(schema.bytes)
          $0.software = arena.text(presentable(software, limit: WireLimit.softwareByteCount))
          $0.model = arena.data(model.bytes)
          $0.layout = arena.data(layout?.bytes ?? [])
          if let heldVersion {
            $0.held_case = TERN__HELLO__HELD_HELD_VERSION
            $0.held_version = UInt64(heldVersion)
          }
          $0.held_state = arena.data(heldState?.bytes ?? [])
          $0.memory_byte_count = memoryByteCount
          $0.core_count = UInt32(coreCount)
          $0.example_count = UInt64(exampleCount)
          if let part { $0.part = arena.part(part) }
          if let data { $0.data = arena.data(data.bytes) }
        }
      })
  }

  init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Hello.self, body, named: "hello") {
      (hello) throws(MessageError) in
      Hello(
        protocolVersion: Int(hello.protocol_version),
        schema: try Self.fields.digest("schema", hello.schema),
        software: try Self.fields.text(
          "software", hello.software, limit: WireLimit.softwareByteCount),
        model: try Self.fields.digest("model", hello.model),
        layout: try Self.fields.optionalDigest("layout", hello.layout),
        heldVersion: hello.held_case == TERN__HELLO__HELD_HELD_VERSION
          ? Int(clamping: hello.held_version) : nil,
        heldState: try Self.fields.optionalDigest("held_state", hello.held_state),
        memoryByteCount: hello.memory_byte_count,
        coreCount: Int(hello.core_count),
        exampleCount: Int(clamping: hello.example_count),
        part: try pointed(hello.part).map { (part) throws(MessageError) in
          try Self.fields.part("part", part)
        },
        data: try Self.fields.optionalDigest("data", hello.data))
    }
    try check()
  }
}
