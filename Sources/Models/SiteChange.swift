// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens (or rows with targets), I inputs, O outputs of the frozen layer.
internal import Checkpoints
internal import Tensors

/// What an adapter changes in the matrix of a site, given the adapter's parameters.
struct SiteChange: Sendable {
  /// What belongs to one layer.
  struct Part: Sendable {
    /// Its rows in the site's matrix.
    let rows: Range<Int>
    let form: WeightModule.Form
    /// Where its values lie in the adapter.
    let range: Range<Int>
  }

  let parts: [Part]

  /// What some of a block's modules change at `site`; nil if that is nothing.
  init?(_ site: Site, _ modules: [WeightModule], _ configuration: ModelConfiguration) {
    var (parts, row) = ([Part](), 0)
    for layer in configuration.linearLayers(at: site) {
      let rows = configuration.storedShape(of: layer).rows
      defer { row += rows }
      guard let module = modules.first(where: { $0.linear == layer }) else { continue }
      parts.append(Part(rows: row..<(row + rows), form: module.form, range: module.range))
    }
    guard !parts.isEmpty else { return nil }
    self.parts = parts
  }
}

/// A change of a matrix: what an adapter with some parameters makes of it.
struct WeightChange: Sendable {
  let site: SiteChange
  let parameters: [Float]

  /// Changes rows of the matrix, which lie end to end in `values`.
  func apply(
    to values: UnsafeMutableBufferPointer<Float>, rows: Range<Int>, columnCount: Int
  ) {
    for part in site.parts {
      for row in part.rows.clamped(to: rows) {
        let start = (row - rows.lowerBound) * columnCount
        change(
          UnsafeMutableBufferPointer(rebasing: values[start..<(start + columnCount)]),
          row - part.rows.lowerBound, of: part)
      }
    }
  }

  /// Changes row `row` of a part.
  private func change(
    _ values: UnsafeMutableBufferPointer<Float>, _ row: Int, of part: SiteChange.Part
  ) {
    let first = part.range.lowerBound
    switch part.form {
    case .sparse(let places):
      let here = places.rowStarts[row]..<places.rowStarts[row + 1]
      Kernels.add(
        parameters[(first + here.lowerBound)..<(first + here.upperBound)],
        at: places.columns[here], to: values)
    case .scales(let length):
      let count = (values.count + length - 1) / length
      Kernels.scale(
        values, inBlocksOf: length,
        byExcesses: parameters[(first + row * count)..<(first + (row + 1) * count)])
    }
  }
}

extension SiteChange {
  /// y = x W^T + bias, where part i of the rows of y is made with the weights as adapter i changes them.
  ///
  /// - Parameter isShared: whether x is the same for all adapters, and has as many rows as each part.
  func forward(
    _ x_TI: Matrix, _ linear: FrozenLinear, _ parameters: [[Float]], isShared: Bool,
    tile: inout TileRoom, into y_TO: inout Matrix
  ) {
    y_TO.resize(rows: isShared ? parameters.count * x_TI.rowCount : x_TI.rowCount)
    for (part, parameters) in zip(y_TO.rowRanges(of: parameters.count), parameters) {
      linear.changed(by: WeightChange(site: self, parameters: parameters)).multiply(
        isShared ? x_TI : x_TI.rows(part), tile: &tile, into: &y_TO, firstRow: part.lowerBound)
    }
    linear.addBias(to: &y_TO)
  }
}
