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
