// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Dispatch
internal import Files
internal import Synchronization

/// The files of a run's large payloads: each under its digest, whole or not there.
///
/// `payloads` holds what the database knows of, `incoming` what is on its way there.
final class PayloadFolder: Sendable {
  /// Above this many bytes a payload has a file of its own, instead of a place in the database.
  static let inlineByteCount = 64 << 10

  let incoming: String
  private let folder: String
  private let draftCount = Mutex(0)
  /// What this process has written or checked: it need not be read again to be believed.
  private let trusted = Mutex<Set<Digest>>([])
  /// Where files are removed, one after the other.
  let remover = DispatchQueue(label: "removing payloads")
  private let failure = Mutex<FileError?>(nil)

  /// The folders of the run in `run`; made unless they are there.
  init(run: String) throws(FileError) {
    folder = run + "/payloads"
    incoming = run + "/incoming"
    try Files.makeFolder(folder)
    try Files.makeFolder(incoming)
  }

  /// The folders of a run that is only looked at.
  init(existingRun run: String) {
    folder = run + "/payloads"
    incoming = run + "/incoming"
  }

  /// A draft of something that this process makes itself.
  func draft() -> PayloadDraft {
    let number = draftCount.withLock { count in
      count += 1
      return count
    }
    return PayloadDraft(
      spillingTo: "\(incoming)/\(ownPrefix)\(number)", beyond: Self.inlineByteCount)
  }

  /// Puts `payload` where it stays; when this returns and it is to be durable, it is on the disk.
  ///
  /// What is not durable outlives this process, but not the machine's power.
  func keep(_ payload: Payload, durably isDurable: Bool) throws(FileError) {
    // It may be one of them.
    finishRemoving()
    let path = path(of: payload.digest)
    if let file = payload.file, file.path.hasPrefix(incoming + "/") {
      if isDurable { try file.synchronize() }
      // Its name may have gone to another upload of the same sender meanwhile.
      do {
        try isDurable ? move(file.path, to: path) : rename(file.path, to: path)
      } catch {
        try copy(payload, to: path)
      }
    } else {
      try copy(payload, to: path)
    }
    trusted.withLock { _ = $0.insert(payload.digest) }
  }

  /// The payload of `digest`; nil when the file is not what it was.
  ///
  /// - Throws: `changed` when there is no file any more.
  func payload(of digest: Digest, byteCount: Int) throws(FileError) -> Payload? {
    let path = path(of: digest)
    guard isThere(path) else { throw .changed(path: path, reason: "it is gone") }
    let file = try OpenFile(reading: path)
    guard try file.byteCount() == byteCount else { return nil }
    let payload = Payload(file, byteCount: byteCount, digest: digest)
    if trusted.withLock({ $0.contains(digest) }) { return payload }
    guard try payload.isIntact() else { return nil }
    trusted.withLock { _ = $0.insert(digest) }
    return payload
  }

  /// Removes payloads that nobody needs any more, after this has returned: giving the room of large
  /// files back takes as long as a good part of a round.
  ///
  /// - Throws: what went wrong with those before.
  func remove(_ digests: [Digest]) throws(FileError) {
    trusted.withLock { $0.subtract(digests) }
    remover.async { [self] in
      for digest in digests {
        do throws(FileError) { try removeFile(path(of: digest)) } catch {
          failure.withLock { $0 = error }
        }
      }
    }
    if let failure = failure.withLock({ $0.take() }) { throw failure }
  }

  /// Waits until what was to be removed is gone.
  func finishRemoving() { remover.sync {} }

  /// Removes what a crash left: files that the database does not know, and unfinished drafts.
  func removeAll(except known: Set<Digest>) throws(FileError) {
    for name in try namesInFolder(folder) {
      if let digest = Digest(hex: name), known.contains(digest) { continue }
      try removeFile("\(folder)/\(name)")
    }
    for name in try namesInFolder(incoming) where name.hasPrefix(ownPrefix) {
      try removeFile("\(incoming)/\(name)")
    }
  }

  private func path(of digest: Digest) -> String { "\(folder)/\(digest)" }

  private func copy(_ payload: Payload, to path: String) throws(FileError) {
    let pieceByteCount = 256 << 10
    let draft = draft()
    for start in stride(from: 0, to: payload.byteCount, by: pieceByteCount) {
      try draft.append(
        try payload.bytes(in: start..<min(start + pieceByteCount, payload.byteCount)))
    }
    let copied = draft.finished()
    guard copied.digest == payload.digest, let file = copied.file else {
      throw .changed(path: path, reason: "the payload \(payload.digest) has changed")
    }
    try file.synchronize()
    try move(file.path, to: path)
  }
}

/// No worker's name begins with it.
private let ownPrefix = "~"
