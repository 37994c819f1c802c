// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Randomness
import Rounds
import Testing

/// A message of either side, so that one test serves both.
enum EitherMessage: Hashable, Sendable {
  case worker(WorkerMessage)
  case coordinator(CoordinatorMessage)
  case newcomer(Enrolment)
  case authority(EnrolmentAnswer)

  /// The name under which the readers of these tests know the worker.
  static let workerID = worker("w1")

  static func worker(_ name: String) -> WorkerID {
    guard let id = WorkerID(rawValue: name) else { preconditionFailure("worker '\(name)'") }
    return id
  }

  /// The frames of this message, one after the other.
  func frames(chunkByteCount: Int = 3) throws -> [[UInt8]] {
    switch self {
    case .worker(let message):
      try all(
        MessageWriter<WorkerMessage>(chunkByteCount: chunkByteCount).frames(for: message))
    case .coordinator(let message):
      try all(
        MessageWriter<CoordinatorMessage>(chunkByteCount: chunkByteCount).frames(for: message))
    case .newcomer(let message):
      try all(MessageWriter<Enrolment>().frames(for: message))
    case .authority(let message):
      try all(MessageWriter<EnrolmentAnswer>().frames(for: message))
    }
  }

  func bytes(chunkByteCount: Int = 3) throws -> [UInt8] {
    Array(try frames(chunkByteCount: chunkByteCount).joined())
  }

  /// A reader of what this message's side says.
  func reader(limits: FrameLimits = .peer(maximumPayloadByteCount: 1 << 20)) -> EitherReader {
    switch self {
    case .worker: .worker(limits: limits)
    case .coordinator: .coordinator(limits: limits)
    case .newcomer: .newcomer(MessageReader())
    case .authority: .authority(MessageReader())
    }
  }

  /// The payload that this carries, and the digest that it was announced with.
  var payload: (bytes: [UInt8], digest: Digest?)? {
    switch self {
    case .worker(.contribution(let upload)):
      (try? upload.payload.bytes()).map { ($0, upload.contribution.payload) }
    case .coordinator(.assignment(let assignment)):
      assignment.adapter.flatMap { try? $0.payload.bytes() }.map { ($0, nil) }
    case .coordinator(.step(let task)):
      task.history.flatMap { try? $0.payload.bytes() }.map { ($0, nil) }
    default: nil
    }
  }
}

/// A reader of either side.
enum EitherReader: Sendable {
  case worker(MessageReader<WorkerMessage>)
  case coordinator(MessageReader<CoordinatorMessage>)
  case newcomer(MessageReader<Enrolment>)
  case authority(MessageReader<EnrolmentAnswer>)

  /// A reader of frames of `type`, within the limits of a stranger or wider ones.
  static func of(_ type: UInt8, limits: FrameLimits = .stranger) -> EitherReader {
    switch type {
    case 16: .newcomer(MessageReader())
    case 48: .authority(MessageReader())
    case ..<32, 128: .worker(limits: limits)
    default: .coordinator(limits: limits)
    }
  }

  static func worker(limits: FrameLimits) -> EitherReader {
    .worker(MessageReader(from: EitherMessage.workerID, limits: limits))
  }

  static func coordinator(limits: FrameLimits) -> EitherReader {
    .coordinator(MessageReader(limits: limits))
  }

  /// Where payloads go while they arrive.
  var inbox: PayloadInbox {
    get {
      switch self {
      case .worker(let reader): reader.inbox
      case .coordinator(let reader): reader.inbox
      case .newcomer(let reader): reader.inbox
      case .authority(let reader): reader.inbox
      }
    }
    set {
      switch self {
      case .worker(var reader):
        reader.inbox = newValue
        self = .worker(reader)
      case .coordinator(var reader):
        reader.inbox = newValue
        self = .coordinator(reader)
      case .newcomer, .authority:
        preconditionFailure("no payloads belong to an enrolment")
      }
    }
  }

  mutating func feed(_ bytes: [UInt8]) throws(MessageError) {
    switch self {
    case .worker(var reader):
      defer { self = .worker(reader) }
      try reader.feed(bytes)
    case .coordinator(var reader):
      defer { self = .coordinator(reader) }
      try reader.feed(bytes)
    case .newcomer(var reader):
      defer { self = .newcomer(reader) }
      try reader.feed(bytes)
    case .authority(var reader):
      defer { self = .authority(reader) }
      try reader.feed(bytes)
    }
  }

  mutating func next() throws(MessageError) -> EitherMessage? {
    switch self {
    case .worker(var reader):
      defer { self = .worker(reader) }
      return try reader.next().map { .worker($0) }
    case .coordinator(var reader):
      defer { self = .coordinator(reader) }
      return try reader.next().map { .coordinator($0) }
    case .newcomer(var reader):
      defer { self = .newcomer(reader) }
      return try reader.next().map { .newcomer($0) }
    case .authority(var reader):
      defer { self = .authority(reader) }
      return try reader.next().map { .authority($0) }
    }
  }

  /// Feeds `bytes` in pieces of `pieceByteCount` and gives all messages that come of them.
  mutating func messages(
    in bytes: [UInt8], pieceByteCount: Int = .max
  ) throws(MessageError) -> [EitherMessage] {
    var messages: [EitherMessage] = []
    var rest = bytes[...]
    repeat {
      try feed(Array(rest.prefix(pieceByteCount)))
      rest = rest.dropFirst(pieceByteCount)
      while let message = try next() { messages.append(message) }
    } while !rest.isEmpty
    return messages
  }
}

/// The frames of a message, one after the other.
func all(_ frames: MessageFrames) throws -> [[UInt8]] {
  var frames = frames
  var list: [[UInt8]] = []
  while let byteCount = frames.nextByteCount {
    var frame = [UInt8](repeating: 0, count: byteCount)
    let outcome = frame.withUnsafeMutableBytes { bytes in
      Result { try frames.takeNext(into: bytes) }
    }
    try outcome.get()
    list.append(frame)
  }
  return list
}

/// The digest whose bytes are all `byte`.
func digest(_ byte: UInt8) -> Digest {
  guard let digest = Digest(bytes: Array(repeating: byte, count: Digest.byteCount)) else {
    preconditionFailure("no digest of \(byte)")
  }
  return digest
}

/// `count` bytes of the stream of `seed`.
func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
  var stream = RandomStream(Seed(seed))
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
}

/// The bytes of hexadecimal digits.
func bytes(hex: String) -> [UInt8] {
  let digits = hex.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
