// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
  /// The document in one line without spaces, members in their order.
  public var compactText: String {
    switch self {
    case .array(let elements): "[\(elements.map(\.compactText).joined(separator: ","))]"
    case .object(let members):
      "{\(members.map { "\(Self.quoted($0.name)):\($0.value.compactText)" }.joined(separator: ","))}"
    default: scalarText
    }
  }

  /// The document over several lines, indented by two spaces a level, members in their order.
  public var indentedText: String { indentedText(level: 0) }

  private func indentedText(level: Int) -> String {
    let outer = String(repeating: "  ", count: level)
    let inner = outer + "  "
    switch self {
    case .array(let elements) where !elements.isEmpty:
      let lines = elements.map { inner + $0.indentedText(level: level + 1) }
      return "[\n\(lines.joined(separator: ",\n"))\n\(outer)]"
    case .object(let members) where !members.isEmpty:
      let lines = members.map {
        "\(inner)\(Self.quoted($0.name)): \($0.value.indentedText(level: level + 1))"
      }
      return "{\n\(lines.joined(separator: ",\n"))\n\(outer)}"
    default: return compactText
    }
  }

  private var scalarText: String {
    switch self {
    case .boolean(let value): String(value)
    case .integer(let value): String(value)
    case .number(let value): value.description
    case .string(let text): Self.quoted(text)
    case .null, .array, .object: "null"
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{0}"..<" ":
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
