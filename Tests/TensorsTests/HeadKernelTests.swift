// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

struct HeadKernelTests {
  private func table() -> RotaryTable {
    var table = RotaryTable(frequencies: [1, 0.1, 0.01])
    table.extend(to: 40)
    return table
  }

  @Test func rotationTurnsPairsByTheirAngle() {
    var x = noise(rows: 2, columns: 15, "x")
    let before = Plain.rows(x)
    Kernels.rotate(&x, headCount: 2, positions: [0, 39], table: table())
    #expect(Plain.rows(x)[0] == before[0])
    for head in 0..<2 {
      for (pair, frequency) in [1, 0.1, 0.01].enumerated() {
        let (low, high) = (head * 6 + pair, head * 6 + pair + 3)
        let angle = 39 * frequency
        let (a, b) = (Double(before[1][low]), Double(before[1][high]))
        #expect(abs(Double(x.values[15 + low]) - (a * cos(angle) - b * sin(angle))) < 1e-5)
        #expect(abs(Double(x.values[15 + high]) - (b * cos(angle) + a * sin(angle))) < 1e-5)
      }
    }
    #expect(Plain.rows(x)[1][12...] == before[1][12...])
  }

  @Test func turningBackIsTheTransposeOfTurning() {
    let (x, y) = (noise(rows: 3, columns: 12, "x"), noise(rows: 3, columns: 12, "y"))
    var (turned, back) = (x, y)
    Kernels.rotate(&turned, headCount: 2, positions: [5, 0, 31], table: table())
    Kernels.rotate(&back, headCount: 2, positions: [5, 0, 31], table: table(), back: true)
    #expect(abs(dot(turned.values, y.values) - dot(x.values, back.values)) < 1e-5)
    Kernels.rotate(&turned, headCount: 2, positions: [5, 0, 31], table: table(), back: true)
    #expect(relativeError(turned.values, x.values) < 1e-6)
  }

  @Test func aTableWithoutFrequenciesTurnsNothing() {
    var (x, table) = (noise(rows: 2, columns: 15, "x"), RotaryTable(frequencies: []))
    table.extend(to: 40)
    Kernels.rotate(&x, headCount: 2, positions: [0, 39], table: table)
    #expect(x.values == noise(rows: 2, columns: 15, "x").values)
  }

  @Test func tablesGrowWithoutChangingTheirBeginning() {
    var grown = RotaryTable(frequencies: [1, 0.1, 0.01])
    grown.extend(to: 3)
    grown.extend(to: 40)
    grown.extend(to: 2)
    #expect(grown.positionCount == 40)
    var (x, y) = (noise(rows: 1, columns: 6, "x"), noise(rows: 1, columns: 6, "x"))
    Kernels.rotate(&x, headCount: 1, positions: [39], table: grown)
    Kernels.rotate(&y, headCount: 1, positions: [39], table: table())
    #expect(x.values == y.values)
  }

  @Test func headsAreNormalisedOneByOne() {
    var x = noise(rows: 2, columns: 11, "x")
    let before = Plain.rows(x)
    let weight = noise(4, "weight")
    var reciprocals: [Float] = []
    Kernels.normalizeHeads(
      of: &x, from: 1, heads: 2, weight: weight, epsilon: 1e-6, reciprocals: &reciprocals)
    for (row, values) in Plain.rows(x).enumerated() {
      for first in [1, 5] {
        let head = Array(before[row][first..<(first + 4)])
        #expect(
          Array(values[first..<(first + 4)])
            == Plain.exactNorm(head, weight: weight, epsilon: 1e-6))
      }
      #expect(values[0] == before[row][0] && values[9...] == before[row][9...])
    }
  }

  @Test func gradientOfHeadNormsIsThatOfFiniteDifferences() {
    let (x, weight) = (noise(rows: 2, columns: 9, "x"), noise(4, "weight"))
    let dy = noise(rows: 2, columns: 9, "dy")
    func normed(_ values: [Float]) -> (Matrix, [Float]) {
      var (y, reciprocals): (Matrix, [Float]) = (Matrix(values, rows: 2, columns: 9), [])
      Kernels.normalizeHeads(
        of: &y, from: 1, heads: 2, weight: weight, epsilon: 1e-6, reciprocals: &reciprocals)
      return (y, reciprocals)
    }
    var dx = dy
    Kernels.replaceByNormalizeHeadsGradient(
      &dx, x: x, from: 1, heads: 2, weight: weight, reciprocals: normed(x.values).1)
    let expected = (0..<18).map {
      derivative({ dot(normed($0).0.values, dy.values) }, at: x.values, $0)
    }
    #expect(relativeError(dx.values, expected) < 1e-3)
  }
}
