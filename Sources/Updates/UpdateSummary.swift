// SPDX-License-Identifier: Apache-2.0
internal import Glibc
public import Tensors

/// What an update file holds, for people to read.
public struct UpdateSummary: Hashable, Codable, Sendable {
  /// One tensor of the file.
  public struct Tensor: Hashable, Codable, Sendable {
    /// The tensor's name, if the layout is known.
    public let name: String?
    /// The number of elements.
    public let parameterCount: Int
    /// The number of elements that are not zero, or are sent as they are.
    public let nonZeroCount: Int
    /// The magnitude of every non-zero; 1 in a dense file.
    public let scale: Float
    /// The exponent of the Rice code; 0 in a dense file.
    public let riceParameter: Int
    /// The bytes that the tensor's contents take.
    public let byteCount: Int
  }

  /// The codec's name: dense, ternary or stochastic ternary.
  public let codec: String
  /// The tensors, in the layout's order.
  public let tensors: [Tensor]
  /// The bytes of the whole file.
  public let byteCount: Int
  /// The number of parameters in all.
  public let parameterCount: Int
  /// The number of parameters that are not zero, or are sent as they are.
  public let nonZeroCount: Int
  /// The bits that the file takes for each parameter.
  public let bitsPerParameter: Double
  /// The fewest bits that could carry the symbols, if they were drawn independently: for each
  /// tensor of n elements with a fraction k of non-zeros, n (H2(k) + k); 32 n in a dense file.
  public let entropyBitCount: Double

  /// A summary of the update file `payload`, which may be anything at all.
  ///
  /// - Parameter layout: the adapter's, if it is known: its names appear, and it must fit.
  /// - Throws: unless `payload` is a well-formed update, for `layout` if there is one.
  public init(of payload: [UInt8], layout: ParameterLayout? = nil) throws(UpdateError) {
    let container = try UpdateContainer(payload)
    if let layout { try container.check(against: layout) }
    let sections = container.sections
    if container.kind != .dense {
      for tensor in sections.indices { _ = try container.ternaryTensor(tensor, of: payload) }
    }
    codec = "\(container.kind)"
    tensors = sections.enumerated().map { index, section in
      Tensor(
        name: layout?.entries[index].name, parameterCount: section.elementCount,
        nonZeroCount: section.nonZeroCount, scale: section.scale,
        riceParameter: section.riceParameter, byteCount: section.contents.count)
    }
    byteCount = payload.count
    parameterCount = sections.reduce(0) { $0 + $1.elementCount }
    nonZeroCount = sections.reduce(0) { $0 + $1.nonZeroCount }
    bitsPerParameter =
      parameterCount == 0 ? 0 : Double(byteCount * 8) / Double(parameterCount)
    entropyBitCount = sections.reduce(0) { $0 + $1.entropyBitCount(container.kind) }
  }

  /// The bytes of the file that hold symbols or values; the others say which and where.
  public var contentByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// The bytes of the file, against what its symbols' entropy would take; nil without symbols.
  public var sizeOverEntropy: Double? {
    entropyBitCount > 0 ? Double(byteCount * 8) / entropyBitCount : nil
  }
}

extension UpdateContainer.Section {
  /// The entropy of the section's symbols.
  fileprivate func entropyBitCount(_ kind: UpdateContainer.Kind) -> Double {
    let count = Double(elementCount)
    guard kind != .dense else { return 32 * count }
    let kept = Double(nonZeroCount)
    return [kept, count - kept].reduce(kept) { bits, share in
      share > 0 ? bits - share * log2(share / count) : bits
    }
  }
}
