// SPDX-License-Identifier: Apache-2.0
import JSON
import Testing

@testable import Checkpoints

@Suite struct ConfigurationFileTests {
  private func file(_ json: String) throws -> ConfigurationFile {
    let folder = try TemporaryFolder()
    let path = try folder.write(json, to: "config.json")
    return ConfigurationFile(path: "test", document: try JSONValue(path: path))
  }

  @Test func valuesAreRead() throws {
    let file = try file(
      #"{"i": 7, "f": 0.5, "e": 1e5, "t": true, "s": "x", "o": {"a": 1}, "l": [1, 2]}"#)
    #expect(try file.integer("i") == 7)
    #expect(try file.integer("e") == 100_000)
    #expect(try file.number("f", default: 1) == 0.5)
    #expect(try file.number("i", default: 1) == 7)
    #expect(try file.requiredNumber("f") == 0.5)
    #expect(try file.truth("t", default: false))
    #expect(try file.text("s", default: "y") == "x")
    #expect(try file.object("o")?.integer("a") == 1)
    #expect(try file.integers("l") == [1, 2])
    #expect(try file.integers("i") == [7])
    #expect(file.has("i") && !file.has("z"))
  }

  @Test func absentAndNullHaveTheDefault() throws {
    for json in ["{}", #"{"k": null}"#] {
      let file = try file(json)
      #expect(try file.integer("k") == nil)
      #expect(try file.integer("k", default: 3) == 3)
      #expect(try file.number("k", default: 2.5) == 2.5)
      #expect(try file.truth("k", default: true))
      #expect(try file.text("k", default: "d") == "d")
      #expect(try file.object("k") == nil)
      #expect(try file.integers("k") == nil)
      #expect(throws: CheckpointError.missing(path: "test", what: "value for 'k'")) {
        try file.requiredNumber("k")
      }
    }
    #expect(try file(#"{"k": {}}"#).object("k") == nil)
  }

  @Test func wrongTypesAreRefusedByKey() throws {
    let file = try file(#"{"k": [true], "n": 1.5}"#)
    let expected = { (what: String) in
      CheckpointError.malformed(path: "test", what: "'k' is not \(what)")
    }
    #expect(throws: expected("a whole number")) { try file.integer("k") }
    #expect(throws: expected("a number")) { try file.number("k", default: 0) }
    #expect(throws: expected("true or false")) { try file.truth("k", default: false) }
    #expect(throws: expected("a string")) { try file.text("k", default: "") }
    #expect(throws: expected("an object")) { _ = try file.object("k") }
    #expect(throws: expected("whole numbers")) { try file.integers("k") }
    #expect(throws: CheckpointError.self) { try file.integer("n") }
  }
}
