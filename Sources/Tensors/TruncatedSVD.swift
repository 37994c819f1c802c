// SPDX-License-Identifier: Apache-2.0
internal import CKernels
public import Randomness

/// The largest singular values of a matrix and their vectors, nearly: of all products of so low a rank,
/// left * values * right is about the nearest to the matrix.
///
/// Found in a small subspace that products with the matrix turn towards them: N. Halko, P.-G. Martinsson
/// and J. A. Tropp, "Finding Structure with Randomness", 2011, algorithms 4.4 and 5.1. Where values lie
/// close together their vectors are mixed, which costs the product little. The same bits on every machine.
public struct TruncatedSVD: Sendable {
  /// The singular values, the largest first; as many as are asked for, or as the matrix has extents.
  public let values: [Double]
  /// The left vectors, one a row, [values, rows of the matrix].
  public let left: [[Double]]
  /// The right vectors, one a row, [values, columns of the matrix]; zero for a value of zero.
  public let right: [[Double]]

  /// How many times the subspace is turned.
  private static let turnCount = 3
  /// How many dimensions it has beside those that are asked for, at least.
  private static let spareCount = 8

  /// The decomposition of the matrix of `rows` rows that lie end to end in `elements`.
  ///
  /// - Parameter stream: where the first subspace comes from.
  /// - Precondition: the elements are finite, and the rows equally long; the rank is positive.
  public init(of elements: [Float], rows: Int, rank: Int, stream: RandomStream) {
    precondition(rows > 0 && rank > 0, "rank \(rank) of \(rows) rows")
    precondition(elements.count.isMultiple(of: rows), "\(elements.count) elements in \(rows) rows")
    let columns = elements.count / rows
    let count = min(rank, rows, columns)
    // Whole vectors of the kernel.
    let size = min(rows, columns, (count + Self.spareCount + 15) / 16 * 16)
    var stream = stream
    var guesses = (0..<(columns * size)).map { _ in stream.uniform(bound: 1) }
    var basis = [[Double]]()
    var images = [[Double]]()
    for _ in 0...Self.turnCount {
      let turned = product(elements, guesses, rows: rows, depth: columns)
      basis = orthonormalized(transposed(turned, rows: rows).map { $0.map(Double.init) })
      let flat = basis.flatMap { $0.map { Float($0) } }
      let projected = product(flat, elements, rows: size, depth: rows)
      images = split(projected, rows: size).map { $0.map(Double.init) }
      guesses = transposed(projected, rows: size).flatMap { $0 }
    }
    // The matrix is about basis^T images, and images = rotation^T values right.
    let products = images.map { row in images.map { dot(row, $0) } }
    let (squares, rotation) = eigenvectors(of: products)
    values = squares.prefix(count).map { max(0, $0).squareRoot() }
    left = rotation.prefix(count).map { combined(basis, by: $0) }
    right = zip(rotation, values).map { weights, value in
      combined(images, by: weights.map { value > 0 ? $0 / value : 0 })
    }
  }
}

/// x w, where x has `rows` rows of `depth`.
private func product(_ x: [Float], _ w: [Float], rows: Int, depth: Int) -> [Float] {
  let columns = w.count / depth
  return [Float](unsafeUninitializedCapacity: rows * columns) { y, count in
    if let y = y.baseAddress { tern_ordered_product(rows, depth, columns, x, w, y) }
    count = rows * columns
  }
}

private func split(_ elements: [Float], rows: Int) -> [[Float]] {
  let columns = elements.count / rows
  return (0..<rows).map { Array(elements[($0 * columns)..<(($0 + 1) * columns)]) }
}

private func transposed(_ elements: [Float], rows: Int) -> [[Float]] {
  let columns = elements.count / rows
  return (0..<columns).map { column in
    (0..<rows).map { elements[$0 * columns + column] }
  }
}

private func dot(_ x: [Double], _ y: [Double]) -> Double {
  var sum = 0.0
  for index in x.indices { sum += x[index] * y[index] }
  return sum
}

/// y += a x.
private func add(_ x: [Double], times a: Double, to y: inout [Double]) {
  for index in x.indices { y[index] += a * x[index] }
}

private func combined(_ rows: [[Double]], by weights: [Double]) -> [Double] {
  var sum = [Double](repeating: 0, count: rows[0].count)
  for (row, weight) in zip(rows, weights) { add(row, times: weight, to: &sum) }
  return sum
}

/// Rows at right angles to each other, of length one, that span what the rows did; zero for one that
/// added nothing.
///
/// The modified Gram-Schmidt process, each row twice: what rounding left of the others goes too.
private func orthonormalized(_ rows: [[Double]]) -> [[Double]] {
  var done: [[Double]] = []
  for row in rows {
    let length = dot(row, row).squareRoot()
    var rest = row
    for _ in 0..<2 {
      for other in done { add(other, times: -dot(other, rest), to: &rest) }
    }
    let left = dot(rest, rest).squareRoot()
    let isNew = left > 1e-6 * length
    done.append(rest.map { isNew ? $0 / left : 0 })
  }
  return done
}

/// The eigenvalues of a symmetric matrix, the largest first, and their vectors, one a row.
///
/// Jacobi's method: rotations that each make one pair of elements zero, until all are about zero.
private func eigenvectors(of symmetric: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
  var matrix = symmetric
  var vectors = matrix.indices.map { row in matrix.indices.map { $0 == row ? 1.0 : 0 } }
  let size = matrix.indices.reduce(0.0) { $0 + abs(matrix[$1][$1]) }
  for _ in 0..<30 {
    var rest = 0.0
    for first in matrix.indices {
      for second in matrix.indices.dropFirst(first + 1) {
        rest += abs(matrix[first][second])
        rotate(&matrix, &vectors, first, second)
      }
    }
    if rest <= 1e-14 * size { break }
  }
  let order = matrix.indices.sorted { (matrix[$1][$1], $0) < (matrix[$0][$0], $1) }
  return (order.map { matrix[$0][$0] }, order.map { vectors[$0] })
}

/// Turns two dimensions so that their mixed element becomes zero.
///
/// G. H. Golub and C. F. Van Loan, "Matrix Computations", section 8.5.
private func rotate(
  _ matrix: inout [[Double]], _ vectors: inout [[Double]], _ first: Int, _ second: Int
) {
  let mixed = matrix[first][second]
  guard mixed != 0 else { return }
  let slope = (matrix[second][second] - matrix[first][first]) / (2 * mixed)
  let tangent = (slope < 0 ? -1 : 1) / (abs(slope) + (slope * slope + 1).squareRoot())
  let cosine = 1 / (tangent * tangent + 1).squareRoot()
  let sine = tangent * cosine
  func turn(_ x: inout Double, _ y: inout Double) {
    (x, y) = (cosine * x - sine * y, sine * x + cosine * y)
  }
  for index in matrix.indices {
    var (x, y) = (matrix[index][first], matrix[index][second])
    turn(&x, &y)
    (matrix[index][first], matrix[index][second]) = (x, y)
  }
  for index in matrix.indices {
    var (x, y) = (matrix[first][index], matrix[second][index])
    turn(&x, &y)
    (matrix[first][index], matrix[second][index]) = (x, y)
    (x, y) = (vectors[first][index], vectors[second][index])
    turn(&x, &y)
    (vectors[first][index], vectors[second][index]) = (x, y)
  }
}
