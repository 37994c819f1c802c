// SPDX-License-Identifier: Apache-2.0
import Foundation
import Rounds
import Testing

/// The coded form of events is what journals on people's disks hold: it may grow, never change.
@Suite struct EventCodingTests {
  @Test func everyEventKeepsItsCodedForm() throws {
    let contribution = contribution("a", round: 3, from: 2)
    let table: [(RoundEngine.Event, String)] = [
      (.join("a"), #"{"joined":{"_0":"a"}}"#),
      (.leave("a"), #"{"left":{"_0":"a"}}"#),
      (
        .contributed(contribution),
        #"{"contributed":{"_0":{"baseVersion":2,"exampleCount":10,"payload":"\#(contribution.payload)","#
          + #""round":3,"worker":"a"}}}"#
      ),
      (
        .failed(worker("a"), round: 3, reason: "\"x\""),
        #"{"failed":{"_0":"a","reason":"\"x\"","round":3}}"#
      ),
      (.aggregated(round: 3, version: 2), #"{"aggregated":{"round":3,"version":2}}"#),
      (
        .aggregationFailed(round: 3, reason: "x"),
        #"{"aggregationFailed":{"reason":"x","round":3}}"#
      ),
      (.restarted, #"{"restarted":{}}"#),
      (.woke, #"{"woke":{}}"#),
      (.stopped(reason: "x"), #"{"stopped":{"reason":"x"}}"#),
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    for (event, text) in table {
      #expect(String(decoding: try encoder.encode(event), as: UTF8.self) == text)
      let decoded = try JSONDecoder().decode(RoundEngine.Event.self, from: Data(text.utf8))
      #expect(decoded == event)
    }
  }

  @Test func equalEnginesHaveEqualTexts() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let names = (0..<40).map { "worker-\($0)" }
    let texts = try [names, names.reversed()].map { names in
      var driver = try EngineDriver(RoundEngineTests.rules(cohort: 40, minimum: 40))
      for name in names { _ = driver.send(.join(name), at: 0) }
      return try encoder.encode(driver.engine)
    }
    #expect(texts[0] == texts[1])
    #expect(String(decoding: texts[0], as: UTF8.self).contains(#""worker-7":{"#))
  }
}
