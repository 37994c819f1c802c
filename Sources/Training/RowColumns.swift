// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials

/// The columns of one row.
struct RowColumns {
  private let values: [String: Value]

  init(_ bytes: ArraySlice<UInt8>) throws(RowProblem) {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw .invalidUTF8 }
    do {
      values = try JSONDecoder().decode([String: Value].self, from: Data(bytes))
    } catch DecodingError.typeMismatch {
      throw .notAnObject("another type of value")
    } catch {
      throw .notAnObject("invalid JSON")
    }
  }

  func contains(_ name: String) -> Bool { values[name] != nil }

  func string(_ name: String) throws(RowProblem) -> String {
    switch values[name] {
    case .string(let text)?: return text
    case nil: throw .missingColumn(name, present: values.keys.sorted())
    case let other?: throw .wrongType(column: name, found: other.kind, needed: "a string")
    }
  }

  func strings(_ name: String) throws(RowProblem) -> [String]? {
    switch values[name] {
    case .strings(let texts)?: return texts
    case nil: return nil
    case let other?:
      throw .wrongType(column: name, found: other.kind, needed: "an array of strings")
    }
  }

  func render(_ pieces: [DataTemplate.Piece]) throws(RowProblem) -> String {
    var text = ""
    for piece in pieces {
      switch piece {
      case .literal(let literal): text += literal
      case .column(let name): text += try string(name)
      }
    }
    return text
  }
}

/// A column's value, as far as rows use it.
private enum Value: Decodable {
  case string(String)
  case strings([String])
  case other(String)

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try container.decodeIfOfType(String.self) {
      self = .string(text)
    } else if let texts = try container.decodeIfOfType([String].self) {
      self = .strings(texts)
    } else if container.decodeNil() {
      self = .other("null")
    } else if (try? container.decode(Bool.self)) != nil {
      self = .other("a boolean")
    } else if (try? decoder.unkeyedContainer()) != nil {
      self = .other("an array of other things than strings")
    } else if (try? decoder.container(keyedBy: AnyKey.self)) != nil {
      self = .other("an object")
    } else {
      self = .other("a number")
    }
  }

  var kind: String {
    switch self {
    case .string: "a string"
    case .strings: "an array"
    case .other(let kind): kind
    }
  }
}

extension SingleValueDecodingContainer {
  /// The value if it has the type; a value that is damaged is an error.
  fileprivate func decodeIfOfType<T: Decodable>(_ type: T.Type) throws -> T? {
    do {
      return try decode(type)
    } catch DecodingError.typeMismatch, DecodingError.valueNotFound {
      return nil
    }
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  let intValue: Int? = nil
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { return nil }
}
