// SPDX-License-Identifier: Apache-2.0
internal import Messages
internal import Rounds

/// Within these a message of an input fits.
private let limits = FrameLimits.peer(maximumPayloadByteCount: 1 << 16)

func decodeWorkerMessages(_ bytes: [UInt8]) {
  guard let worker = WorkerID(rawValue: "worker-1") else { return }
  decodeMessages(bytes) { MessageReader<WorkerMessage>(from: worker, limits: limits) }
  decodeMessages(bytes) { MessageReader<WorkerMessage>(from: worker, limits: .stranger) }
  decodeMessages(bytes) { MessageReader<Enrolment>() }
}

func decodeCoordinatorMessages(_ bytes: [UInt8]) {
  decodeMessages(bytes) { MessageReader<CoordinatorMessage>(limits: limits) }
  decodeMessages(bytes) { MessageReader<EnrolmentAnswer>() }
}

/// What came out of a stream, and how it ended.
private struct Reading<Message: Equatable>: Equatable {
  var messages: [Message] = []
  var failure: String?
}

/// The first byte says into pieces of which size the others are cut; the same messages and the
/// same complaint must come out as without cutting.
private func decodeMessages<Message: Equatable>(
  _ bytes: [UInt8], reader: () -> MessageReader<Message>
) {
  let whole = read(bytes.dropFirst(), pieces: max(1, bytes.count), with: reader())
  let inPieces = read(bytes.dropFirst(), pieces: Int(bytes.first ?? 0) + 1, with: reader())
  precondition(whole == inPieces, "whole \(whole), in pieces \(inPieces)")
}

private func read<Message: Equatable>(
  _ bytes: ArraySlice<UInt8>, pieces pieceByteCount: Int, with reader: MessageReader<Message>
) -> Reading<Message> {
  var reader = reader
  var rest = bytes
  var reading = Reading<Message>()
  do {
    while !rest.isEmpty {
      try reader.feed(Array(rest.prefix(pieceByteCount)))
      rest = rest.dropFirst(pieceByteCount)
      while let message = try reader.next() { reading.messages.append(message) }
    }
  } catch {
    reading.failure = "\(error)"
  }
  return reading
}
