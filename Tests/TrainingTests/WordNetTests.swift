// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Randomness
import Testing

@testable import Training

struct WordNetTests {
  @Test func linesGiveTopicAndDefinition() throws {
    let wordNet = try read(
      #"""
        1 This software and database is being provided to you  
        2 under the following license.  
      00002684 03 n 02 object 0 physical_object 0 001 @ 00001930 n 0000 | a tangible and visible entity; an entity that can cast a shadow; "it was full of rackets, balls and other objects"  
      02084071 05 n 01 dog 0 000 | a member of the genus Canis; "the dog barked all night"  
      07555863 13 n 01 food 0 000 | any solid substance (as opposed to liquid)  
      """#)
    #expect(
      wordNet.definitions == [
        WordNet.Definition(
          topic: 3,
          text: "a tangible and visible entity; an entity that can cast a shadow"),
        WordNet.Definition(topic: 5, text: "a member of the genus Canis"),
        WordNet.Definition(topic: 13, text: "any solid substance (as opposed to liquid)"),
      ])
  }

  @Test(arguments: [
    (#"a "quoted" word"#, #"a "quoted" word"#),
    (#"a thing;"an example"; b"#, "a thing"),
    (#"a thing; ; "an example""#, "a thing"),
    ("  spaces  ", "spaces"),
    ("one; two", "one; two"),
  ])
  func aDefinitionEndsAtItsFirstExample(_ gloss: String, _ definition: String) throws {
    let wordNet = try read("02084071 05 n 01 dog 0 000 |\(gloss)")
    #expect(wordNet.definitions.map(\.text) == [definition])
  }

  @Test(arguments: [
    "02084071 05 n 01 dog 0 000", "0208407 05 n 01 dog | a", "x2084071 05 n 01 dog | a", "| a",
    "02084071 5 n 01 dog | a",
  ])
  func anotherFormatIsRefusedWithItsLine(_ line: String) {
    #expect(
      throws: TrainingError.badWordNet(
        file: "nouns", line: 2, problem: "not a line of WordNet's nouns")
    ) { try read("  1 licence\n" + line) }
  }

  @Test func aFileWithoutDefinitionsIsRefused() {
    #expect(throws: TrainingError.self) { try read("") }
    #expect(throws: TrainingError.self) { try read("  1 licence\n") }
    #expect(throws: TrainingError.self) { try read("02084071 05 n 01 dog 0 000 | \n") }
  }

  @Test func everyTruncationAndRandomBytesAreReadOrRefused() {
    let whole = Array(#"02084071 05 n 01 dog 0 000 | é; "an example""#.utf8)
    for count in 0...whole.count { _ = try? WordNet(bytes: Array(whole[..<count]), name: "nouns") }
    var stream = RandomStream(Seed(1))
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0..<3 {
        bytes[stream.integer(below: bytes.count)] = UInt8(stream.integer(below: 256))
      }
      _ = try? WordNet(bytes: bytes, name: "nouns")
    }
    #expect((try? WordNet(bytes: whole, name: "nouns"))?.definitions.first?.text == "é")
  }

  @Test(.enabled(if: FileManager.default.isReadableFile(atPath: WordNet.debianPath)))
  func debiansFileHasTheDefinitionsOfTheTopics() throws {
    let bytes = try fileBytes(WordNet.debianPath).prefix(1_000_000)
    let whole = bytes[...(bytes.lastIndex(of: 0x0A) ?? 0)]
    let definitions = try WordNet(bytes: Array(whole), name: "nouns").definitions
    #expect(definitions.count > 4000)
    #expect(definitions.allSatisfy { !$0.text.isEmpty && (3...28).contains($0.topic) })
    #expect(definitions.count { $0.topic == 4 } > 500)
  }

  private func read(_ text: String) throws(TrainingError) -> WordNet {
    try WordNet(bytes: Array(text.utf8), name: "nouns")
  }
}
