// SPDX-License-Identifier: Apache-2.0

/// The types of GGUF's metadata, by their numbers in the file.
enum GGUFValueType: UInt32 {
  case unsigned8, int8, unsigned16, int16, unsigned32, int32, float32, boolean, string, array
  case unsigned64, int64, float64

  /// The fewest bytes that a value of this type takes.
  var minimumByteCount: Int {
    switch self {
    case .unsigned8, .int8, .boolean: 1
    case .unsigned16, .int16: 2
    case .unsigned32, .int32, .float32: 4
    case .string, .unsigned64, .int64, .float64: 8
    case .array: 12
    }
  }
}

/// One value of a GGUF file's metadata; strings and arrays stay in the file until asked for.
enum GGUFValue: Equatable, Sendable {
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  /// The string whose length is at `position`.
  case string(position: Int)
  /// An array whose first element is at `position`; every element lies within the file.
  case array(of: GGUFValueType, count: Int, position: Int)

  /// Reads one value of the given type.
  init(
    _ type: GGUFValueType, from cursor: inout ByteCursor, key: String
  ) throws(CheckpointError) {
    let what = "the value of '\(key)'"
    switch type {
    case .unsigned8: self = .integer(Int(try cursor.integer(UInt8.self, what)))
    case .int8: self = .integer(Int(try cursor.integer(Int8.self, what)))
    case .unsigned16: self = .integer(Int(try cursor.integer(UInt16.self, what)))
    case .int16: self = .integer(Int(try cursor.integer(Int16.self, what)))
    case .unsigned32: self = .integer(Int(try cursor.integer(UInt32.self, what)))
    case .int32: self = .integer(Int(try cursor.integer(Int32.self, what)))
    case .int64: self = .integer(Int(try cursor.integer(Int64.self, what)))
    case .unsigned64:
      // Nothing that Tern reads comes near 2^63; what does is someone else's hash.
      self = .integer(Int(truncatingIfNeeded: try cursor.integer(UInt64.self, what)))
    case .float32:
      self = .number(Double(Float(bitPattern: try cursor.integer(UInt32.self, what))))
    case .float64: self = .number(Double(bitPattern: try cursor.integer(UInt64.self, what)))
    case .boolean: self = .boolean(try cursor.integer(UInt8.self, what) != 0)
    case .string:
      self = .string(position: cursor.position)
      _ = try cursor.string(what)
    case .array: self = try Self.array(from: &cursor, key: key)
    }
  }

  private static func array(
    from cursor: inout ByteCursor, key: String
  ) throws(CheckpointError) -> GGUFValue {
    let what = "the array '\(key)'"
    let typeNumber = try cursor.integer(UInt32.self, what)
    guard let type = GGUFValueType(rawValue: typeNumber), type != .array else {
      throw .unsupported(
        path: cursor.path, what: "elements of type \(typeNumber) in '\(key)'",
        supported: "numbers, truth values and strings")
    }
    let count = try cursor.integer(UInt64.self, what)
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: UInt64(type.minimumByteCount))
    guard !overflow, byteCount <= UInt64(cursor.remaining) else {
      throw .truncated(
        path: cursor.path, what: what, needed: Int(clamping: overflow ? UInt64.max : byteCount),
        available: cursor.remaining)
    }
    let position = cursor.position
    if type == .string {
      for _ in 0..<count { _ = try cursor.string(what) }
    } else {
      _ = try cursor.skip(byteCount, what)
    }
    return .array(of: type, count: Int(count), position: position)
  }
}
