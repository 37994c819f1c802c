// SPDX-License-Identifier: Apache-2.0
internal import CBlocks

/// Fewer bits for the weights of a checkpoint, made when it is loaded.
public enum Quantization: String, Codable, CaseIterable, Sendable {
  /// Four bits: NormalFloat in blocks of 64 with double quantisation, 4.13 bits a weight.
  ///
  /// T. Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", 2023, section 3; as
  /// bitsandbytes computes it.
  case nf4
  /// Eight bits, relative to the largest magnitude of each row.
  case int8
  /// Sixteen bits: bfloat16, of what is stored in 32; the rest stays as it is. What multiplies bfloat16
  /// makes the same products of it.
  case bf16

  /// Whether it makes something else of values of a type.
  func changes(_ type: ElementType) -> Bool { self != .bf16 || type == .float32 }
}

/// A matrix in fewer bits, in memory.
struct QuantizedMatrix: Sendable {
  private enum Storage: Sendable {
    case nf4(codes: [UInt8], scales: QuantizedScales)
    case int8(codes: [Int8], largest: [Float])
    case bf16([UInt16])
  }

  private let storage: Storage
  private let columnCount: Int

  /// How many bytes it takes.
  var byteCount: Int {
    switch storage {
    case .nf4(let codes, let scales): codes.count + scales.byteCount
    case .int8(let codes, let largest): codes.count + largest.count * MemoryLayout<Float>.size
    case .bf16(let values): values.count * MemoryLayout<UInt16>.size
    }
  }

  /// The matrix in `stored`, whose values are finite, some rows at a time.
  init(_ stored: StoredTensor, as quantization: Quantization) {
    let (rows, columns) = (stored.info.rowCount, stored.info.count / stored.info.rowCount)
    columnCount = columns
    // Pieces of whole blocks, but for the last.
    let step = max(1, (256 << 10) / (columns * nf4BlockCount)) * nf4BlockCount
    var room = [Float](repeating: 0, count: min(step, rows) * columns)
    func forEachPiece(_ body: (Range<Int>, UnsafePointer<Float>) -> Void) {
      for first in stride(from: 0, to: rows, by: step) {
        let piece = first..<min(rows, first + step)
        room.withUnsafeMutableBufferPointer { room in
          let part = UnsafeMutableBufferPointer(rebasing: room[..<(piece.count * columns)])
          stored.expand(rows: piece, into: part)
          if let base = part.baseAddress { body(piece, base) }
        }
        stored.releasePages()
      }
    }
    switch quantization {
    case .nf4:
      var codes = [UInt8](repeating: 0, count: (rows * columns + 1) / 2)
      var largest = [Float](
        repeating: 0, count: (rows * columns + nf4BlockCount - 1) / nf4BlockCount)
      forEachPiece { piece, values in
        let first = piece.lowerBound * columns
        codes.withUnsafeMutableBufferPointer { codes in
          largest.withUnsafeMutableBufferPointer { largest in
            guard let codes = codes.baseAddress, let largest = largest.baseAddress else { return }
            tern_quantize_nf4(
              piece.count * columns, values, codes + first / 2, largest + first / nf4BlockCount)
          }
        }
      }
      storage = .nf4(codes: codes, scales: QuantizedScales(largest))
    case .int8:
      var codes = [Int8](repeating: 0, count: rows * columns)
      var largest = [Float](repeating: 0, count: rows)
      forEachPiece { piece, values in
        codes.withUnsafeMutableBufferPointer { codes in
          largest.withUnsafeMutableBufferPointer { largest in
            guard let codes = codes.baseAddress, let largest = largest.baseAddress else { return }
            tern_quantize_int8(
              piece.count, columns, values, codes + piece.lowerBound * columns,
              largest + piece.lowerBound)
          }
        }
      }
      storage = .int8(codes: codes, largest: largest)
    case .bf16:
      var halves = [UInt16](repeating: 0, count: rows * columns)
      forEachPiece { piece, values in
        halves.withUnsafeMutableBufferPointer { halves in
          guard let halves = halves.baseAddress else { return }
          tern_quantize_bf16(
            piece.count * columns, values, halves + piece.lowerBound * columns)
        }
      }
      storage = .bf16(halves)
    }
  }

