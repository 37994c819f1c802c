// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
internal import Foundation

/// How a command prints its result.
public enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// For people.
  case text
  /// One versioned JSON object.
  case json
}

/// What `--format json` prints: always the same envelope around a command's own keys.
private struct Envelope<Body: Encodable>: Encodable {
  let schemaVersion = 1
  let command: String
  let body: Body

  private enum Key: String, CodingKey { case schemaVersion = "schema_version", command, data }

  func encode(to encoder: any Encoder) throws {
    // The command's keys stand beside the envelope's, so that a reader needs no second level.
    try body.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(schemaVersion, forKey: .schemaVersion)
    try container.encode(command, forKey: .command)
  }
}

/// Prints `body` as JSON, or `text` for people.
public func printResult<Body: Encodable>(
  of command: String, as format: OutputFormat, _ body: Body, text: () -> String
) throws {
  switch format {
  case .text: print(text())
  case .json: print(try json(Envelope(command: command, body: body)))
  }
}

/// One line of JSON with sorted keys.
func json(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.dateEncodingStrategy = .iso8601
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Reads what `json` wrote.
func decode<Value: Decodable>(_ type: Value.Type, from bytes: Data) throws -> Value {
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  decoder.dateDecodingStrategy = .iso8601
  return try decoder.decode(type, from: bytes)
}
