// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Tensors

/// An update of which only the largest values travel, as signs and one scale a tensor.
///
/// The compressor of F. Sattler et al., "Robust and Communication-Efficient Federated Learning from
/// Non-IID Data", 2019, algorithm 1, with one choice for the whole vector: P. Yadav et al.,
/// "ComPEFT", 2023, section 2. With a scale that is the mean magnitude of what is kept it is a
/// contraction, so error feedback converges.
public struct TernaryUpdate: Hashable, Sendable {
  /// Where the tensors lie.
  public let layout: ParameterLayout

  /// The tensors, in the layout's order.
  public let tensors: [TernaryTensor]

  /// How it travels.
  let kind: UpdateContainer.Kind

  /// The `keptCount` largest values of `delta` by magnitude; among equals, lower indices first.
  ///
  /// Zeros are never kept. A tensor's scale is the mean magnitude of what is kept of it, summed in
  /// double precision in the order of indices.
  ///
  /// - Throws: for a value that is not finite, or a layout beyond the format's limits.
  /// - Precondition: `keptCount` is at most the number of values.
  public init(largest keptCount: Int, of delta: ParameterVector) throws(UpdateError) {
    try UpdateContainer.checkLimits(of: delta.layout)
    let threshold = delta.values.withUnsafeBufferPointer { values in
      MagnitudeThreshold(keeping: keptCount, of: values)
    }
    guard let threshold else {
      throw .nonFinite(at: firstNonFinite(in: delta.values) ?? 0, of: delta)
    }
    self.init(delta, above: threshold, keptCount: keptCount)
  }

  init(
    layout: ParameterLayout, kind: UpdateContainer.Kind = .ternary, tensors: [TernaryTensor]
  ) {
    self.layout = layout
    self.kind = kind
    self.tensors = tensors
  }

  /// The values of `delta` that `threshold` keeps, `keptCount` at the most.
  package init(_ delta: ParameterVector, above threshold: MagnitudeThreshold, keptCount: Int) {
    layout = delta.layout
    kind = .ternary
    var selection = TernarySelection(threshold: threshold, keptCount: keptCount)
    tensors = delta.values.withUnsafeBufferPointer { values in
      delta.layout.entries.map { entry in
        selection.tensor(of: UnsafeBufferPointer(rebasing: values[entry.range]))
      }
    }
  }

  /// The update in `payload`, which may be anything at all.
  ///
  /// - Parameter nonZeroLimit: how many non-zeros the sender's density allows.
  /// - Throws: unless `payload` is a well-formed ternary update for `layout`.
  /// - Complexity: O(payload); memory for what the payload's own bytes can hold.
  public init(
    payload: [UInt8], layout: ParameterLayout, nonZeroLimit: Int = .max
  ) throws(UpdateError) {
    try self.init(payload: payload, of: .ternary, layout: layout, nonZeroLimit: nonZeroLimit)
  }

  init(
    payload: [UInt8], of kind: UpdateContainer.Kind, layout: ParameterLayout, nonZeroLimit: Int
  ) throws(UpdateError) {
    let container = try UpdateContainer(payload)
    try container.check(kind, against: layout)
    let nonZeroCount = container.sections.reduce(0) { $0 + $1.nonZeroCount }
    guard nonZeroCount <= nonZeroLimit else {
      throw .nonZeroCount(limit: nonZeroLimit, found: nonZeroCount)
    }
    self.layout = layout
    self.kind = kind
    var tensors: [TernaryTensor] = []
    tensors.reserveCapacity(container.sections.count)
    for tensor in container.sections.indices {
      tensors.append(try container.ternaryTensor(tensor, of: payload))
      guard !tensors[tensor].hasDoubles else { throw .exactValues(tensor: tensor) }
    }
    self.tensors = tensors
  }

  /// The number of values that are not zero.
  public var nonZeroCount: Int { tensors.reduce(0) { $0 + $1.nonZeroCount } }

  /// The Euclidean norm, without expanding anything.
  public var norm: Double { tensors.reduce(0) { $0 + $1.squaredNorm }.squareRoot() }

