// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

/// Weights in fewer bits than they are stored in.
@Suite struct QuantizationTests {
  /// The matrix of Tests/Fixtures/quantization.
  private static let values = (0..<20_000).map { (index: Int) -> Float in
    let share = Float(index * 7919 % 4001 - 2000) / 1024
    return share * (1 + Float(index / 64) / 128)
  }

  private func stored(_ values: [Float], columns: Int) throws -> StoredTensor {
    StoredTensor(
      file: FileContents(bytes: bytes(values), named: "weights"),
      info: try #require(
        TensorInfo(type: .float32, shape: [values.count / columns, columns], offset: 0)))
  }

  private func expand(_ matrix: QuantizedMatrix, rows: Range<Int>, columns: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows.count * columns) { target, count in
      count = rows.count * columns
      matrix.expand(
        rows: rows, into: UnsafeMutableBufferPointer(rebasing: target[..<count]))
    }
  }

  @Test func nf4IsThatOfBitsandbytes() throws {
    let folder = URL(filePath: fixture("")).deletingLastPathComponent()
    let golden = try SafetensorsFile(
      path: folder.appending(path: "quantization/nf4.safetensors").path)
    let matrix = try QuantizedMatrix(stored(Self.values, columns: 1000), as: .nf4)
    let found = expand(matrix, rows: 0..<20, columns: 1000)
    let expected = try golden.floats(of: "values")
    // A mean in double precision may be one of its last bits beside a mean in single precision.
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 4e-7 * max(1, abs($1)) })
    let codes = 10_000
    let scales = try golden.bytes(of: "scale_codes").count
    let largest = try golden.floats(of: "scale_largest").count
    #expect(matrix.byteCount == codes + scales + 4 * largest + 4)
    #expect(Double(8 * matrix.byteCount) / 20_000 < 4.14)
  }

  @Test func the256ValuesOfAScaleAreThoseOfBitsandbytes() {
    let values = QuantizedScales.values
    #expect(values.count == 256 && values == values.sorted() && Set(values).count == 256)
    #expect(values[127] == 0 && values[255] == 1)
    #expect(abs(values[0] + 0.99296874) < 1e-7 && abs(values[254] - 0.99296874) < 1e-7)
    #expect(zip(values[..<127], values[128..<255].reversed()).allSatisfy { $0 == -$1 })
    #expect(abs(values[128] - 5.5e-7) < 1e-12)
  }

  /// Rows need not begin with a block, nor with a whole byte.
  @Test(
    arguments: [(1, 1), (3, 7), (5, 63), (300, 65), (70, 64), (2, 1000)], Quantization.allCases)
  func anyRowsAreThoseOfTheWhole(shape: (rows: Int, columns: Int), quantization: Quantization)
    throws
  {
    let values = Array(Self.values.prefix(shape.rows * shape.columns))
    let matrix = try QuantizedMatrix(stored(values, columns: shape.columns), as: quantization)
    let whole = expand(matrix, rows: 0..<shape.rows, columns: shape.columns)
    for row in 0..<shape.rows {
      let part = expand(matrix, rows: row..<min(row + 2, shape.rows), columns: shape.columns)
      #expect(part[...] == whole[(row * shape.columns)...].prefix(part.count))
    }
    #expect(whole.contains { $0 != 0 })
  }

  @Test func int8IsTheNearestOf255InEachRow() throws {
    let columns = 50
    let values = Self.values
    let matrix = try QuantizedMatrix(stored(values, columns: columns), as: .int8)
    let found = expand(matrix, rows: 0..<400, columns: columns)
    #expect(matrix.byteCount == 20_000 + 4 * 400)
    for row in 0..<400 {
      let part = (row * columns)..<((row + 1) * columns)
      let largest = values[part].reduce(Float(0)) { max($0, abs($1)) }
      for index in part {
        let code = (values[index] / largest * 127).rounded(.toNearestOrEven)
        #expect(found[index] == code * (largest / 127))
      }
    }
  }

  @Test func bf16IsTheNearestAndStaysFinite() throws {
    let one: UInt32 = 0x3F80_0000
    let cases: [(UInt32, UInt32)] = [
      (one, one), (one + 0x7FFF, one), (one + 0x8000, one), (one + 0x8001, one + 0x1_0000),
      (one + 0x1_8000, one + 0x2_0000), (0x8000_0000, 0x8000_0000), (0x0000_8001, 0x0001_0000),
      (0x7F7F_FFFF, 0x7F7F_0000), (0xFF7F_FFFF, 0xFF7F_0000),
    ]
    let matrix = try QuantizedMatrix(
      stored(cases.map { Float(bitPattern: $0.0) }, columns: cases.count), as: .bf16)
    #expect(matrix.byteCount == 2 * cases.count)
    let found = expand(matrix, rows: 0..<1, columns: cases.count)
    #expect(found.map { $0.bitPattern } == cases.map { $0.1 })
  }

  /// Sixteen bits and fewer are not made larger.
  @Test func bf16IsOfWhatIsStoredInMore() {
    #expect(Quantization.bf16.changes(.float32))
    for type in [ElementType.float16, .bfloat16] {
      #expect(!Quantization.bf16.changes(type) && Quantization.int8.changes(type))
    }
  }

  @Test(arguments: Quantization.allCases)
  func zerosStayZero(quantization: Quantization) throws {
    let matrix = try QuantizedMatrix(
      stored([Float](repeating: 0, count: 192), columns: 64), as: quantization)
    #expect(expand(matrix, rows: 0..<3, columns: 64).allSatisfy { $0 == 0 })
  }

  @Test(arguments: Quantization.allCases)
  func aCheckpointsMatrixIsQuantizedWhenItIsAskedFor(quantization: Quantization) throws {
    let checkpoint = try Checkpoint(path: fixture("llama-gqa-tied"))
    let name = "model.layers.0.mlp.up_proj.weight"
    let matrix = try checkpoint.matrix(name, quantization: quantization)
    #expect(!matrix.isStoredAsFloats)
    let most: [Quantization: Double] = [.nf4: 0.14, .int8: 0.33, .bf16: 0.5]
    let share = Double(matrix.byteCount) / Double(try checkpoint.matrix(name).byteCount)
    #expect(share <= (try #require(most[quantization])))
    let exact = try checkpoint.floats(of: name)
    let found = [Float](unsafeUninitializedCapacity: exact.count) { target, count in
      count = exact.count
      matrix.expand(
        rows: 0..<matrix.rowCount, into: UnsafeMutableBufferPointer(rebasing: target[..<count]))
    }
    let error = zip(found, exact).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
    let size = exact.reduce(0.0) { $0 + pow(Double($1), 2) }
    // Of normal values, NF4 loses 9.2 % and eight bits in each row less than 1 %.
    #expect((error / size).squareRoot() < (quantization == .nf4 ? 0.1 : 0.01))
    #expect(error > 0)
  }
}
