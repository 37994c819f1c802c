// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints

/// Some elements of a matrix, row by row, in each by column.
struct SparsePlaces: Hashable, Sendable {
  /// Where the places of each row begin, and where those of the last one end.
  let rowStarts: [Int]
  let columns: [UInt32]

  var count: Int { columns.count }
  /// The memory that they take.
  var byteCount: Int {
    columns.count * MemoryLayout<UInt32>.size + rowStarts.count * MemoryLayout<Int>.size
  }

  /// Places whose rows begin where `rowStarts` says.
  ///
  /// - Precondition: these ascend from 0 to the number of columns.
  init(rowStarts: [Int], columns: [UInt32]) {
    precondition(
      rowStarts.first == 0 && rowStarts.last == columns.count
        && zip(rowStarts, rowStarts.dropFirst()).allSatisfy { $0 <= $1 },
      "\(columns.count) places in rows from \(rowStarts.first ?? -1) to \(rowStarts.last ?? -1)")
    self.rowStarts = rowStarts
    self.columns = columns
  }

  /// The `count` elements of a matrix that are smallest by magnitude; of equal ones the first.
  ///
  /// - Precondition: there are as many, all finite.
  /// - Complexity: O(elements): three passes, and memory for one row of floats.
  init(ofSmallest count: Int, in matrix: StoredMatrix) {
    precondition(
      (0...(matrix.rowCount * matrix.columnCount)).contains(count),
      "\(count) of [\(matrix.rowCount), \(matrix.columnCount)]")
    let limit = MagnitudeLimit(ofSmallest: count, in: matrix)
    var (starts, columns, equals) = ([0], [UInt32](), limit.equalCount)
    columns.reserveCapacity(count)
    matrix.forEachRow { row in
      for (column, value) in row.enumerated() {
        let bits = value.magnitudeBits
        guard bits <= limit.bits else { continue }
        if bits == limit.bits {
          guard equals > 0 else { continue }
          equals -= 1
        }
        columns.append(UInt32(column))
      }
      starts.append(columns.count)
    }
    self.init(rowStarts: starts, columns: columns)
  }
}

/// Up to which magnitude elements are among the smallest.
///
/// The bits of floats without their sign are in the order of their magnitudes, so that counting the
/// upper half of the bits, and then the lower half of those at the limit, finds it without sorting.
private struct MagnitudeLimit {
  /// The largest magnitude among them, as bits.
  let bits: UInt32
  /// How many elements of just this magnitude are among them.
  let equalCount: Int

  private static let lowerWidth = 15

  init(ofSmallest count: Int, in matrix: StoredMatrix) {
    guard count > 0 else {
      (bits, equalCount) = (0, 0)
      return
    }
    var uppers = [Int](repeating: 0, count: 1 << 16)
    matrix.forEachRow { row in
      for value in row { uppers[Int(value.magnitudeBits >> Self.lowerWidth)] += 1 }
    }
    let (upper, before) = Self.place(of: count, in: uppers)
    var lowers = [Int](repeating: 0, count: 1 << Self.lowerWidth)
    matrix.forEachRow { row in
      for value in row where value.magnitudeBits >> Self.lowerWidth == upper {
        lowers[Int(value.magnitudeBits) & (lowers.count - 1)] += 1
      }
    }
    let (lower, below) = Self.place(of: count - before, in: lowers)
    bits = UInt32(upper << Self.lowerWidth | lower)
    equalCount = count - before - below
  }

  /// The bin of the `wanted`-th element from 1, and how many are in the bins before it.
  private static func place(of wanted: Int, in counts: [Int]) -> (bin: Int, before: Int) {
    var (bin, before) = (0, 0)
    while before + counts[bin] < wanted {
      before += counts[bin]
      bin += 1
    }
    return (bin, before)
  }
}

extension Float {
  fileprivate var magnitudeBits: UInt32 { bitPattern & 0x7FFF_FFFF }
}

extension StoredMatrix {
  /// Calls `body` with each row as floats, in order.
  fileprivate func forEachRow(_ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    var room = [Float](repeating: 0, count: columnCount)
    room.withUnsafeMutableBufferPointer { room in
      for row in 0..<rowCount {
        expand(rows: row..<(row + 1), into: room)
        body(room)
      }
    }
    releasePages()
  }
}
