// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct VectorKernelTests {
  @Test func sumOfSquaresHasTheBitsOfThePlainVersion() {
    for count in [0, 1, 16, 17, 1_000] {
      let values = noise(count, "values")
      let expected = Plain.exactSum(values.map { Double($0) * Double($0) })
      #expect(Kernels.sumOfSquares(values) == expected)
    }
  }

  @Test func oneBadValueAnywhereIsFound() {
    let good = noise(53, "values") + [0, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
    #expect(Kernels.areFinite(good))
    #expect(Kernels.areFinite([]))
    for bad in [Float.infinity, -.infinity, .nan, .signalingNaN] {
      for index in good.indices {
        var values = good
        values[index] = bad
        #expect(!Kernels.areFinite(values))
      }
    }
  }

  @Test func zerosOfBothSignsAreZeros() {
    #expect(Kernels.areZero([]))
    #expect(Kernels.areZero([Float](repeating: -0.0, count: 37) + [0]))
    for index in 0..<37 {
      var values = [Float](repeating: 0, count: 37)
      values[index] = index % 2 == 0 ? .leastNonzeroMagnitude : .nan
      #expect(!Kernels.areZero(values))
    }
  }

  @Test func weightedSumsQuotientsAndStepsHaveTheBitsOfThePlainVersion() {
    for count in [0, 1, 7, 1_000] {
      let values = noise(count, "values")
      let weight = 1.0 / 3
      var sums = noise(count, "sums").map { Double($0) * 1e9 }
      let expected = zip(sums, values).map { $0 + weight * Double($1) }
      values.withUnsafeBufferPointer { values in
        sums.withUnsafeMutableBufferPointer { Kernels.add(values, weight: weight, to: $0) }
      }
      #expect(sums == expected)
      var quotients = [Float](repeating: 9, count: count)
      sums.withUnsafeBufferPointer { sums in
        quotients.withUnsafeMutableBufferPointer { Kernels.divide(sums, by: 7, into: $0) }
      }
      #expect(quotients == expected.map { Float($0 / 7) })
      var target = [1] + noise(count, "target")
      let moved = zip(target.dropFirst(), values).map { Float(Double($0) + 0.1 * Double($1)) }
      values.withUnsafeBufferPointer { values in
        target.withUnsafeMutableBufferPointer {
          Kernels.step(along: values, rate: 0.1, at: 1, of: $0)
        }
      }
      #expect(target == [1] + moved)
    }
  }

  @Test func vectorsAreScaledAndAdded() {
    var values: [Float] = [1, -2, 3]
    Kernels.scale(&values, by: 0.5)
    #expect(values == [0.5, -1, 1.5])
    Kernels.add([1, 1, 1], scaledBy: 2, to: &values)
    #expect(values == [2.5, 1, 3.5])
  }

  @Test func normAndFinitenessOfVectorsAreThoseOfTheirValues() {
    let layout = ParameterLayout([(name: "a", shape: [2])])
    #expect(ParameterVector(layout: layout, values: [3, -4]).norm == 5)
    #expect(ParameterVector(layout: layout, values: [3, -4]).isFinite)
    #expect(!ParameterVector(layout: layout, values: [3, .nan]).isFinite)
  }
}
