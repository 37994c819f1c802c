// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
public import Files
internal import Synchronization
public import Tensors

// Updates as they arrive: in files, of which a dense one is read piece by piece.

extension UpdateCodec {
  /// Refuses a payload that could not be decoded.
  ///
  /// - Throws: as `decode` does, and when the payload cannot be read.
  public func check(_ payload: Payload, layout: ParameterLayout) throws(UpdateError) {
    switch self {
    case .dense:
      let update = try DenseUpdate(payload, layout: layout)
      try withBlock { (room) throws(UpdateError) in
        for (tensor, range) in layout.blocks {
          try update.read(
            tensor, from: range.lowerBound,
            into: UnsafeMutableBufferPointer(rebasing: room[..<range.count]))
        }
      }
    case .ternary, .stochasticTernary:
      _ = try ternaryUpdate(try payload.inMemory(), layout: layout)
    }
  }

  /// The update in `payload`, which may be anything at all.
  ///
  /// - Throws: as for bytes, and when the payload cannot be read.
  public func decode(
    _ payload: Payload, layout: ParameterLayout
  ) throws(UpdateError) -> ParameterVector {
    guard self == .dense else { return try decode(try payload.inMemory(), layout: layout) }
    let update = try DenseUpdate(payload, layout: layout)
    var failure: UpdateError?
    let values = [Float](unsafeUninitializedCapacity: layout.count) { values, count in
      do throws(UpdateError) {
        for (tensor, range) in layout.blocks {
          let start = layout.entries[tensor].offset + range.lowerBound
          try update.read(
            tensor, from: range.lowerBound,
            into: UnsafeMutableBufferPointer(rebasing: values[start..<(start + range.count)]))
        }
        count = layout.count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return ParameterVector(layout: layout, values: values)
  }

  /// Hands the mean of updates, each weighted, to `body` block by block: sum(w d) / sum(w).
  ///
  /// Products and sums are in double precision, in the given order, and rounded once at the end.
  /// Dense updates are read side by side, so that only blocks are in memory; others are added one
  /// after the other in their sparse form, and are one block.
  ///
  /// - Parameter body: takes the place of a block in the flat vector, and its values; called by
  ///   several threads at once, in no order.
  /// - Throws: as `decode` does, also between two blocks.
  /// - Precondition: there are updates, and their weights are positive and finite.
  public func eachMeanBlock(
    of updates: [(payload: Payload, weight: Double)], layout: ParameterLayout,
    _ body: @Sendable (_ start: Int, UnsafeBufferPointer<Float>) -> Void
  ) throws(UpdateError) {
    precondition(!updates.isEmpty, "the mean of no updates")
    guard self == .dense else {
      var mean = WeightedMean(layout: layout)
      for (payload, weight) in updates {
        try mean.add(payload: try payload.inMemory(), codec: self, weight: weight)
      }
      mean.combined()?.values.withUnsafeBufferPointer { body(0, $0) }
      return
    }
    var sources: [(update: DenseUpdate, weight: Double)] = []
    for (payload, weight) in updates {
      precondition(weight > 0 && weight.isFinite, "an update with weight \(weight)")
      sources.append((try DenseUpdate(payload, layout: layout), weight))
    }
    let updates = sources
    try layout.eachPart { (blocks) throws(UpdateError) in
      try eachDenseMeanBlock(blocks, of: updates, layout: layout, body)
    }
  }
}

/// A dense update with its weight in a mean.
private typealias WeightedUpdate = (update: DenseUpdate, weight: Double)

private func eachDenseMeanBlock(
  _ blocks: ArraySlice<ParameterLayout.Block>, of sources: [WeightedUpdate],
  layout: ParameterLayout, _ body: (_ start: Int, UnsafeBufferPointer<Float>) -> Void
) throws(UpdateError) {
  let totalWeight = sources.reduce(0) { $0 + $1.weight }
  var sums = [Double](repeating: 0, count: blockCount)
  try withBlock { (room) throws(UpdateError) in
    for (tensor, range) in blocks {
      let part = UnsafeMutableBufferPointer(rebasing: room[..<range.count])
      for index in part.indices { sums[index] = 0 }
      for (update, weight) in sources {
        try update.read(tensor, from: range.lowerBound, into: part)
        sums.withUnsafeMutableBufferPointer { sums in
          Kernels.add(
            UnsafeBufferPointer(part), weight: weight,
            to: UnsafeMutableBufferPointer(rebasing: sums[..<part.count]))
        }
      }
      sums.withUnsafeBufferPointer { sums in
        Kernels.divide(
          UnsafeBufferPointer(rebasing: sums[..<part.count]), by: totalWeight, into: part)
      }
      body(layout.entries[tensor].offset + range.lowerBound, UnsafeBufferPointer(part))
    }
  }
}

extension ParameterLayout {
  /// Calls `body` with the blocks of the layout, part by part, on as many threads as there are
  /// processors; of several errors it throws the first by place.
  fileprivate func eachPart(
    _ body: @Sendable (ArraySlice<Block>) throws(UpdateError) -> Void
  ) throws(UpdateError) {
    let blocks = blocks
    // So few that each has a good deal to do.
    let partCount = min(8, 1 + blocks.count / 16)
    let failures = Mutex([UpdateError?](repeating: nil, count: partCount))
    DispatchQueue.concurrentPerform(iterations: partCount) { part in
      let range = (blocks.count * part / partCount)..<(blocks.count * (part + 1) / partCount)
      do throws(UpdateError) {
        try body(blocks[range])
      } catch {
        failures.withLock { $0[part] = error }
      }
    }
    if let failure = failures.withLock({ $0.lazy.compactMap { $0 }.first }) { throw failure }
  }
}

/// Calls `body` with room for one block.
private func withBlock(
  _ body: (UnsafeMutableBufferPointer<Float>) throws(UpdateError) -> Void
) throws(UpdateError) {
  let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: blockCount)
  defer { block.deallocate() }
  block.initialize(repeating: 0)
  try body(block)
}

extension Payload {
  /// All of the bytes.
  fileprivate func inMemory() throws(UpdateError) -> [UInt8] {
    try storing(bytes)
  }
}
