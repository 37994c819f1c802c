// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

/// What stands between the matrices of a feed-forward part.
struct ActivationKernelTests {
  @Test func swigluIsSiluOfGatesTimesUps() {
    let gateUp = Matrix(noise(2 * 2 * 21, "gates").map { 9 * $0 }, rows: 2, columns: 42)
    var y = Matrix(rows: 0, columns: 21)
    Kernels.swiglu(gateUp, into: &y)
    let expected = Plain.rows(gateUp).flatMap { row in
      (0..<21).map { index in
        let gate = Double(row[index])
        return Float(gate / (1 + exp(-gate)) * Double(row[21 + index]))
      }
    }
    #expect(relativeError(y.values, expected) < 1e-6)
  }

  @Test func swigluGradientIsThatOfFiniteDifferences() {
    let dy = noise(rows: 1, columns: 17, "dy")
    let gateUp = Matrix(noise(34, "gates").map { 3 * $0 }, rows: 1, columns: 34)
    func loss(_ values: [Float]) -> Double {
      (0..<17).reduce(0) { sum, index in
        let gate = Double(values[index])
        return sum + gate / (1 + exp(-gate)) * Double(values[17 + index])
          * Double(dy.values[index])
      }
    }
    var gradient = gateUp
    Kernels.replaceBySwigluGradient(dy, &gradient)
    let expected = (0..<34).map { derivative(loss, at: gateUp.values, $0, step: 1e-3) }
    #expect(relativeError(gradient.values, expected) < 1e-4)
  }

  @Test func swigluOfHugeGatesIsFinite() {
    let gateUp = Matrix([1e4, -1e4, 200, -200, 1, 1, 1, 1], rows: 1, columns: 8)
    var y = Matrix(rows: 0, columns: 4)
    Kernels.swiglu(gateUp, into: &y)
    #expect(y.values[0] == 1e4 && y.values[2] == 200)
    #expect(abs(y.values[1]) < 1e-30 && abs(y.values[3]) < 1e-30)
    var gradient = gateUp
    Kernels.replaceBySwigluGradient(Matrix([1, 1, 1, 1], rows: 1, columns: 4), &gradient)
    #expect(Kernels.areFinite(gradient.values))
  }

  /// An activation without gates, its gradient, its plain version, and what it is.
  struct Pointwise: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let forward: @Sendable (Matrix, inout Matrix) -> Void
    let backward: @Sendable (Matrix, inout Matrix) -> Void
    let plain: @Sendable (Float) -> Float
    let exact: @Sendable (Double) -> Double
  }

  static let all = [
    Pointwise(
      testDescription: "gelu with tanh", forward: { Kernels.geluTanh($0, into: &$1) },
      backward: { Kernels.replaceByGeluTanhGradient($0, &$1) }, plain: Plain.exactGeluTanh,
      exact: { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * pow($0, 3)))) }),
    Pointwise(
      testDescription: "gelu", forward: { Kernels.gelu($0, into: &$1) },
      backward: { Kernels.replaceByGeluGradient($0, &$1) }, plain: Plain.exactGelu,
      exact: { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }),
    Pointwise(
      testDescription: "relu", forward: { Kernels.relu($0, into: &$1) },
      backward: { Kernels.replaceByReluGradient($0, &$1) }, plain: { $0 > 0 ? $0 : 0 },
      exact: { max(0, $0) }),
  ]

  /// Many values of all sizes, and a count that fills no vector.
  private let inputs = Matrix(
    (-600...602).map { Float($0) * 0.0137 } + [0, -0.0, 1e-30, 30, -30], rows: 8, columns: 151)

  @Test(arguments: all) func itHasTheBitsOfThePlainVersion(activation: Pointwise) {
    var y = Matrix(rows: 0, columns: inputs.columnCount)
    activation.forward(inputs, &y)
    let expected = inputs.values.map(activation.plain)
    #expect(y.values.map(\.bitPattern) == expected.map(\.bitPattern))
  }

  @Test(arguments: all) func itIsWhatItsNameSays(activation: Pointwise) {
    var y = Matrix(rows: 0, columns: inputs.columnCount)
    activation.forward(inputs, &y)
    for (x, y) in zip(inputs.values, y.values) {
      let expected = activation.exact(Double(x))
      #expect(abs(Double(y) - expected) < 1e-6 * max(1, abs(expected)), "at \(x)")
    }
  }

  @Test(arguments: all) func itsGradientIsThatOfFiniteDifferences(activation: Pointwise) {
    let dy = noise(rows: inputs.rowCount, columns: inputs.columnCount, "dy")
    var gradient = inputs
    activation.backward(dy, &gradient)
    for (index, x) in inputs.values.enumerated() where abs(x) > 1e-3 {
      let (above, below) = (Double(x) + 1e-4, Double(x) - 1e-4)
      let slope = (activation.exact(above) - activation.exact(below)) / 2e-4
      let expected = slope * Double(dy.values[index])
      #expect(abs(Double(gradient.values[index]) - expected) < 2e-6, "at \(x)")
    }
  }

  @Test(arguments: all) func hugeValuesStayFinite(activation: Pointwise) {
    let x = Matrix([1e4, -1e4, 200, -200], rows: 1, columns: 4)
    var y = Matrix(rows: 0, columns: 4)
    activation.forward(x, &y)
    #expect(y.values[0] == 1e4 && y.values[2] == 200)
    #expect(abs(y.values[1]) < 1e-30 && abs(y.values[3]) < 1e-30)
    var gradient = x
    activation.backward(Matrix([1, 1, 1, 1], rows: 1, columns: 4), &gradient)
    #expect(gradient.values.map { $0.rounded() } == [1, 0, 1, 0])
  }
}
