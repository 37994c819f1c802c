// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import CProtobufC
internal import Digests
internal import Files

/// Checks the fields of one message, whichever way it goes, and reads those that need it.
struct WireFields {
  /// The message's name in the schema, for errors.
  let message: String

  /// The error that a field holds what it must not.
  func invalid(_ field: String, _ problem: String) -> MessageError {
    .invalidField(message: message, field: field, problem: problem)
  }

  /// Refuses a number outside `range`: unless told otherwise, 0 to 2^53 - 1.
  func check(
    _ field: String, _ value: Int, in range: ClosedRange<Int> = 0...WireLimit.number
  ) throws(MessageError) {
    guard range.contains(value) else {
      throw invalid(
        field, "is \(value), expected \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// Refuses a duration outside `range`: unless told otherwise, 0 to 366 days.
  func check(
    _ field: String, _ value: Duration,
    in range: ClosedRange<Duration> = .zero...WireLimit.duration
  ) throws(MessageError) {
    guard range.contains(value) else {
      throw invalid(
        field, "is \(value), expected \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// Refuses infinities and what is no number.
  func check(_ field: String, finite value: Double) throws(MessageError) {
    guard value.isFinite else { throw invalid(field, "is \(value), expected a finite number") }
  }

  /// Refuses no bytes, and more than `limit`.
  func check(_ field: String, _ bytes: [UInt8], within limit: Int) throws(MessageError) {
    guard (1...limit).contains(bytes.count) else {
      throw invalid(field, "has \(bytes.count) bytes, expected 1 to \(limit)")
    }
  }

  /// The bytes in a field: at least one, at most `limit`.
  func bytes(
    _ field: String, _ data: ProtobufCBinaryData, within limit: Int
  ) throws(MessageError) -> [UInt8] {
    let bytes = array(data)
    try check(field, bytes, within: limit)
    return bytes
  }

  /// The digest in a field.
  func digest(_ field: String, _ data: ProtobufCBinaryData) throws(MessageError) -> Digest {
    guard data.len == Digest.byteCount, let digest = Digest(bytes: array(data)) else {
      throw invalid(field, "has \(data.len) bytes, expected the \(Digest.byteCount) of a digest")
    }
    return digest
  }

  /// The digest in a field that may be empty.
  func optionalDigest(
    _ field: String, _ data: ProtobufCBinaryData
  ) throws(MessageError) -> Digest? {
    data.len == 0 ? nil : try digest(field, data)
  }

  /// The one line of text in a field, of at most `limit` bytes.
  func text(
    _ field: String, _ text: UnsafeMutablePointer<CChar>?, limit: Int = WireLimit.reasonByteCount
  ) throws(MessageError) -> String {
    let bytes = array(text)
    guard bytes.count <= limit else {
      throw invalid(field, "has \(bytes.count) bytes, expected at most \(limit)")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw invalid(field, "is not UTF-8")
    }
    guard text.unicodeScalars.allSatisfy(isPresentable) else {
      throw invalid(field, "holds a line break or another control character")
    }
    return text
  }

  /// What a message says about the payload that follows it.
  func announcement(
    _ payload: UnsafeMutablePointer<Tern__Payload>?
  ) throws(MessageError) -> AnnouncedPayload {
    guard let payload = pointed(payload) else { throw invalid("payload", "is missing") }
    guard payload.offset <= payload.byte_count else {
      throw invalid(
        "payload.offset", "is \(payload.offset), expected at most \(payload.byte_count)")
    }
    return AnnouncedPayload(
      digest: try digest("payload.digest", payload.digest), byteCount: payload.byte_count,
      offset: Int(clamping: payload.offset))
  }

  /// What a message says is there of a payload.
  func part(_ field: String, _ part: Tern__Part) throws(MessageError) -> PayloadInbox.Part {
    let byteCount = Int(clamping: part.byte_count)
    try check("\(field).byte_count", byteCount)
    return PayloadInbox.Part(
      digest: try digest("\(field).digest", part.digest), byteCount: byteCount)
  }
}

/// `text` as one line of at most `limit` bytes.
func presentable(_ text: String, limit: Int = WireLimit.reasonByteCount) -> String {
  var line = String.UnicodeScalarView()
  var byteCount = 0
  let ellipsis: Unicode.Scalar = "…"
  for scalar in text.unicodeScalars {
    let scalar = isPresentable(scalar) ? scalar : " "
    byteCount += UTF8.width(scalar)
    line.append(scalar)
    guard byteCount > limit else { continue }
    while byteCount + UTF8.width(ellipsis) > limit, let last = line.popLast() {
      byteCount -= UTF8.width(last)
    }
    line.append(ellipsis)
    break
  }
  return String(line)
}

/// Whether a log or a terminal can show `scalar` without leaving the line.
private func isPresentable(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: false
  default: true
  }
}

/// A duration from the nanoseconds of a field.
func duration(_ nanoseconds: UInt64) -> Duration { .nanoseconds(Int64(clamping: nanoseconds)) }
