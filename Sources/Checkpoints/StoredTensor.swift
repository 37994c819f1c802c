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
    file.withBytes(in: info.range) { bytes in
      if let interleavedHeads {
        expandRows(of: bytes, into: target, headCount: interleavedHeads)
      } else {
        info.type.expand(bytes, into: target)
      }
    }
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

  /// Undoes llama.cpp's permutation: within a head of width d, its row 2j + s is row s d/2 + j.
  private func expandRows(
    of bytes: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Float>, headCount: Int
  ) {
    let rowCount = info.shape[0]
    let rowWidth = info.count / rowCount
    let rowByteCount = bytes.count / rowCount
    let headWidth = rowCount / headCount
    for row in 0..<rowCount {
      let (head, place) = row.quotientAndRemainder(dividingBy: headWidth)
      let (pair, side) = place.quotientAndRemainder(dividingBy: 2)
      let targetRow = head * headWidth + side * (headWidth / 2) + pair
      info.type.expand(
        UnsafeRawBufferPointer(rebasing: bytes[(row * rowByteCount)..<((row + 1) * rowByteCount)]),
        into: UnsafeMutableBufferPointer(
          rebasing: target[(targetRow * rowWidth)..<((targetRow + 1) * rowWidth)]))
    }
  }
}
