// SPDX-License-Identifier: Apache-2.0
public import Digests
internal import Synchronization

/// Where the payloads of one sender arrive, and what is there of one that was cut off.
///
/// It holds one payload at a time: a new one takes the place of the last. In a folder the file of
/// a payload that is not whole yet ends in `.part`; a whole one is never written to again.
public final class PayloadInbox: Sendable {
  /// What is here of a payload.
  public struct Part: Hashable, Sendable {
    /// The digest of the whole.
    public let digest: Digest
    /// How many bytes are here, from the first on.
    public let byteCount: Int

    /// The first `byteCount` bytes of the payload `digest`.
    public init(digest: Digest, byteCount: Int) {
      self.digest = digest
      self.byteCount = byteCount
    }
  }

  private enum Place: Sendable {
    case memory
    /// A folder, and the first part of the names of this sender's files in it.
    case folder(String, prefix: String)
  }

  private struct Current: Sendable {
    let digest: Digest
    let draft: PayloadDraft
  }

  private let place: Place
  private let stored: @Sendable (Digest) throws(FileError) -> Payload?
  private let current = Mutex<Current?>(nil)

  /// An inbox that forgets with the process.
  public init() {
    place = .memory
    stored = { _ in nil }
  }

  /// An inbox in a folder that is there: what arrived outlives the process.
  ///
  /// - Parameters:
  ///   - sender: letters, digits, `-`, `_` and `.`.
  ///   - stored: what was taken from here before, and need not come again.
  public init(
    folder: String, sender: String,
    stored: @escaping @Sendable (Digest) throws(FileError) -> Payload? = { _ in nil }
  ) {
    place = .folder(folder, prefix: "\(sender)~")
    self.stored = stored
  }

  /// What is here of the payload that came last.
  public func part() throws(FileError) -> Part? {
    if let current = current.withLock({ $0 }) {
      return Part(digest: current.digest, byteCount: current.draft.byteCount)
    }
    guard case .folder(let folder, let prefix) = place else { return nil }
    for name in try namesInFolder(folder) where name.hasPrefix(prefix) {
      let hex = name.dropFirst(prefix.count).prefix(2 * Digest.byteCount)
      guard let digest = Digest(hex: String(hex)) else { continue }
      let byteCount = try OpenFile(reading: "\(folder)/\(name)").byteCount()
      return Part(digest: digest, byteCount: byteCount)
    }
    return nil
  }

  /// A draft of the payload `digest` of `byteCount` bytes, of which the first `offset` are here
  /// already.
  ///
  /// A small one is in memory: it is sooner sent again than put on a disk.
  /// - Throws: `missingPart` when they are not.
  public func draft(
    of digest: Digest, byteCount: Int, from offset: Int = 0
  ) throws(FileError) -> PayloadDraft {
    let draft = try newDraft(of: digest, byteCount: byteCount, from: offset)
    current.withLock { $0 = Current(digest: digest, draft: draft) }
    return draft
  }

  private func newDraft(
    of digest: Digest, byteCount: Int, from offset: Int
  ) throws(FileError) -> PayloadDraft {
    switch place {
    case .memory: return try memoryDraft(of: digest, byteCount: byteCount, from: offset)
    case .folder where offset == 0 && byteCount <= smallByteCount:
      current.withLock { $0 }?.draft.abandon()
      return PayloadDraft(capacity: byteCount)
    case .folder(let folder, let prefix):
      current.withLock { $0 }?.draft.abandon()
      if offset > 0, let payload = try stored(digest), payload.byteCount == offset {
        return PayloadDraft(whole: payload)
      }
      return try fileDraft("\(prefix)\(digest)", in: folder, prefix, from: offset)
    }
  }

  /// The payload of `draft`, which has its last byte.
  ///
  /// - Returns: nil when its digest is not `digest`: then nothing of it is kept.
  public func finish(
    _ draft: PayloadDraft, as digest: Digest
  ) throws(FileError) -> Payload? {
    current.withLock { current in
      if current?.draft === draft { current = nil }
    }
    let payload = draft.finished()
    guard payload.digest == digest else {
      if let path = draft.path { try removeFile(path) }
      return nil
    }
    guard let path = draft.path, path.hasSuffix(partSuffix) else { return payload }
    let whole = String(path.dropLast(partSuffix.count))
    try rename(path, to: whole)
    return Payload(try OpenFile(reading: whole), byteCount: payload.byteCount, digest: digest)
  }

  private func memoryDraft(
    of digest: Digest, byteCount: Int, from offset: Int
  ) throws(FileError) -> PayloadDraft {
    guard offset > 0 else { return PayloadDraft(capacity: byteCount) }
    let held = current.withLock { $0 }
    let heldByteCount = held?.digest == digest ? held?.draft.byteCount ?? 0 : 0
    guard let held, heldByteCount == offset else {
      throw .missingPart(
        path: "the part of payload \(digest.short)", held: heldByteCount, expected: offset)
    }
    return held.draft
  }

  private func fileDraft(
    _ name: String, in folder: String, _ prefix: String, from offset: Int
  ) throws(FileError) -> PayloadDraft {
    let names = try namesInFolder(folder).filter { $0.hasPrefix(prefix) }
    for other in names where other != name && other != name + partSuffix {
      try removeFile("\(folder)/\(other)")
    }
    // One that is whole is not written to: all of it is here, or it comes again beside it.
    let isWhole = offset > 0 && names.contains(name)
    if isWhole {
      let held = try OpenFile(reading: "\(folder)/\(name)").byteCount()
      guard held == offset else {
        throw .missingPart(path: "\(folder)/\(name)", held: held, expected: offset)
      }
    }
    return try PayloadDraft(path: "\(folder)/\(name)\(isWhole ? "" : partSuffix)", from: offset)
  }
}

private let partSuffix = ".part"

/// Payloads of so many bytes are not worth a file.
private let smallByteCount = 64 << 10
