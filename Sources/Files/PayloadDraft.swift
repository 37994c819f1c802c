// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Dispatch
internal import Synchronization

/// A payload while it is written, from its first byte to its last: in memory, or in a file.
public final class PayloadDraft: Sendable {
  fileprivate enum Target: Sendable {
    case memory([UInt8])
    case file(OpenFile)
    /// In memory as long as it is small, then in the file at `path`.
    case spilling([UInt8], path: String)
    /// All of it was here before.
    case whole(Payload)
    /// Another draft took its place.
    case none
  }

  fileprivate struct State: ~Copyable {
    var target: Target
    var byteCount: Int
    /// Whether somebody is going to wait until it is on the disk.
    var isHurried = false
    /// How much of a draft that may spill stays in memory.
    var limit = 0
    var hasher: DigestHasher
  }

  private let state: Mutex<State>
  /// The file; nil in memory.
  public let path: String?

  /// A draft in memory, with room for `capacity` bytes.
  public init(capacity: Int = 0) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(capacity)
    path = nil
    state = Mutex(State(target: .memory(bytes), byteCount: 0, hasher: DigestHasher()))
  }

  /// A draft in the file at `path`, which goes on after the first `byteCount` bytes of what is
  /// there.
  ///
  /// - Throws: `missingPart` when there are fewer.
  public init(path: String, from byteCount: Int = 0) throws(FileError) {
    let file = try OpenFile(writing: path)
    let held = try file.byteCount()
    guard held >= byteCount else {
      throw .missingPart(path: path, held: held, expected: byteCount)
    }
    if held > byteCount { try file.truncate(to: byteCount) }
    var hasher = DigestHasher()
    var offset = 0
    while offset < byteCount {
      let count = min(pieceByteCount, byteCount - offset)
      let piece = try filledBytes(count) { (buffer) throws(FileError) in
        try file.read(at: offset, into: buffer)
      }
      hasher.update(piece)
      offset += count
    }
    self.path = path
    state = Mutex(State(target: .file(file), byteCount: byteCount, hasher: hasher))
  }

  /// A draft that stays in memory unless it grows beyond `limit` bytes, and is in the file at
  /// `path` then.
  public init(spillingTo path: String, beyond limit: Int) {
    self.path = nil
    state = Mutex(
      State(
        target: .spilling([], path: path), byteCount: 0, isHurried: true, limit: limit,
        hasher: DigestHasher()))
  }

  /// A draft that is finished: all of `payload` was here before.
  init(whole payload: Payload) {
    path = nil
    state = Mutex(
      State(target: .whole(payload), byteCount: payload.byteCount, hasher: DigestHasher()))
  }

  /// How many bytes there are so far.
  public var byteCount: Int { state.withLock { $0.byteCount } }

  /// Adds bytes at the end.
  public func append(_ bytes: ArraySlice<UInt8>) throws(FileError) {
    try withBytes(of: bytes) { (bytes) throws(FileError) in try append(bytes) }
  }

  /// Adds bytes at the end.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    let borrowed = Borrowed(bytes: bytes)
    let failure = state.withLock { state in state.append(borrowed) }
    if let failure { throw failure }
  }

  /// Takes nothing from now on: another draft writes in its place.
  func abandon() { state.withLock { $0.target = .none } }

  /// The payload, once its last byte is here; nothing may be added any more.
  public func finished() -> Payload {
    state.withLock { state in
      var hasher = DigestHasher()
      swap(&hasher, &state.hasher)
      let digest = hasher.finalized()
      switch state.target {
      case .memory(let bytes), .spilling(let bytes, _): return Payload(bytes, digest: digest)
      case .file(let file): return Payload(file, byteCount: state.byteCount, digest: digest)
      case .whole(let payload): return payload
      case .none: return Payload([])
      }
    }
  }
}

/// Bytes that nobody keeps beyond the call that they are handed to.
private struct Borrowed: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
}

/// A hasher that its owner leaves alone until the call is over that it is lent to.
private struct Lent: @unchecked Sendable {
  let hasher: UnsafeMutablePointer<DigestHasher>
}

extension PayloadDraft.State {
  /// Adds bytes at the end; gives what went wrong.
  fileprivate mutating func append(_ borrowed: Borrowed) -> FileError? {
    let bytes = borrowed.bytes
    switch target {
    case .memory(var kept):
      // Without a second reference while it grows.
      target = .memory([])
      kept.append(contentsOf: bytes)
      target = .memory(kept)
    case .file(let file):
      do {
        try write(borrowed, to: file)
      } catch {
        return error
      }
      let step = 4 << 20
      let end = (byteCount + bytes.count) / step * step
      // So that the sync at the end finds little to do.
      if isHurried, end > byteCount { file.startWriting(max(0, end - step)..<end) }
      byteCount += bytes.count
      return nil
    case .spilling(let kept, let path):
      do {
        target = try Self.target(for: kept + bytes, path: path, limit: limit)
      } catch {
        return error
      }
    case .whole, .none: return .superseded
    }
    hasher.update(bytes)
    byteCount += bytes.count
    return nil
  }

  /// Writes and hashes a piece, at the same time where that is worth a second thread.
  private mutating func write(_ borrowed: Borrowed, to file: OpenFile) throws(FileError) {
    let start = byteCount
    guard borrowed.bytes.count >= largePieceByteCount else {
      try file.write(borrowed.bytes, at: start)
      return hasher.update(borrowed.bytes)
    }
    let failure = Mutex<FileError?>(nil)
    withUnsafeMutablePointer(to: &hasher) { hasher in
      let lent = Lent(hasher: hasher)
      DispatchQueue.concurrentPerform(iterations: 2) { side in
        guard side == 0 else { return lent.hasher.pointee.update(borrowed.bytes) }
        do throws(FileError) {
          try file.write(borrowed.bytes, at: start)
        } catch {
          failure.withLock { $0 = error }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private static func target(
    for bytes: [UInt8], path: String, limit: Int
  ) throws(FileError) -> PayloadDraft.Target {
    guard bytes.count > limit else { return .spilling(bytes, path: path) }
    try removeFile(path)
    let file = try OpenFile(writing: path)
    try withBytes(of: bytes[...]) { (bytes) throws(FileError) in try file.write(bytes, at: 0) }
    return .file(file)
  }
}

/// From so many bytes on, a piece is written by one thread and hashed by another.
private let largePieceByteCount = 1 << 20
