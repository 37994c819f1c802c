// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import CProtobufC
internal import Digests
internal import Files

// All of the module's unsafe code. The contract:
//
//   - What protobuf-c unpacks lives until the closure of `withUnpacked` returns. The struct that
//     the closure gets points into it, so nothing of it leaves but Swift values: numbers, and
//     what `pointed`, `WireText` and `array` copy.
//   - What a struct to be packed points to belongs to its `PackingArena`, which outlives the
//     packing and frees each piece once.
//   - A member of a C union is read only after its case was compared.

/// A struct that protoc-c made for a message.
protocol WireStruct {
  init()
  var base: ProtobufCMessage { get }
  /// Sets every field to its default and the descriptor to the message's.
  static func initialize(_ message: UnsafeMutablePointer<Self>)
}

extension WireStruct {
  /// A message whose fields are set by `fill`, the others at their defaults.
  static func made(_ fill: (inout Self) -> Void) -> Self {
    var message = Self()
    initialize(&message)
    fill(&message)
    return message
  }
}

/// The protobuf bytes of the message that `make` builds with memory of the arena.
func packedBody<Message: WireStruct>(_ make: (PackingArena) -> Message) -> [UInt8] {
  let arena = PackingArena()
  return withExtendedLifetime(arena) {
    let message = arena.placed(make(arena))
    return message.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { base in
      let byteCount = protobuf_c_message_get_packed_size(base)
      return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
        count = protobuf_c_message_pack(base, buffer.baseAddress)
      }
    }
  }
}

/// What `use` makes of the message in the protobuf bytes `body`.
///
/// protobuf-c bounds its memory by the length of `body`: check that before.
/// - Throws: `MessageError.malformed` when there is no such message, and what `use` throws.
func withUnpacked<Message: WireStruct, Result>(
  _ type: Message.Type, _ body: ArraySlice<UInt8>, named name: String,
  _ use: (Message) throws(MessageError) -> Result
) throws(MessageError) -> Result {
  let descriptor = Message.made { _ in }.base.descriptor
  let unpacked = body.withUnsafeBufferPointer {
    protobuf_c_message_unpack(descriptor, nil, $0.count, $0.baseAddress)
  }
  guard let unpacked else { throw .malformed(message: name) }
  defer { protobuf_c_message_free_unpacked(unpacked, nil) }
  return try use(UnsafeRawPointer(unpacked).assumingMemoryBound(to: Message.self).pointee)
}

/// The nested message at `pointer`; nil when the field is absent.
func pointed<Message: WireStruct>(_ pointer: UnsafeMutablePointer<Message>?) -> Message? {
  pointer?.pointee
}

/// The bytes of a field.
func array(_ data: ProtobufCBinaryData) -> [UInt8] {
  Array(UnsafeBufferPointer(start: data.data, count: data.len))
}

/// The elements of a repeated field.
func list<Element>(_ first: UnsafeMutablePointer<Element>?, _ count: Int) -> [Element] {
  Array(UnsafeBufferPointer(start: first, count: count))
}

/// The bytes of a string field, up to its first zero: protobuf-c gives no length.
func array(_ text: UnsafeMutablePointer<CChar>?) -> [UInt8] {
  guard let text else { return [] }
  return text.withMemoryRebound(to: UInt8.self, capacity: 1) { first in
    var end = first
    while end.pointee != 0 { end += 1 }
    return Array(UnsafeBufferPointer(start: first, count: end - first))
  }
}

/// The memory of the nested messages, strings and bytes of one message while it is packed.
final class PackingArena {
  private var pieces: [UnsafeMutableRawPointer] = []

  deinit {
    for piece in pieces { piece.deallocate() }
  }

  /// `message` at an address of its own.
  func placed<Message: WireStruct>(_ message: Message) -> UnsafeMutablePointer<Message> {
    let place = UnsafeMutablePointer<Message>.allocate(capacity: 1)
    place.initialize(to: message)
    pieces.append(UnsafeMutableRawPointer(place))
    return place
  }

  /// A field of `bytes`.
  func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    ProtobufCBinaryData(len: bytes.count, data: copied(bytes))
  }

  /// A repeated field of `elements`: how many there are, and where.
  func list<Element: BitwiseCopyable>(
    _ elements: [Element]
  ) -> (Int, UnsafeMutablePointer<Element>?) {
    guard !elements.isEmpty else { return (0, nil) }
    let place = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    _ = UnsafeMutableBufferPointer(start: place, count: elements.count)
      .initialize(fromContentsOf: elements)
    pieces.append(UnsafeMutableRawPointer(place))
    return (elements.count, place)
  }

  /// A field of the bytes of `text`, which ends at its first zero.
  func text(_ text: String) -> UnsafeMutablePointer<CChar> {
    let bytes = Array(text.utf8) + [0]
    return UnsafeMutableRawPointer(copied(bytes)).bindMemory(to: CChar.self, capacity: bytes.count)
  }

  /// What a message says about the payload that follows it, from `offset` on.
  func announcement(_ payload: Payload, offset: Int) -> UnsafeMutablePointer<Tern__Payload> {
    placed(
      Tern__Payload.made {
        $0.digest = data(payload.digest.bytes)
        $0.byte_count = UInt64(payload.byteCount)
        $0.offset = UInt64(offset)
      })
  }

  /// What is there of a payload.
  func part(_ part: PayloadInbox.Part) -> UnsafeMutablePointer<Tern__Part> {
    placed(
      Tern__Part.made {
        $0.digest = data(part.digest.bytes)
        $0.byte_count = UInt64(part.byteCount)
      })
  }

  private func copied(_ bytes: [UInt8]) -> UnsafeMutablePointer<UInt8> {
    let place = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
    bytes.withUnsafeBufferPointer { source in
      if let first = source.baseAddress { place.initialize(from: first, count: source.count) }
    }
    pieces.append(UnsafeMutableRawPointer(place))
    return place
  }
}
