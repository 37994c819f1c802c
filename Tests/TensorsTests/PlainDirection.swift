// SPDX-License-Identifier: Apache-2.0
//
// Directions once more in plain Swift, one element after the other; `exact` as in PlainKernels.
import Randomness
import Tensors

extension Plain {
  /// An element of a tensor's part of a direction, by the address that the contract gives it.
  static func element(_ index: Int, ofTensor tensor: Int, of direction: Direction) -> Float {
    func word(_ number: Int) -> UInt32 {
      let block = Philox(key: direction.key).block(
        UInt64(number / 4) | UInt64(tensor) << 32,
        stream: UInt64(direction.query) | UInt64(direction.step) << 32)
      return block[number % 4]
    }
    switch direction.distribution {
    case .rademacher: return word(index / 32) >> UInt32(index % 32) & 1 == 1 ? -1 : 1
    case .gaussian: return exactNormal(word(index))
    }
  }

  /// The whole of a direction in the space of a layout.
  static func values(of direction: Direction, in layout: ParameterLayout) -> [Float] {
    layout.entries.enumerated().flatMap { tensor, entry in
      (0..<entry.count).map { element($0, ofTensor: tensor, of: direction) }
    }
  }

  static func exactNormal(_ word: UInt32) -> Float {
    let t = Float(2 * (word & 0x7F_FFFF) + 1) * 0x1p-24
    let w = -exactLogarithm(t * (2 - t))
    let root: Float = max(w, 5).squareRoot() - 3
    let central: [Float] = [
      2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
      -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    ]
    let tail: [Float] = [
      -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
      -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    ]
    let p = w < 5 ? polynomial(central, at: w - 2.5) : polynomial(tail, at: root)
    let deviate = p * (1 - t) * 1.41421356
    return word >> 31 == 1 ? -deviate : deviate
  }

  static func exactLogarithm(_ x: Float) -> Float {
    let e = Int32(bitPattern: x.bitPattern &- 0x3F35_04F3) >> 23
    let m = Float(bitPattern: x.bitPattern &- UInt32(bitPattern: e) << 23) - 1
    let (z, n) = (m * m, Float(e))
    let p = polynomial(
      [
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
      ], at: m)
    let rest = p * m * z - n * 2.12194440e-4 - 0.5 * z
    return m + rest + n * 0.693359375
  }

  private static func polynomial(_ coefficients: [Float], at x: Float) -> Float {
    coefficients.dropFirst().reduce(coefficients[0]) { $0 * x + $1 }
  }
}
