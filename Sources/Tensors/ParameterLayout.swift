// SPDX-License-Identifier: Apache-2.0
public import Digests

/// Where each named tensor lies inside one flat vector of parameters.
///
/// Tensors lie end to end in the order given, row-major, without gaps.
public struct ParameterLayout: Hashable, Codable, Sendable {
  /// One tensor's place.
  public struct Entry: Hashable, Codable, Sendable {
    /// The tensor's name, in the notation of PEFT.
    public let name: String
    /// The extents, outermost first.
    public let shape: [Int]
    /// The first element's index in the flat vector.
    public let offset: Int

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The tensor's indices in the flat vector.
    public var range: Range<Int> { offset..<(offset + count) }
  }

  /// The tensors, in the order in which they lie.
  public let entries: [Entry]

  /// The number of parameters in all.
  public let count: Int

  /// A layout of `tensors`, in the order given.
  ///
  /// - Precondition: extents are positive and names are distinct.
  public init(_ tensors: [(name: String, shape: [Int])]) {
    var offset = 0
    entries = tensors.map { tensor in
      precondition(
        tensor.shape.allSatisfy { $0 > 0 }, "tensor \(tensor.name) has shape \(tensor.shape)")
      let entry = Entry(name: tensor.name, shape: tensor.shape, offset: offset)
      offset += entry.count
      return entry
    }
    count = offset
    precondition(Set(entries.map(\.name)).count == entries.count, "a tensor's name occurs twice")
  }

  /// The place of the tensor called `name`, if there is one.
  ///
  /// - Complexity: O(tensors).
  public func entry(named name: String) -> Entry? { entries.first { $0.name == name } }

  /// The SHA-256 of names and shapes: equal for layouts that can exchange updates.
  public var digest: Digest {
    let text = entries.map { "\($0.name) \($0.shape)\n" }.joined()
    return Digest(of: Array(text.utf8))
  }
}