  /// Converts rows to floats in `target`.
  ///
  /// - Precondition: the matrix has them, and `target` as many elements.
  func expand(rows: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    guard let target = target.baseAddress else { return }
    switch storage {
    case .nf4(let codes, let scales):
      scales.withPointers { scales in
        tern_expand_nf4(
          rows.lowerBound * columnCount, rows.count * columnCount, codes, scales, target)
      }
    case .int8(let codes, let largest):
      codes.withUnsafeBufferPointer { codes in
        largest.withUnsafeBufferPointer { largest in
          guard let codes = codes.baseAddress, let largest = largest.baseAddress else { return }
          tern_expand_int8(
            rows.count, columnCount, codes + rows.lowerBound * columnCount,
            largest + rows.lowerBound, target)
        }
      }
    case .bf16(let values):
      values.withUnsafeBufferPointer { values in
        guard let values = values.baseAddress else { return }
        tern_expand_bf16(
          rows.count * columnCount, values + rows.lowerBound * columnCount, target)
      }
    }
  }
}

/// The scales of NF4 blocks in eight bits each: their distances from the mean, in blocks of 256
/// relative to the largest of them.
struct QuantizedScales: Sendable {
  /// The number of each scale's value.
  let codes: [UInt8]
  /// The largest distance of each block.
  let largest: [Float]
  /// The mean.
  let offset: Float

  /// How many bytes they take.
  var byteCount: Int { codes.count + (largest.count + 1) * MemoryLayout<Float>.size }

  /// Quantises scales.
  init(_ scales: [Float]) {
    let mean = Float(scales.reduce(0.0) { $0 + Double($1) } / Double(scales.count))
    let distances = scales.map { $0 - mean }
    let blocks = stride(from: 0, to: distances.count, by: scaleBlockCount).map {
      distances[$0..<min(distances.count, $0 + scaleBlockCount)]
    }
    let largest = blocks.map { block in block.reduce(Float(0)) { max($0, abs($1)) } }
    codes = zip(blocks, largest).flatMap { block, largest in
      block.map { Self.code(of: largest > 0 ? $0 / largest : 0) }
    }
    self.largest = largest
    offset = mean
  }

  /// Calls `body` with the scales as the kernel reads them.
  fileprivate func withPointers(_ body: (UnsafePointer<tern_nf4_scales>) -> Void) {
    codes.withUnsafeBufferPointer { codes in
      largest.withUnsafeBufferPointer { largest in
        Self.values.withUnsafeBufferPointer { values in
          var scales = tern_nf4_scales(
            codes: codes.baseAddress, largest: largest.baseAddress, offset: offset,
            values: values.baseAddress)
          body(&scales)
        }
      }
    }
  }

  /// The number of the value nearest to `share`; of two equally near, the lower.
  private static func code(of share: Float) -> UInt8 {
    let above = values.firstIndex { $0 >= share } ?? values.count - 1
    guard above > 0 else { return 0 }
    let isBelow = share - values[above - 1] <= values[above] - share
    return UInt8(isBelow ? above - 1 : above)
  }

  /// 256 values from -0.993 to 1, denser towards 0: for each power of ten from 10^-6 to 1, twice as
  /// many as for the one before, to both sides.
  ///
  /// T. Dettmers, "8-Bit Approximations for Parallelism in Deep Learning", 2016: the dynamic tree
  /// data type.
  static let values: [Float] = {
    var values: [Float] = [0, 1]
    var power = 1e-6
    for exponent in 0..<7 {
      let count = 1 << exponent
      for index in 0..<count {
        let middle = 0.1 + 0.9 * (Double(index) + 0.5) / Double(count)
        values += [Float(middle * power), Float(-middle * power)]
      }
      power *= 10
    }
    return values.sorted()
  }()
}

private let nf4BlockCount = 64
private let scaleBlockCount = 256
