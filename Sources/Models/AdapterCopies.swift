// SPDX-License-Identifier: Apache-2.0
internal import Tensors

/// The adapters that a forward pass is computed with at once.
///
/// As long as they agree, rows are computed once for all of them. At the first site whose tensors
/// are not the same in all, the pass forks: from there on every matrix has the rows of the first
/// adapter, then as many of the second, and so on. Each matrix product is made on the rows of one
/// adapter at a time, for the bits of a row may depend on how many rows a product has: so the loss
/// with an adapter has the same bits whatever other adapters are computed beside it.
struct AdapterCopies {
  /// The parameters of each adapter.
  let parameters: [[Float]]
  /// The block that is computed.
  var layer = 0
  /// In how many parts, of equally many rows, the matrices of the pass are by now.
  private(set) var partCount = 1
  /// The parameters that each part is computed with.
  var partParameters: [[Float]] { partCount == 1 ? [parameters[0]] : parameters }

  private let fork: (layer: Int, site: Site)?

  /// The adapters with these parameters, of a model with these blocks.
  init(_ parameters: [[Float]], _ blocks: [BlockAdapter]) {
    self.parameters = parameters
    fork = blocks.indices.lazy.flatMap { layer in
      Site.allCases.lazy.map { (layer: layer, site: $0) }
    }.first { place in
      let ranges = blocks[place.layer].ranges(at: place.site)
      return parameters.dropFirst().contains { other in
        ranges.contains { parameters[0][$0] != other[$0] }
      }
    }
  }

  /// Whether the pass forks at `site` of the block; then there are as many parts as adapters.
  mutating func forks(at site: Site) -> Bool {
    guard partCount == 1, let fork, fork == (layer, site) else { return false }
    partCount = parameters.count
    return true
  }
}

extension Matrix {
  /// The rows of each of `count` parts of equally many.
  func rowRanges(of count: Int) -> [Range<Int>] {
    precondition(rowCount.isMultiple(of: count), "\(rowCount) rows in \(count) parts")
    let length = rowCount / count
    return (0..<count).map { ($0 * length)..<(($0 + 1) * length) }
  }
}
