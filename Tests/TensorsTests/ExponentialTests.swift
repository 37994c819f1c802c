// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

struct ExponentialTests {
  /// Many values of all signs and sizes, and a count that fills no vector.
  private let inputs = (-4_001...4_002).map { Float($0) * 0.0225 } + [0, -0.0, 1e-30, -1e-6, 0.5]

  @Test func hasTheBitsOfThePlainVersion() {
    let found = Kernels.exponentials(of: inputs)
    #expect(found.map(\.bitPattern) == inputs.map { Plain.exactExponential($0).bitPattern })
  }

  @Test func isTwoUnitsInTheLastPlaceExact() {
    let inside = inputs.filter { abs($0) < 86.9 }
    for (x, y) in zip(inside, Kernels.exponentials(of: inside)) {
      let exact = exp(Double(x))
      #expect(abs(Double(y) - exact) <= 2 * Double(Float(exact).ulp), "e^\(x)")
    }
  }

  @Test func staysFiniteAtTheEnds() {
    let ends = Kernels.exponentials(of: [-.infinity, -1e30, -87.01, 88.5, 1e30, .infinity])
    #expect(ends[..<3] == [0, 0, 0])
    #expect(ends[3...].allSatisfy { $0 == ends[5] && $0.isFinite && $0 > 1e38 })
  }

  @Test func logarithmIsExactToTheLastPlaces() {
    for x in [1, 2, 0.5, 1e-300, 1e300, 49_152, 1 + 1e-12, 3.14159, 0.7071, 1.4143] {
      let (found, exact) = (Kernels.logarithm(of: x), log(x))
      #expect(abs(found - exact) <= 2 * max(exact.ulp, 1e-30), "ln \(x)")
    }
  }
}
