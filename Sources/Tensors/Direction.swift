// SPDX-License-Identifier: Apache-2.0
internal import CKernels
public import Randomness

/// The random directions of a run, each known by its step and its query.
///
/// This is a contract between all who take part in a run, for directions never travel, and its bits
/// are the same on every machine. The words come from Philox4x32-10 with the key that
/// `Seed.derived("directions")` makes of the run's seed. Its counter is, from its word 0 on:
///
/// 0. the block's number within the tensor, from 0;
/// 1. the tensor's place in the run's layout, from 0;
/// 2. the query;
/// 3. the step.
///
/// Elements of a tensor count row by row, from 0; where only some of its columns are moved, these
/// alone count. A Rademacher direction is 1 or -1 everywhere: bit
/// k of word j of block b is set where element 128 b + 32 j + k is -1. A Gaussian one has the normal
/// deviate of word j of block b as element 4 b + j.
public struct Directions: Hashable, Codable, Sendable {
  /// What the elements are drawn from.
  public enum Distribution: String, CaseIterable, Codable, Sendable {
    /// 1 or -1, each with probability 1/2.
    case rademacher
    /// Nearly the standard normal distribution: 2^24 values, the largest 5.42, whose moments of
    /// order 2 and 4 are right to 10^-5.
    case gaussian
  }

  /// The key of the generator.
  public let key: UInt64
  /// What the elements are drawn from.
  public let distribution: Distribution

  /// The directions with a given key.
  public init(key: UInt64, distribution: Distribution = .rademacher) {
    self.key = key
    self.distribution = distribution
  }

  /// The directions of the run, or of the part of a run, that `seed` is the seed of.
  public init(of seed: Seed, distribution: Distribution = .rademacher) {
    self.init(key: seed.derived("directions").value, distribution: distribution)
  }

  /// The direction of a query of a step.
  public func direction(step: UInt32, query: UInt32) -> Direction {
    Direction(key: key, distribution: distribution, step: step, query: query)
  }
}

/// One random direction in the space of an adapter: a vector that is made anew wherever it is used.
public struct Direction: Hashable, Codable, Sendable {
  /// The key of the generator.
  public let key: UInt64
  /// What the elements are drawn from.
  public let distribution: Directions.Distribution
  /// The step that it belongs to.
  public let step: UInt32
  /// The query of the step.
  public let query: UInt32

  fileprivate init(
    key: UInt64, distribution: Directions.Distribution, step: UInt32, query: UInt32
  ) {
    self.key = key
    self.distribution = distribution
    self.step = step
    self.query = query
  }
}

/// A multiple of a direction.
public struct ScaledDirection: Hashable, Sendable {
  /// The direction.
  public let direction: Direction
  /// What it is multiplied with.
  public let factor: Float

  /// `factor` times `direction`.
  public init(_ direction: Direction, times factor: Float) {
    self.direction = direction
    self.factor = factor
  }
}

/// Some of the tensors of a layout: those that are perturbed and learned.
public struct TensorSelection: Hashable, Sendable {
  /// For each tensor, whether it is selected.
  public let isSelected: [Bool]
  /// Those of its columns, by its last extent, that are selected; nil for all.
  public let columns: Range<Int>?

  /// A selection of its flags, one for each tensor of a layout.
  public init(isSelected: [Bool], columns: Range<Int>? = nil) {
    self.isSelected = isSelected
    self.columns = columns
  }

  /// The tensors of `layout` for which `condition` holds.
  public init(of layout: ParameterLayout, where condition: (ParameterLayout.Entry) -> Bool) {
    self.init(isSelected: layout.entries.map(condition))
  }
}

extension ParameterVector {
  /// Adds `factor` times a direction, to all values or to those in `range`, and only to tensors that
  /// are selected.
  ///
  /// Of a Rademacher direction that is one sum for each value, of a Gaussian one a product and a sum,
  /// each rounded: the same bits on every machine, and in parts as in one.
  ///
  /// - Precondition: the range is one of the vector, and of whole tensors if the selection is of some
  ///   columns, which all selected tensors have.
  public mutating func add(
    _ direction: Direction, times factor: Float, in range: Range<Int>? = nil,
    to selection: TensorSelection? = nil
  ) {
    add([ScaledDirection(direction, times: factor)], in: range ?? 0..<layout.count, to: selection)
  }

  /// Adds multiples of directions, one after the other: the bits of as many single additions.
  ///
  /// All are added to a piece of the vector before the next piece is looked at, which stays in the
  /// processor's own cache meanwhile.
  ///
  /// - Precondition: the selection is one of the layout.
  public mutating func add(
    _ terms: some Sequence<ScaledDirection>, to selection: TensorSelection? = nil
  ) {
    add(terms, in: 0..<layout.count, to: selection)
  }

