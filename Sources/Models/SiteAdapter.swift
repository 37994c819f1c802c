// SPDX-License-Identifier: Apache-2.0
//
// Legend: T tokens (or rows with targets), I inputs, O outputs of the frozen layer,
// K ranks of all adapted projections of the site, one after the other.
internal import Checkpoints
internal import Tensors

/// The four places of a block where linear layers read the same input, lowest first.
enum Site: Int, CaseIterable, Comparable {
  case attentionInput, attentionOutput, feedForwardInput, feedForwardOutput

  /// What is computed there, in the order in which outputs lie.
  var projections: [Projection] {
    switch self {
    case .attentionInput: [.query, .key, .value]
    case .attentionOutput: [.output]
    case .feedForwardInput: [.gate, .up]
    case .feedForwardOutput: [.down]
    }
  }

  /// Where a linear layer is.
  init(of layer: LinearLayer) {
    guard let site = Self.allCases.first(where: { $0.projections.contains(layer.projections[0]) })
    else { preconditionFailure("\(layer.path) is at no site") }
    self = site
  }

  static func < (left: Site, right: Site) -> Bool { left.rawValue < right.rawValue }
}

extension ModelConfiguration {
  /// The linear layers of each block at a site, in the order in which their outputs lie.
  func linearLayers(at site: Site) -> [LinearLayer] {
    linearLayers.filter { Site(of: $0) == site }
  }
}

/// The adapted projections of one site: y += scale (x A^T) B^T, each on its columns of y.
struct SiteAdapter: Sendable {
  /// One adapted projection.
  struct Part: Sendable {
    /// Its columns of the site's output.
    let columns: Range<Int>
    /// Its columns of x A^T.
    let ranks: Range<Int>
    let scale: Float
    /// Where A lies in the adapter; nil if A is frozen.
    let aOffset: Int?
    /// Where B lies in the adapter.
    let bOffset: Int
  }

  let parts: [Part]
  let inputWidth: Int
  /// All A of the site one under the other, unless they are learned.
  let frozenA_KI: Matrix?

  var rankCount: Int { parts.last?.ranks.upperBound ?? 0 }
  var learnsA: Bool { frozenA_KI == nil }

  /// Where A, if it is learned, and B lie in the adapter, part by part.
  var ranges: [Range<Int>] {
    parts.flatMap { part in
      let b = part.bOffset..<(part.bOffset + part.columns.count * part.ranks.count)
      return [b] + (part.aOffset.map { [$0..<($0 + part.ranks.count * inputWidth)] } ?? [])
    }
  }

  /// y += scale (x A^T) B^T, where part i of the rows of y has parameters i; keeps u = x A^T.
  ///
  /// With fewer rows than y, x is the same for all parts, and u too if A is.
  func add(
    _ x_TI: Matrix, _ parameters: [[Float]], lowered u_TK: inout Matrix, to y_TO: inout Matrix
  ) {
    let isShared = x_TI.rowCount < y_TO.rowCount
    let parts = y_TO.rowRanges(of: parameters.count)
    u_TK.resize(rows: isShared && !learnsA ? x_TI.rowCount : y_TO.rowCount, columns: rankCount)
    let loweredParts = u_TK.rowRanges(of: u_TK.rowCount == y_TO.rowCount ? parameters.count : 1)
    for (part, parameters) in zip(loweredParts, parameters) {
      lower(isShared ? x_TI : x_TI.rows(part), parameters, into: &u_TK, firstRow: part.lowerBound)
    }
    for (index, part) in parts.enumerated() {
      let lowered = loweredParts[min(index, loweredParts.count - 1)]
      addOutput(
        u_TK.rows(lowered), parameters[index], to: &y_TO, firstRow: part.lowerBound)
    }
  }

  /// u = x A^T.
  func lower(_ x_TI: Matrix, _ parameters: [Float], into u_TK: inout Matrix) {
    u_TK.resize(rows: x_TI.rowCount, columns: rankCount)
    lower(x_TI, parameters, into: &u_TK, firstRow: 0)
  }

  /// u = x A^T, from row `firstRow` of u on.
  private func lower(
    _ x_TI: Matrix, _ parameters: [Float], into u_TK: inout Matrix, firstRow: Int
  ) {
    if let frozenA_KI {
      Kernels.multiply(x_TI, transposed: frozenA_KI, into: &u_TK, firstRow: firstRow)
      return
    }
    for part in parts {
      Kernels.multiply(
        x_TI, transposed: a(of: part, parameters), into: &u_TK, columns: part.ranks,
        firstRow: firstRow)
    }
  }

  /// y += scale u B^T, part by part, from row `firstRow` of y on.
  private func addOutput(
    _ u_TK: Matrix, _ parameters: [Float], to y_TO: inout Matrix, firstRow: Int
  ) {
    for part in parts {
      Kernels.multiply(
        u_TK.columns(part.ranks), transposed: b(of: part, parameters), scale: part.scale,
        into: &y_TO, columns: part.columns, firstRow: firstRow, adding: true)
    }
  }

  /// dB += scale dy^T u, part by part.
  func addGradientOfB(_ dy_TO: Matrix, _ u_TK: Matrix, to gradient: inout [Float]) {
    for part in parts {
      Kernels.addProduct(
        transposed: dy_TO.columns(part.columns), u_TK.columns(part.ranks), scale: part.scale,
        to: &gradient, at: part.bOffset)
    }
  }

  /// du = scale dy B, part by part.
  func raise(_ dy_TO: Matrix, _ parameters: [Float], into du_TK: inout Matrix) {
    du_TK.resize(rows: dy_TO.rowCount, columns: rankCount)
    for part in parts {
      Kernels.multiply(
        dy_TO.columns(part.columns), b(of: part, parameters), scale: part.scale, into: &du_TK,
        columns: part.ranks)
    }
  }

  /// dA += du^T x, where A is learned.
  func addGradientOfA(_ du_TK: Matrix, _ x_TI: Matrix, to gradient: inout [Float]) {
    for part in parts {
      guard let offset = part.aOffset else { continue }
      Kernels.addProduct(
        transposed: du_TK.columns(part.ranks), x_TI, scale: 1, to: &gradient, at: offset)
    }
  }

  /// dx += du A.
  func addInputGradient(_ du_TK: Matrix, _ parameters: [Float], to dx_TI: inout Matrix) {
    if let frozenA_KI {
      Kernels.multiply(du_TK, frozenA_KI, into: &dx_TI, adding: true)
      return
    }
    for part in parts {
      Kernels.multiply(
        du_TK.columns(part.ranks), a(of: part, parameters), into: &dx_TI, adding: true)
    }
  }

  /// The factor A of a part, [rank, inputs].
  func a(of part: Part, _ parameters: [Float]) -> Matrix {
    if let offset = part.aOffset {
      return Matrix(parameters, at: offset, rows: part.ranks.count, columns: inputWidth)
    }
    guard let frozenA_KI else { preconditionFailure("a factor A that lies nowhere") }
    return frozenA_KI.rows(part.ranks)
  }

  /// The factor B of a part, [outputs, rank].
  func b(of part: Part, _ parameters: [Float]) -> Matrix {
    Matrix(parameters, at: part.bOffset, rows: part.columns.count, columns: part.ranks.count)
  }
}
