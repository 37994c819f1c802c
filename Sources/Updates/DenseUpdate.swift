// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files
public import Tensors

// The dense codec: each tensor's values as they are, in a raw section.

extension UpdateCodec {
  /// Writes every value of `vector` as a dense update, piece by piece.
  ///
  /// - Throws: for a value that is not finite, a layout beyond the format's limits, and when the
  ///   draft's disk fails.
  public static func writeDense(
    _ vector: ParameterVector, to draft: PayloadDraft
  ) throws(UpdateError) {
    try dense.checkFormOf(vector)
    try vector.eachDensePiece { (piece) throws(UpdateError) in
      try storing { () throws(FileError) in try draft.append(piece) }
    }
  }

  /// The bytes of every value of `delta`.
  func densePayload(of delta: ParameterVector) throws(UpdateError) -> [UInt8] {
    try checkFormOf(delta)
    var payload: [UInt8] = []
    payload.reserveCapacity(maximumPayloadByteCount(for: delta.layout))
    delta.eachDensePiece { payload.append(contentsOf: $0) }
    return payload
  }

  private func checkFormOf(_ vector: ParameterVector) throws(UpdateError) {
    try UpdateContainer.checkLimits(of: vector.layout)
    if let index = firstNonFinite(in: vector.values) { throw .nonFinite(at: index, of: vector) }
  }

  /// The values in `payload`.
  func denseVector(
    of payload: [UInt8], layout: ParameterLayout
  ) throws(UpdateError) -> ParameterVector {
    let container = try UpdateContainer(payload)
    try container.check(.dense, against: layout)
    var vector = ParameterVector(zerosOf: layout)
    vector.values.withUnsafeMutableBytes { target in
      payload.withUnsafeBytes { source in
        for (entry, section) in zip(layout.entries, container.sections) {
          let start = entry.offset * MemoryLayout<Float>.size
          UnsafeMutableRawBufferPointer(rebasing: target[start..<(start + section.contents.count)])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[section.contents]))
        }
      }
    }
    if let index = firstNonFinite(in: vector.values) {
      throw .nonFinite(at: index, in: layout)
    }
    return vector
  }
}

extension ParameterVector {
  /// The SHA-256 of the dense update with these values: the identity of a state, and the digest of
  /// the snapshot that brings a worker there.
  public var digest: Digest {
    var hasher = DigestHasher()
    eachDensePiece { hasher.update($0) }
    return hasher.finalized()
  }

  /// Calls `body` with the bytes of the dense update with these values, one piece after the other.
  fileprivate func eachDensePiece<Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    func pass(_ header: [UInt8]) throws(Failure) {
      try header.withUnsafeBufferPointer { (bytes) throws(Failure) in
        try body(UnsafeRawBufferPointer(bytes))
      }
    }
    try pass(UpdateContainer.header(.dense, layout: layout))
    try values.withUnsafeBufferPointer { (values) throws(Failure) in
      for (tensor, entry) in layout.entries.enumerated() {
        let section = UpdateContainer.Section(
          elementCount: entry.count, nonZeroCount: entry.count,
          contents: 0..<(entry.count * MemoryLayout<Float>.size))
        try pass(UpdateContainer.sectionHeader(tensor, of: .dense, section))
        try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: values[entry.range])))
      }
    }
  }
}

/// A dense update whose values are read as they are needed.
struct DenseUpdate {
  private let payload: Payload
  private let layout: ParameterLayout
  private let container: UpdateContainer

  /// The update in `payload`: its form is checked, its values are not yet read.
  init(_ payload: Payload, layout: ParameterLayout) throws(UpdateError) {
    let container = try UpdateContainer(payload)
    try container.check(.dense, against: layout)
    self.payload = payload
    self.layout = layout
    self.container = container
  }

  /// Reads values of tensor `tensor`, from its element `start` on, until `block` is full.
  ///
  /// - Throws: for a value that is not finite, and when the payload cannot be read.
  func read(
    _ tensor: Int, from start: Int, into block: UnsafeMutableBufferPointer<Float>
  ) throws(UpdateError) {
    let place = container.sections[tensor].contents.lowerBound + start * MemoryLayout<Float>.size
    try storing { () throws(FileError) in
      try payload.copy(from: place, into: UnsafeMutableRawBufferPointer(block))
    }
    if let index = firstNonFinite(in: UnsafeBufferPointer(block)) {
      throw .nonFinite(tensor: tensor, index: start + index)
    }
  }
}

extension ParameterLayout {
  /// A part of a tensor.
  typealias Block = (tensor: Int, range: Range<Int>)

  /// The parts of every tensor, none longer than `blockCount`.
  var blocks: [Block] {
    entries.enumerated().flatMap { tensor, entry in
      stride(from: 0, to: entry.count, by: blockCount).map { start in
        (tensor, start..<min(start + blockCount, entry.count))
      }
    }
  }
}

/// How many values are worked on at once where not all of them need be in memory: with their sums
/// few enough for a processor's own cache.
let blockCount = 16 << 10

/// The place of the first value that is infinite or not a number.
func firstNonFinite(in values: [Float]) -> Int? {
  values.withUnsafeBufferPointer { firstNonFinite(in: $0) }
}

/// The place of the first value that is infinite or not a number.
func firstNonFinite(in values: UnsafeBufferPointer<Float>) -> Int? {
  Kernels.areFinite(values) ? nil : values.firstIndex { !$0.isFinite }
}

extension UpdateError {
  /// The refusal of a received value, at `index` of the flat vector.
  static func nonFinite(at index: Int, in layout: ParameterLayout) -> UpdateError {
    let tensor = layout.tensor(at: index)
    return .nonFinite(tensor: tensor, index: index - layout.entries[tensor].offset)
  }

  /// The refusal to send the value at `index` of `delta`.
  static func nonFinite(at index: Int, of delta: ParameterVector) -> UpdateError {
    let entry = delta.layout.entries[delta.layout.tensor(at: index)]
    return .nonFiniteInput(tensor: entry.name, index: index - entry.offset)
  }
}

extension ParameterLayout {
  /// The place in the layout of the tensor that holds element `index` of the flat vector.
  func tensor(at index: Int) -> Int {
    guard let tensor = entries.firstIndex(where: { $0.range.contains(index) }) else {
      preconditionFailure("element \(index) of a layout of \(count)")
    }
    return tensor
  }
}
