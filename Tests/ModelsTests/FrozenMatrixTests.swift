// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Tensors
import Testing

@testable import Models

/// Products with weights that stay as they are stored, tile by tile.
@Suite struct FrozenMatrixTests {
  private static let prefix = "model.layers.0.self_attn"
  private let checkpoint: Checkpoint
  private let names = ["q_proj", "k_proj", "v_proj"].map { "\(prefix).\($0).weight" }

  init() throws { checkpoint = try Checkpoint(path: "\(GoldenModel.folder)/llama-gqa-tied") }

  /// The same values as floats in memory.
  private func whole(_ names: [String]) throws -> Matrix {
    let width = try #require(checkpoint.shape(of: names[0])?[1])
    let values = try names.flatMap { try checkpoint.floats(of: $0) }
    return Matrix(values, rows: values.count / width, columns: width)
  }

  /// Numbers that differ, of which sums of some hundred products are exact.
  private func small(rows: Int, columns: Int) -> Matrix {
    Matrix(
      (0..<(rows * columns)).map { Float($0 * 37 % 23 - 11) / 8 }, rows: rows, columns: columns)
  }

  @Test(arguments: [1, 1000, 2100, 1 << 20]) func productsAreThoseOfTheWhole(tile: Int) throws {
    for names in [names, [names[0]], ["model.embed_tokens.weight"]] {
      let whole = try whole(names)
      let matrix = try FrozenMatrix(checkpoint, names, tileElementCount: tile)
      #expect(matrix.rowCount == whole.rowCount && matrix.columnCount == whole.columnCount)
      var room = TileRoom()
      let x = small(rows: 5, columns: whole.columnCount)
      var (y, expected) = (Matrix(rows: 5, columns: whole.rowCount), [Float]())
      matrix.multiply(x, into: &y, in: &room)
      for row in 0..<5 {
        for output in 0..<whole.rowCount {
          expected.append(dot(x.rows(row..<(row + 1)), whole.rows(output..<(output + 1))))
        }
      }
      #expect(relativeError(y.elements, expected) < 1e-6)
      var dx = Matrix(rows: 7, columns: whole.columnCount)
      matrix.multiplyTransposed(y, into: &dx, firstRow: 2, in: &room)
      var gradient = Matrix(rows: 5, columns: whole.columnCount)
      Kernels.multiply(y, whole, into: &gradient)
      #expect(relativeError(dx.rows(2..<7).elements, gradient.elements) < 1e-6)
      #expect(dx.rows(0..<2).elements.allSatisfy { $0 == 0 })
    }
  }

  /// Rounded operands in products of floats, and operands that were packed.
  @Test(arguments: [nil, .plain, BFloat16Unit.available], [1, 1000, 2100, 1 << 20])
  func productsOfBFloat16AreThoseOfTheRoundedWhole(unit: BFloat16Unit?, tile: Int) throws {
    for names in [names, [names[0]], ["model.embed_tokens.weight"]] {
      let whole = rounded(try whole(names))
      let matrix = try FrozenMatrix(checkpoint, names, tileElementCount: tile)
        .computing(in: .bfloat16(unit))
      var room = TileRoom()
      let x = small(rows: 5, columns: whole.columnCount)
      var (y, expected) = (Matrix(rows: 5, columns: whole.rowCount), Matrix(rows: 5, columns: 1))
      matrix.multiply(x, into: &y, in: &room)
      expected.resize(rows: 5, columns: whole.rowCount)
      Kernels.multiply(x, transposed: whole, into: &expected)
      #expect(relativeError(y.elements, expected.elements) < 1e-6)
      var dx = Matrix(rows: 7, columns: whole.columnCount)
      matrix.multiplyTransposed(y, into: &dx, firstRow: 2, in: &room)
      var gradient = Matrix(rows: 5, columns: whole.columnCount)
      Kernels.multiply(rounded(y), whole, into: &gradient)
      #expect(relativeError(dx.rows(2..<7).elements, gradient.elements) < 1e-6)
      #expect(dx.rows(0..<2).elements.allSatisfy { $0 == 0 })
    }
  }

  private func rounded(_ x: Matrix) -> Matrix {
    var y = Matrix(rows: 0, columns: 1)
    Kernels.roundToBFloat16(x, into: &y)
    return y
  }

