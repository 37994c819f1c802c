// SPDX-License-Identifier: Apache-2.0

/// The tokens of a model, each a string of bytes with an id, to be found by either.
///
/// All bytes lie end to end in one array, found by id over their bounds and by content over an
/// open-addressing table of ids, because a dictionary of strings takes canonically equivalent
/// tokens for one, and costs an allocation for each.
struct Vocabulary: Sendable {
  /// Ids are below this: larger ones are a damaged file, and would cost memory.
  static let maximumSize = 1 << 22

  /// One more than the largest id.
  private(set) var size = 0

  private var storage: [UInt8] = []
  /// Where each id's bytes lie in `storage`; nil for an id without token.
  private var bounds: [Range<Int>?] = []
  /// Ids by hash of their content, -1 where free; a power of two, at most half full.
  private var slots: [Int32] = Array(repeating: -1, count: 64)
  private var count = 0

  /// Why a token could not be added.
  enum Refusal: Error {
    case idOutOfRange
    case idTaken(by: String)
    case contentTaken(by: Int32)
  }

  /// Adds a token.
  mutating func insert(_ token: String, id: Int) throws(Refusal) {
    guard 0..<Self.maximumSize ~= id else { throw .idOutOfRange }
    if id < size, bounds[id] != nil { throw .idTaken(by: text(of: Int32(id)) ?? "") }
    let start = storage.count
    storage.append(contentsOf: token.utf8)
    let range = start..<storage.count
    if 2 * (count + 1) > slots.count { grow() }
    let slot = storage.withUnsafeBufferPointer { storage in
      self.slot(of: UnsafeBufferPointer(rebasing: storage[range]), in: storage)
    }
    guard slots[slot] < 0 else {
      storage.removeSubrange(range)
      throw .contentTaken(by: slots[slot])
    }
    slots[slot] = Int32(id)
    count += 1
    if id >= size {
      bounds.append(contentsOf: repeatElement(nil, count: id + 1 - size))
      size = id + 1
    }
    bounds[id] = range
  }

  /// The id of the token with these bytes.
  func id(of content: UnsafeBufferPointer<UInt8>) -> Int32? {
    let id = storage.withUnsafeBufferPointer { slots[slot(of: content, in: $0)] }
    return id < 0 ? nil : id
  }

  /// The id of the token spelt `content`.
  func id(of content: String) -> Int32? {
    var content = content
    return content.withUTF8 { id(of: $0) }
  }

  /// The bytes of a token; nil for an id without one.
  func bytes(of id: Int32) -> ArraySlice<UInt8>? {
    guard 0..<size ~= Int(id), let range = bounds[Int(id)] else { return nil }
    return storage[range]
  }

  /// A token as a string; nil for an id without one.
  func text(of id: Int32) -> String? {
    bytes(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The slot that holds `content`, or the free one where it would go.
  private func slot(
    of content: UnsafeBufferPointer<UInt8>, in storage: UnsafeBufferPointer<UInt8>
  ) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: Self.hash(content)) & mask
    while slots[slot] >= 0 {
      if let range = bounds[Int(slots[slot])], range.count == content.count,
        UnsafeBufferPointer(rebasing: storage[range]).elementsEqual(content)
      {
        return slot
      }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: 2 * slots.count)
    storage.withUnsafeBufferPointer { storage in
      for (id, range) in bounds.enumerated() {
        guard let range else { continue }
        slots[slot(of: UnsafeBufferPointer(rebasing: storage[range]), in: storage)] = Int32(id)
      }
    }
  }

  /// FNV-1a, and a last mixing, for the table looks at the low bits only.
  private static func hash(_ content: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in content { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return hash ^ (hash >> 32)
  }
}
