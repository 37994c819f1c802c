// SPDX-License-Identifier: Apache-2.0

extension GGUFFile {
  /// A whole number; nil where the key is absent.
  ///
  /// - Throws: `malformed` for a value of another type.
  func integer(_ key: String) throws(CheckpointError) -> Int? {
    guard let value = metadata[key] else { return nil }
    guard case .integer(let number) = value else { throw wrongType(key, "a whole number") }
    return number
  }

  /// A whole number that must be there.
  func requiredInteger(_ key: String) throws(CheckpointError) -> Int {
    guard let number = try integer(key) else { throw missing(key) }
    return number
  }

  /// A number; nil where the key is absent.
  func number(_ key: String) throws(CheckpointError) -> Double? {
    switch metadata[key] {
    case nil: return nil
    case .integer(let number): return Double(number)
    case .number(let number): return number
    default: throw wrongType(key, "a number")
    }
  }

  /// A truth value; nil where the key is absent.
  func truth(_ key: String) throws(CheckpointError) -> Bool? {
    guard let value = metadata[key] else { return nil }
    guard case .boolean(let truth) = value else { throw wrongType(key, "true or false") }
    return truth
  }

  /// A string; nil where the key is absent.
  func text(_ key: String) throws(CheckpointError) -> String? {
    guard let value = metadata[key] else { return nil }
    guard case .string(let position) = value else { throw wrongType(key, "a string") }
    return try contents.withBytes { (bytes) throws(CheckpointError) in
      var cursor = ByteCursor(bytes, path: contents.path, position: position)
      return try cursor.text("'\(key)'")
    }
  }

  /// Strings; nil where the key is absent.
  func texts(_ key: String) throws(CheckpointError) -> [String]? {
    guard let value = metadata[key] else { return nil }
    guard case .array(of: .string, let count, let position) = value else {
      throw wrongType(key, "an array of strings")
    }
    return try contents.withBytes { (bytes) throws(CheckpointError) in
      var cursor = ByteCursor(bytes, path: contents.path, position: position)
      var texts: [String] = []
      texts.reserveCapacity(count)
      for _ in 0..<count { texts.append(try cursor.text("'\(key)'")) }
      return texts
    }
  }

  /// 32-bit integers; nil where the key is absent.
  func integers(_ key: String) throws(CheckpointError) -> [Int32]? {
    guard let value = metadata[key] else { return nil }
    guard case .array(let type, let count, let position) = value,
      type == .int32 || type == .unsigned32
    else { throw wrongType(key, "an array of 32-bit integers") }
    return try contents.withBytes { (bytes) throws(CheckpointError) in
      var cursor = ByteCursor(bytes, path: contents.path, position: position)
      var integers: [Int32] = []
      integers.reserveCapacity(count)
      for _ in 0..<count { integers.append(try cursor.integer(Int32.self, "'\(key)'")) }
      return integers
    }
  }

  /// The error for a key that must be there.
  func missing(_ key: String) -> CheckpointError {
    .missing(path: contents.path, what: "value for '\(key)'")
  }

  private func wrongType(_ key: String, _ expected: String) -> CheckpointError {
    .malformed(path: contents.path, what: "'\(key)' is not \(expected)")
  }
}

extension ElementType {
  /// The type that ggml gives the number; nil for those that cannot be stored tensors here.
  init?(ggmlNumber: UInt32) {
    switch ggmlNumber {
    case 0: self = .float32
    case 1: self = .float16
    case 2: self = .q4_0
    case 3: self = .q4_1
    case 8: self = .q8_0
    case 12: self = .q4_K
    case 14: self = .q6_K
    case 24: self = .int8
    case 25: self = .int16
    case 26: self = .int32
    case 27: self = .int64
    case 28: self = .float64
    case 30: self = .bfloat16
    default: return nil
    }
  }

  /// What ggml calls the type with the number.
  static func ggmlName(_ number: UInt32) -> String {
    let names: [UInt32: String] = [
      6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 13: "Q5_K", 15: "Q8_K",
      16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
      22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
    ]
    return names[number] ?? "number \(number)"
  }
}
