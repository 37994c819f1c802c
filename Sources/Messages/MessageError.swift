// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files

/// What is wrong with bytes from the other side, or with a message that was to be sent.
///
/// A reader that threw one has lost its place: the connection has to be closed.
public enum MessageError: Error, Equatable, Sendable {
  /// A frame of `type` announces `byteCount` bytes where `limit` are allowed.
  case frameTooLong(type: UInt8, byteCount: Int, limit: Int)
  /// A frame of a type that this side neither knows nor may skip.
  case unexpectedFrame(type: UInt8)
  /// The body of a frame is no protobuf message of its type.
  case malformed(message: String)
  /// A field holds what it must not.
  case invalidField(message: String, field: String, problem: String)
  /// A message announces a payload of `byteCount` bytes where `limit` are allowed.
  case payloadTooLong(byteCount: UInt64, limit: Int)
  /// A chunk without a payload that it could belong to.
  case unannouncedChunk
  /// A chunk too short for its header and one byte.
  case emptyChunk
  /// A frame of `type` between the chunks of a payload.
  case interruptedPayload(type: UInt8)
  /// A chunk that does not begin where the last one ended.
  case misplacedChunk(offset: UInt64, expected: Int)
  /// A chunk that ends behind the end of its payload.
  case chunkPastEnd(end: Int, total: Int)
  /// A payload whose bytes are not those of its digest.
  case damagedPayload(Digest)
  /// A payload cannot be stored, or not be read to be sent.
  case storage(FileError)
}

extension MessageError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .frameTooLong(let type, let byteCount, let limit):
      "a frame of type \(type) announces \(byteCount) bytes, \(limit) are allowed; "
        + "the other side speaks another protocol or version"
    case .unexpectedFrame(let type):
      "a frame of type \(type) has no meaning here; the other side speaks another version"
    case .malformed(let message):
      "a \(message) message cannot be parsed; the other side speaks another version"
    case .invalidField(let message, let field, let problem):
      "\(message).\(field) \(problem)"
    case .payloadTooLong(let byteCount, let limit):
      "a payload of \(byteCount) bytes is announced, \(limit) are allowed; "
        + "compare the adapter layout of both sides"
    case .unannouncedChunk: "a chunk arrived though no message announced a payload"
    case .emptyChunk: "a chunk holds no bytes of a payload"
    case .interruptedPayload(let type):
      "a frame of type \(type) interrupts a payload; only heartbeats may"
    case .misplacedChunk(let offset, let expected):
      "a chunk begins at byte \(offset) of its payload, expected \(expected)"
    case .chunkPastEnd(let end, let total):
      "a chunk ends at byte \(end) of a payload of \(total)"
    case .damagedPayload(let expected):
      "the bytes of a payload are not those of its digest \(expected); send it again"
    case .storage(let error): "\(error)"
    }
  }
}
