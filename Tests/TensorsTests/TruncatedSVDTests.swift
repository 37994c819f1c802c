// SPDX-License-Identifier: Apache-2.0
import Digests
import Foundation
import Randomness
import Tensors
import Testing

struct TruncatedSVDTests {
  /// The vector `index` of the cosine basis of `count` dimensions, which is orthonormal.
  private func cosine(_ index: Int, of count: Int) -> [Double] {
    let scale = (Double(index == 0 ? 1 : 2) / Double(count)).squareRoot()
    return (0..<count).map { place in
      let angle = Double.pi * (Double(place) + 0.5) * Double(index) / Double(count)
      return scale * Foundation.cos(angle)
    }
  }

  /// A matrix with these singular values, whose vectors are those of the cosine bases.
  private func matrix(_ values: [Double], rows: Int, columns: Int) -> [Float] {
    var elements = [Double](repeating: 0, count: rows * columns)
    for (index, value) in values.enumerated() {
      let (left, right) = (cosine(index, of: rows), cosine(index, of: columns))
      for row in 0..<rows {
        for column in 0..<columns {
          elements[row * columns + column] += value * left[row] * right[column]
        }
      }
    }
    return elements.map(Float.init)
  }

  /// The squared length of what left * values * right lacks of the matrix.
  private func squaredRest(_ svd: TruncatedSVD, of elements: [Float], rows: Int) -> Double {
    let columns = elements.count / rows
    var sum = 0.0
    for row in 0..<rows {
      for column in 0..<columns {
        var rest = Double(elements[row * columns + column])
        for (index, value) in svd.values.enumerated() {
          rest -= value * svd.left[index][row] * svd.right[index][column]
        }
        sum += rest * rest
      }
    }
    return sum
  }

  @Test(arguments: [(48, 33), (20, 130), (7, 5), (64, 64)])
  func findsTheLargestValuesAndTheNearestProduct(rows: Int, columns: Int) {
    let count = min(rows, columns)
    let values = (0..<count).map { 3 * Foundation.pow(0.7, Double($0)) }
    let elements = matrix(values, rows: rows, columns: columns)
    let svd = TruncatedSVD(of: elements, rows: rows, rank: 4, stream: RandomStream(Seed(1)))
    #expect(svd.values.count == 4)
    for (found, value) in zip(svd.values, values) { #expect(abs(found - value) < 1e-4 * value) }
    let least = values.dropFirst(4).reduce(0) { $0 + $1 * $1 }
    #expect(squaredRest(svd, of: elements, rows: rows) < 1.001 * least + 1e-9)
    for vector in svd.left + svd.right {
      #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    }
  }

  /// What quantisation loses has no largest directions: the worst case.
  @Test func losesLittleWhereValuesLieCloseTogether() {
    let values = (0..<60).map { 1 - Double($0) / 100 }
    let elements = matrix(values, rows: 60, columns: 96)
    let svd = TruncatedSVD(of: elements, rows: 60, rank: 8, stream: RandomStream(Seed(2)))
    let all = values.reduce(0) { $0 + $1 * $1 }
    let best = values.prefix(8).reduce(0) { $0 + $1 * $1 }
    #expect(all - squaredRest(svd, of: elements, rows: 60) > 0.9 * best)
  }

  @Test func aMatrixOfLowerRankIsFoundWhole() {
    let elements = matrix([2, 1], rows: 30, columns: 20)
    let svd = TruncatedSVD(of: elements, rows: 30, rank: 5, stream: RandomStream(Seed(3)))
    #expect(svd.values.count == 5 && svd.values[2] < 1e-5)
    #expect(squaredRest(svd, of: elements, rows: 30) < 1e-9)
    let nothing = TruncatedSVD(
      of: [Float](repeating: 0, count: 12), rows: 3, rank: 5, stream: RandomStream(Seed(3)))
    #expect(nothing.values == [0, 0, 0])
    #expect(nothing.right.joined().allSatisfy { $0 == 0 })
  }

  /// Adapters begin with it on every machine, which all have to hold the same one.
  @Test func isTheSameBitsEverywhere() {
    var stream = RandomStream(Seed(4))
    let elements = (0..<(50 * 37)).map { _ in stream.uniform(bound: 1) }
    let svd = TruncatedSVD(of: elements, rows: 50, rank: 6, stream: RandomStream(Seed(5)))
    let bits = (svd.values + svd.left.joined() + svd.right.joined()).flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) }
    }
    #expect("\(Digest(of: bits))".hasPrefix("7ca06a8ec132342b"))
  }
}
