// SPDX-License-Identifier: Apache-2.0
//
// The kernels once more in plain Swift: the slow versions that the fast ones must agree with.
// Those named `exact` do the same roundings in the same order, one value after the other, so that
// equal bits mean that the vector width of the processor changes nothing.
import Foundation
import Randomness
import Tensors

enum Plain {
  static func exactExponential(_ x: Float) -> Float {
    let clamped = max(min(x, 88), -87)
    let shift: Float = 12_582_912
    let n = clamped * 1.44269504088896341 + shift - shift
    var r = clamped - n * 0.693359375
    r = r - n * -2.12194440e-4
    var p: Float = 1.9875691500e-4
    for c: Float in [
      1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
    ] { p = p * r + c }
    p = p * (r * r) + r + 1
    return x < -87 ? 0 : p * Float(sign: .plus, exponent: Int(n), significand: 1)
  }

  /// A sum in sixteen lanes, added up as a tree.
  static func exactSum<Number: FloatingPoint>(_ values: [Number]) -> Number {
    var lanes = [Number](repeating: 0, count: 16)
    for (index, value) in values.enumerated() { lanes[index % 16] += value }
    for half in [8, 4, 2, 1] {
      for lane in 0..<half { lanes[lane] += lanes[lane + half] }
    }
    return lanes[0]
  }

  static func exactNorm(_ x: [Float], weight: [Float], epsilon: Float) -> [Float] {
    let mean = exactSum(x.map { $0 * $0 }) / Float(x.count)
    let scale = 1 / (mean + epsilon).squareRoot()
    return zip(x, weight).map { $0 * scale * $1 }
  }

  static func exactLayerNorm(
    _ x: [Float], weight: [Float], bias: [Float], epsilon: Float
  ) -> [Float] {
    let mean = exactSum(x) / Float(x.count)
    let variance = exactSum(x.map { ($0 - mean) * ($0 - mean) }) / Float(x.count)
    let scale = 1 / (variance + epsilon).squareRoot()
    return x.indices.map { (x[$0] - mean) * scale * weight[$0] + bias[$0] }
  }

  static func exactGeluTanh(_ x: Float) -> Float {
    let cubed: Float = 0.044715 * x * x * x
    let u: Float = 0.7978845608028654 * (x + cubed)
    return x * (1 / (1 + exactExponential(-2 * u)))
  }

  static func exactGelu(_ x: Float) -> Float {
    let z = abs(x) * 0.7071067811865476
    let t = 1 / (1 + 0.3275911 * z)
    var p: Float = 1.061405429
    for c: Float in [-1.453152027, 1.421413741, -0.284496736, 0.254829592] { p = p * t + c }
    let tail = 0.5 * (p * t) * exactExponential(-(z * z))
    return x * (x < 0 ? tail : 1 - tail)
  }

  /// Row-major x w, or x w^T.
  static func product(_ x: Matrix, _ w: Matrix, transposed: Bool) -> [Float] {
    let (x, w) = (rows(x), rows(w))
    let outputs = transposed ? w.count : w[0].count
    return x.flatMap { row in
      (0..<outputs).map { output in
        Float(
          row.indices.reduce(0.0) { sum, index in
            sum + Double(row[index]) * Double(transposed ? w[output][index] : w[index][output])
          })
      }
    }
  }

  static func rows(_ x: Matrix) -> [[Float]] {
    (0..<x.rowCount).map { x.rows($0..<($0 + 1)).elements }
  }

  /// softmax(q k^T / sqrt(d)) v in double precision, with everything S x S.
  static func attention(
    _ qkv: [Double], _ shape: AttentionShape, _ sequences: [SequenceRows]
  ) -> [Double] {
    let (d, width) = (shape.headWidth, shape.rowWidth)
    var output: [Double] = []
    for sequence in sequences {
      let rows = Array(sequence.prefix) + Array(sequence.own)
      for query in sequence.prefix.count..<rows.count {
        for head in 0..<shape.headCount {
          let group = head / shape.groupSize
          let q = rows[query] * width + head * d
          let first = max(0, query + 1 - (shape.window ?? rows.count))
          let weights = (first...query).map { key in
            let k = rows[key] * width + shape.queryWidth + group * d
            let dot = (0..<d).reduce(0.0) { $0 + qkv[q + $1] * qkv[k + $1] }
            return exp(dot / Double(d).squareRoot())
          }
          let sum = weights.reduce(0, +)
          output += (0..<d).map { element in
            zip(first...query, weights).reduce(0.0) { total, pair in
              let v = rows[pair.0] * width + shape.queryWidth + shape.keyWidth + group * d
              return total + pair.1 / sum * qkv[v + element]
            }
          }
        }
      }
    }
    return output
  }
}

/// Floats between -1 and 1 that look random and are always the same.
func noise(_ count: Int, _ label: String) -> [Float] {
  var stream = RandomStream(Seed(1).derived(label))
  return (0..<count).map { _ in stream.uniform(bound: 1) }
}

/// A matrix of noise.
func noise(rows: Int, columns: Int, _ label: String) -> Matrix {
  Matrix(noise(rows * columns, label), rows: rows, columns: columns)
}

/// The largest difference of two lists, relative to the largest value of the second.
func relativeError(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let largest = expected.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
  return zip(found, expected).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference / largest)
  }
}

/// The derivative of `function` for element `index` of `x`, by central differences.
func derivative(
  _ function: ([Float]) -> Double, at x: [Float], _ index: Int, step: Float = 1e-2
) -> Float {
  var (above, below) = (x, x)
  above[index] += step
  below[index] -= step
  return Float((function(above) - function(below)) / Double(above[index] - below[index]))
}

/// The dot product in double precision: a function of the left side whose gradient is the right.
func dot(_ left: [Float], _ right: [Float]) -> Double {
  zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}