  /// The bytes to send.
  public func payload() -> [UInt8] {
    let codes = tensors.map { RiceCode.best(for: $0.symbols, elementCount: $0.count) }
    let byteCount = zip(tensors, codes).reduce(UpdateContainer.headerByteCount) {
      $0 + UpdateContainer.sectionHeaderByteCount + exactByteCount(of: $1.0)
        + ($1.1.bitCount + 7) / 8
    }
    var payload = UpdateContainer.header(kind, layout: layout)
    payload.reserveCapacity(byteCount + RiceCode.slackByteCount)
    for (index, (tensor, code)) in zip(tensors, codes).enumerated() {
      let symbolByteCount = (code.bitCount + 7) / 8
      let section = UpdateContainer.Section(
        riceParameter: code.parameter, elementCount: tensor.count,
        nonZeroCount: tensor.nonZeroCount, scale: tensor.scale,
        contents: 0..<(exactByteCount(of: tensor) + symbolByteCount))
      payload += UpdateContainer.sectionHeader(index, of: kind, section)
      if kind == .stochasticTernary { payload.append(exactValuesOf: tensor) }
      RiceCode.append(tensor.symbols, parameter: code.parameter, symbolByteCount, &payload)
    }
    return payload
  }

  private func exactByteCount(of tensor: TernaryTensor) -> Int {
    guard kind == .stochasticTernary else { return 0 }
    return UpdateContainer.exactCountByteCount
      + tensor.exact.count * UpdateContainer.exactValueByteCount
  }

  /// Every value, zeros and all.
  public func decoded() -> ParameterVector {
    var vector = ParameterVector.largeZeros(of: layout)
    vector.values.withUnsafeMutableBufferPointer { values in
      for (entry, tensor) in zip(layout.entries, tensors) {
        tensor.write(to: UnsafeMutableBufferPointer(rebasing: values[entry.range]))
      }
    }
    return vector
  }

  /// Adds `weight` times every value to `sums`, as adding the decoded vector would, bit for bit.
  ///
  /// - Precondition: there are as many sums as the layout has parameters.
  /// - Complexity: O(non-zeros).
  public func add(to sums: inout [Double], weight: Double) {
    precondition(sums.count == layout.count, "adding \(layout.count) values to \(sums.count) sums")
    sums.withUnsafeMutableBufferPointer { sums in
      for (entry, tensor) in zip(layout.entries, tensors) {
        tensor.add(
          to: UnsafeMutableBufferPointer(rebasing: sums[entry.range]), weight: weight)
      }
    }
  }
}

extension UpdateContainer {
  /// The non-zeros of tensor `index` of the file `payload`.
  func ternaryTensor(_ index: Int, of payload: [UInt8]) throws(UpdateError) -> TernaryTensor {
    let section = sections[index]
    let exact =
      kind == .stochasticTernary
      ? try exactValues(ofTensor: index, in: payload) : (byteCount: 0, values: [])
    do throws(RiceCode.Fault) {
      let symbols = try RiceCode.symbols(
        in: payload[section.contents.dropFirst(exact.byteCount)], parameter: section.riceParameter,
        elementCount: section.elementCount,
        nonZeroCount: section.nonZeroCount - exact.values.count)
      return TernaryTensor(
        count: section.elementCount, scale: section.scale, symbols: symbols, exact: exact.values)
    } catch {
      switch error {
      case .indexBeyondTensor:
        throw .indexBeyondTensor(tensor: index, count: section.elementCount)
      case .padding:
        throw .padding(tensor: index)
      case .length(let usedBitCount):
        throw .sectionLength(
          tensor: index, expected: exact.byteCount + (usedBitCount + 7) / 8,
          found: section.contents.count)
      }
    }
  }

  /// The exact values of tensor `index`, and the bytes that they take with their number.
  private func exactValues(
    ofTensor index: Int, in payload: [UInt8]
  ) throws(UpdateError) -> (byteCount: Int, values: [TernaryTensor.ExactValue]) {
    let section = sections[index]
    var reader = ByteReader(payload[section.contents])
    try reader.require(Self.exactCountByteCount)
    let count = Int(reader.integer(UInt32.self))
    guard count <= section.nonZeroCount else {
      throw .nonZeroCount(limit: section.nonZeroCount, found: count)
    }
    try reader.require(count * Self.exactValueByteCount)
    var values: [TernaryTensor.ExactValue] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      let element = TernaryTensor.ExactValue(
        index: reader.integer(UInt32.self),
        value: Float(bitPattern: reader.integer(UInt32.self)))
      guard element.index < section.elementCount, element.value.isFinite, element.value != 0,
        element.value.magnitude >= section.scale,
        values.last.map({ $0.index < element.index }) ?? true
      else { throw .exactValues(tensor: index) }
      values.append(element)
    }
    return (Self.exactCountByteCount + count * Self.exactValueByteCount, values)
  }
}

extension [UInt8] {
  fileprivate mutating func append(exactValuesOf tensor: TernaryTensor) {
    append(littleEndian: UInt32(tensor.exact.count))
    for element in tensor.exact {
      append(littleEndian: element.index)
      append(littleEndian: element.value.bitPattern)
    }
  }
}
