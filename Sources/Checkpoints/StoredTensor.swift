// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Glibc

/// A tensor of a checkpoint: the file that holds it, and how its rows are to be put back in order.
struct StoredTensor: Sendable {
  let file: FileContents
  let info: TensorInfo
  /// The number of heads whose rows are stored in rotary pairs, as llama.cpp wants them; nil where
  /// rows lie in Hugging Face's order.
  var interleavedHeads: Int?

  /// All values as floats, rows in Hugging Face's order.
  ///
  /// - Throws: `notFloats`, `notFinite`.
  func floats(named name: String) throws(CheckpointError) -> [Float] {
    var values = [Float](repeating: 0, count: info.count)
    try values.withUnsafeMutableBufferPointer { (target) throws(CheckpointError) in
      try read(named: name, into: target)
    }
    return values
  }

  /// Converts all values to floats in `target`, rows in Hugging Face's order.
  ///
  /// - Precondition: `target` has `info.count` elements.
  /// - Throws: `notFloats`, or `notFinite` with the index in `target`.
  func read(
    named name: String, into target: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    precondition(target.count == info.count, "\(info.count) values of \(name) for \(target.count)")
    guard info.type.isReadAsFloats else {
      throw .notFloats(tensor: name, type: info.type.rawValue)
    }
    expand(rows: 0..<info.rowCount, into: target)
    if let index = firstNotFinite(target) { throw .notFinite(tensor: name, index: index) }
  }

  /// Whether type, shape and stored bytes are those of `other`.
  func isStored(as other: StoredTensor) -> Bool {
    guard info.type == other.info.type, info.shape == other.info.shape else { return false }
    return file.withBytes(in: info.range) { bytes in
      other.file.withBytes(in: other.info.range) { others in
        guard let first = bytes.baseAddress, let second = others.baseAddress else { return true }
        return memcmp(first, second, bytes.count) == 0
      }
    }
  }

  /// Appends the bytes as they are stored.
  func appendStoredBytes(to hasher: inout DigestHasher) {
    file.withBytes(in: info.range) { hasher.update($0) }
  }

  /// Converts rows to floats in `target`, in Hugging Face's order.
  ///
  /// - Precondition: the type is read as floats, and `target` has as many elements as the rows.
  func expand(rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    guard !rows.isEmpty else { return }
    let width = info.count / info.rowCount
    file.withBytes(in: info.range) { bytes in
      let byteCount = bytes.count / info.rowCount
      func stored(_ rows: Range<Int>) -> UnsafeRawBufferPointer {
        let range = (rows.lowerBound * byteCount)..<(rows.upperBound * byteCount)
        return UnsafeRawBufferPointer(rebasing: bytes[range])
      }
      guard let interleavedHeads else { return info.type.expand(stored(rows), into: target) }
      for row in rows {
        let place = storedPlace(of: row, headCount: interleavedHeads)
        let start = (row - rows.lowerBound) * width
        info.type.expand(
          stored(place..<(place + 1)),
          into: UnsafeMutableBufferPointer(rebasing: target[start..<(start + width)]))
      }
    }
  }

  /// Whether rows lie in the file just as they would in memory.
  var isStoredAsFloats: Bool {
    guard info.type == .float32, interleavedHeads == nil else { return false }
    return file.withBytes(in: info.range) { bytes in
      // Nothing in the formats makes writers align their tensors; most do.
      Int(bitPattern: bytes.baseAddress).isMultiple(of: MemoryLayout<Float>.alignment)
    }
  }

  /// Calls `body` with rows where they lie.
  ///
  /// - Precondition: they are stored as floats.
  func withStoredFloats(rows: Range<Int>, _ body: (UnsafeBufferPointer<Float>) -> Void) {
    precondition(isStoredAsFloats, "a tensor of type \(info.type.rawValue) as floats")
    let byteCount = info.range.count / info.rowCount
    let start = info.range.lowerBound + rows.lowerBound * byteCount
    file.withBytes(in: start..<(start + rows.count * byteCount)) { bytes in
      body(bytes.assumingMemoryBound(to: Float.self))
    }
  }

  /// Looks at every value once.
  ///
  /// - Throws: `notFloats`, or `notFinite` with the index in Hugging Face's order.
  func check(named name: String) throws(CheckpointError) {
    guard info.type.isReadAsFloats else {
      throw .notFloats(tensor: name, type: info.type.rawValue)
    }
    let width = info.count / info.rowCount
    let step = max(1, (64 << 10) / width)
    var room = [Float](repeating: 0, count: step * width)
    let index = room.withUnsafeMutableBufferPointer { room -> Int? in
      for start in stride(from: 0, to: info.rowCount, by: step) {
        let rows = start..<min(start + step, info.rowCount)
        let part = UnsafeMutableBufferPointer(rebasing: room[..<(rows.count * width)])
        expand(rows: rows, into: part)
        if let index = firstNotFinite(part) { return start * width + index }
      }
      return nil
    }
    releasePages()
    if let index { throw .notFinite(tensor: name, index: index) }
  }

  /// Lets the system take back the memory in which it was read; whoever reads it again may find it
  /// there still.
  func releasePages() { file.releasePages(in: info.range) }

  /// Undoes llama.cpp's permutation: within a head of width d, its row 2j + s is row s d/2 + j.
  private func storedPlace(of row: Int, headCount: Int) -> Int {
    let headWidth = info.rowCount / headCount
    let (head, place) = row.quotientAndRemainder(dividingBy: headWidth)
    let (side, pair) = place.quotientAndRemainder(dividingBy: headWidth / 2)
    return head * headWidth + 2 * pair + side
  }
}