  private mutating func add(
    _ terms: some Sequence<ScaledDirection>, in range: Range<Int>, to selection: TensorSelection?
  ) {
    let pieces = layout.parts(in: range, of: selection).flatMap(\.pieces)
    values.withUnsafeMutableBufferPointer { values in
      guard let base = values.baseAddress else { return }
      for piece in pieces {
        for term in terms {
          Kernels.add(term.direction, of: piece, times: term.factor, to: base)
        }
      }
    }
  }

  /// The sum of this vector and `factor` times a direction, as `add` computes it.
  ///
  /// - Precondition: the selection is one of the layout.
  public func adding(
    _ direction: Direction, times factor: Float, to selection: TensorSelection? = nil
  ) -> ParameterVector {
    var sum = self
    sum.add(direction, times: factor, to: selection)
    return sum
  }
}

/// A part of a tensor, or of some of its columns.
struct TensorPart {
  /// The tensor's place in the layout.
  let tensor: Int
  /// The number of the first element, of those that are moved.
  let first: Int
  let count: Int
  /// Where element 0 is in the vector, whether or not it belongs to the part.
  let origin: Int
  /// How many columns are moved, and how many there are; nil where elements lie end to end.
  var columns: (moved: Int, all: Int)?
}

extension TensorPart {
  /// The part in pieces of at most 32 KiB that begin where the generator's blocks do.
  fileprivate var pieces: [TensorPart] {
    let length = 8 << 10
    return stride(from: 0, to: count, by: length).map { start in
      TensorPart(
        tensor: tensor, first: first + start, count: min(length, count - start), origin: origin,
        columns: columns)
    }
  }
}

extension ParameterLayout {
  /// The parts of selected tensors that lie in `range`.
  fileprivate func parts(in range: Range<Int>, of selection: TensorSelection?) -> [TensorPart] {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "values \(range) of \(count)")
    precondition(
      selection.map { $0.isSelected.count == entries.count } ?? true,
      "a selection of \(selection?.isSelected.count ?? 0) of \(entries.count) tensors")
    return entries.enumerated().compactMap { place, entry in
      let here = entry.range.clamped(to: range)
      guard !here.isEmpty, selection?.isSelected[place] ?? true else { return nil }
      guard let columns = selection?.columns else {
        return TensorPart(
          tensor: place, first: here.lowerBound - entry.offset, count: here.count,
          origin: entry.offset)
      }
      let all = entry.shape.last ?? 1
      precondition(
        here == entry.range && columns.lowerBound >= 0 && columns.upperBound <= all,
        "columns \(columns) of \(here.count) values of \(entry.name), which has \(entry.shape)")
      return TensorPart(
        tensor: place, first: 0, count: entry.count / all * columns.count,
        origin: entry.offset + columns.lowerBound, columns: (columns.count, all))
    }
  }
}

extension Kernels {
  /// y += factor z for a part of a tensor of the vector y.
  static func add(
    _ direction: Direction, of part: TensorPart, times factor: Float,
    to y: UnsafeMutablePointer<Float>
  ) {
    guard let columns = part.columns else {
      return addSuccessive(direction, of: part, times: factor, to: y + part.origin + part.first)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: part.count) { values in
      guard let start = values.baseAddress else { return }
      values.initialize(repeating: 0)
      addSuccessive(direction, of: part, times: factor, to: start)
      for (index, value) in values.enumerated() {
        let (row, column) = (part.first + index).quotientAndRemainder(dividingBy: columns.moved)
        y[part.origin + row * columns.all + column] += value
      }
    }
  }

  private static func addSuccessive(
    _ direction: Direction, of part: TensorPart, times factor: Float,
    to y: UnsafeMutablePointer<Float>
  ) {
    let blockLength = direction.distribution == .rademacher ? 128 : 4
    precondition(
      part.tensor <= UInt32.max && (part.first + part.count - 1) / blockLength <= UInt32.max,
      "element \(part.first + part.count - 1) of tensor \(part.tensor)")
    var address = tern_direction(
      key: direction.key, tensor: UInt32(part.tensor), query: direction.query,
      step: direction.step)
    switch direction.distribution {
    case .rademacher: tern_add_signs(&address, part.first, part.count, factor, y)
    case .gaussian: tern_add_normals(&address, part.first, part.count, factor, y)
    }
  }

  /// The normal deviate that each of some words gives: bit 31 is its sign, and bits 0 to 22 say with
  /// which probability one is larger.
  public static func normals(of words: [UInt32]) -> [Float] {
    var normals = [Float](repeating: 0, count: words.count)
    tern_normals(words.count, words, &normals)
    return normals
  }
}