  /// What is expanded of fewer bits is what is multiplied, and takes their memory.
  @Test(arguments: Quantization.allCases)
  func productsOfFewerBitsAreThoseOfTheirValues(quantization: Quantization) throws {
    let matrix = try FrozenMatrix(checkpoint, names, quantization: quantization)
    var rows = Matrix(rows: 0, columns: matrix.columnCount)
    matrix.gather((0..<Int32(matrix.rowCount)).map { $0 }, into: &rows)
    let x = small(rows: 5, columns: matrix.columnCount)
    var (y, expected) = (
      Matrix(rows: 5, columns: matrix.rowCount), Matrix(rows: 5, columns: matrix.rowCount)
    )
    var room = TileRoom()
    matrix.multiply(x, into: &y, in: &room)
    Kernels.multiply(x, transposed: rows, into: &expected)
    #expect(relativeError(y.elements, expected.elements) < 1e-6)
    let error = relativeError(rows.elements, try whole(names).elements)
    #expect(error > 1e-4 && error < (quantization == .nf4 ? 0.2 : 0.01))
    let share = Double(matrix.byteCount) / Double(try FrozenMatrix(checkpoint, names).byteCount)
    #expect(share < (quantization == .bf16 ? 0.51 : 0.34))
  }

  /// Rounding when it is loaded, packing once and packing for each product are the same.
  @Test(arguments: [BFloat16Unit.available, .plain, nil], [1, 2100, 1 << 20])
  func productsInBFloat16AreThoseOfWeightsInBFloat16(unit: BFloat16Unit?, tile: Int) throws {
    let arithmetic = ProductArithmetic.bfloat16(unit)
    let stored = try FrozenMatrix(
      checkpoint, names, tileElementCount: tile, arithmetic: arithmetic)
    let halved = try FrozenMatrix(
      checkpoint, names, quantization: .bf16, tileElementCount: tile, arithmetic: arithmetic)
    #expect(stored.isPackedOnce == (unit != nil) && !halved.isPackedOnce)
    let x = small(rows: 19, columns: stored.columnCount)
    var room = TileRoom()
    func results(of matrix: FrozenMatrix) -> [Float] {
      var y = Matrix(rows: 19, columns: matrix.rowCount)
      matrix.multiply(x, into: &y, in: &room)
      var dx = Matrix(rows: 19, columns: matrix.columnCount)
      matrix.multiplyTransposed(y, into: &dx, in: &room)
      return y.elements + dx.elements
    }
    #expect(results(of: stored) == results(of: halved))
  }

  /// What is packed is in this process's memory, in 16 bits a value; four bits stay as they are.
  @Test func packedWeightsAreCountedAsTheyAre() throws {
    let count = try FrozenMatrix(checkpoint, names).byteCount / 4
    let packed = try FrozenMatrix(checkpoint, names, arithmetic: .bfloat16(.plain))
    #expect(!packed.isMapped && (2 * count..<(5 * count / 2)).contains(packed.byteCount))
    #expect(try #require(packed.packed).byteCount == packed.byteCount)
    #expect(try FrozenMatrix(checkpoint, names, arithmetic: .bfloat16(nil)).isMapped)
    let small = try FrozenMatrix(
      checkpoint, names, quantization: .nf4, arithmetic: .bfloat16(.plain))
    #expect(!small.isPackedOnce && small.byteCount < count)
  }

  @Test(arguments: [ProductArithmetic.float32, .bfloat16(.plain)])
  func rowsAreGatheredAsTheyAreStored(arithmetic: ProductArithmetic) throws {
    let whole = try whole(names)
    let matrix = try FrozenMatrix(checkpoint, names, arithmetic: arithmetic)
    let indices: [Int32] = [0, Int32(whole.rowCount - 1)] + [Int32](repeating: 3, count: 100)
    var (rows, expected) = (Matrix(rows: 0, columns: whole.columnCount), [Float]())
    matrix.gather(indices, into: &rows)
    for index in indices { expected += whole.rows(Int(index)..<(Int(index) + 1)).elements }
    #expect(rows.elements == expected)
  }

  private func dot(_ x: Matrix, _ y: Matrix) -> Float {
    Float(zip(x.elements, y.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) })
  }
}
