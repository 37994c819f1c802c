// SPDX-License-Identifier: Apache-2.0
import Randomness
import Rounds
import Testing

@Suite struct RoundRulesTests {
  @Test func theQuorumIsTheCohortUnlessGiven() {
    let rules = RoundRules(versionCount: 1, cohortSize: 7)
    #expect(rules.quorum == 7)
    #expect(rules.minimumWorkers == 7)
    #expect(RoundRules(versionCount: 1, cohortSize: 7, quorum: 4).minimumWorkers == 4)
  }

  @Test(arguments: [
    (1, 1.0, 1), (1, 1.3, 2), (3, 1.3, 4), (10, 1.3, 13), (10, 1.1, 11), (100, 1.3, 130),
    (10, 1.0, 10), (7, 1.5, 11), (1_000_000, 100.0, 100_000_000),
  ])
  func overSelectionRoundsUp(cohort: Int, factor: Double, expected: Int) {
    let rules = RoundRules(versionCount: 1, cohortSize: cohort, overSelection: factor)
    #expect(rules.assignmentCount == expected)
  }

  @Test func everyRuleHasARange() throws {
    let good = RoundRules(versionCount: 3, cohortSize: 3, quorum: 2)
    #expect(try good.validated() == good)
    let table: [(String, (inout RoundRules) -> Void)] = [
      ("versionCount", { $0.versionCount = 0 }),
      ("cohortSize", { $0.cohortSize = 0 }),
      ("cohortSize", { $0.cohortSize = .max }),
      ("overSelection", { $0.overSelection = 0.99 }),
      ("overSelection", { $0.overSelection = .nan }),
      ("overSelection", { $0.overSelection = .infinity }),
      ("quorum", { $0.quorum = 4 }),
      ("quorum", { $0.quorum = 0 }),
      ("minimumWorkers", { $0.minimumWorkers = 1 }),
      ("deadline", { $0.deadline = .zero }),
      ("deadline", { $0.deadline = .seconds(Int64.max) }),
      ("absenceGrace", { $0.absenceGrace = .seconds(-1) }),
      ("maximumFailedRounds", { $0.maximumFailedRounds = 0 }),
      ("retryDelay", { $0.retryDelay = .seconds(-1) }),
    ]
    for (name, spoil) in table {
      var rules = good
      spoil(&rules)
      let error = #expect(throws: RoundError.self, "\(name)") { try rules.validated() }
      #expect("\(error, default: "")".hasPrefix("\(name) is "))
      #expect(throws: RoundError.self) {
        try RoundEngine(rules: rules, seed: Seed(1), at: seconds(0))
      }
    }
  }

  @Test func anErrorSaysWhatToDo() {
    var rules = RoundRules(versionCount: 3, cohortSize: 3)
    rules.quorum = 9
    let error = #expect(throws: RoundError.self) { try rules.validated() }
    #expect(error?.description == "quorum is 9; set it to between 1 and 3")
  }
}
