// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

struct TrendTests {
  @Test func aLineIsFoundExactly() throws {
    let trend = try #require(Trend([[(0, 1), (1, 3), (3, 7), (10, 21)]]))
    #expect(abs(trend.slope - 2) < 1e-12 && trend.error < 1e-12)
  }

  @Test func theErrorCountsPointsByTheirLeverage() throws {
    // Residuals 1, -1, -1, 1 of the line y = 0, whose correlation is below 0; leverages of 0.7 and
    // 0.3: the parts are -1 and 1 (1.5 / 0.3 / 5) and twice 0.5 / 0.7 / 5.
    let trend = try #require(Trend([[(0, 1), (1, -1), (2, -1), (3, 1)]]))
    #expect(trend.slope == 0)
    #expect(abs(trend.error - 10.0 / 7) < 1e-12)
  }

  @Test func aLineThatHangsOnAFewPointsIsKnownNoBetterThanTheyAre() throws {
    // Two points far out, 2 apart from each other, and many that say nothing.
    let far = [(10.0, 1.0), (10, -1)]
    let few = try #require(Trend([far + (0..<8).map { _ in (0, 0) }]))
    let many = try #require(Trend([far + (0..<48).map { _ in (0, 0) }]))
    #expect(many.error > 0.1 && many.error > 0.8 * few.error)
  }

  @Test func whatDriftsIsWorthFewerPoints() throws {
    let alternating = (0..<40).map { (Double($0), $0 % 2 == 0 ? 1.0 : -1) }
    let drifting = (0..<40).map { (Double($0), $0 / 10 % 2 == 0 ? 1.0 : -1) }
    let (first, second) = (try #require(Trend([alternating])), try #require(Trend([drifting])))
    #expect(second.error > 1.5 * first.error)
  }

  @Test func withoutASpreadThereIsNone() {
    #expect(Trend([[(0, 1), (1, 2), (2, 3)]]) == nil)
    #expect(Trend([(0..<9).map { (5, Double($0)) }]) == nil)
    #expect(Trend([(0..<9).map { (Double($0) * 1e200, Double($0)) }]) == nil)
  }

  @Test func groupsHaveASlopeInCommonAndHeightsOfTheirOwn() throws {
    let groups = [[(0.0, 1.0), (1, 3), (2, 5)], [(3, 90), (5, 94)], [(7, -8)]]
    let trend = try #require(Trend(groups))
    #expect(abs(trend.slope - 2) < 1e-12 && trend.error < 1e-12)
    // Of each group one point is for its height.
    #expect(Trend([[(0, 1), (1, 3)], [(3, 90), (5, 94)], [(7, -8)]]) == nil)
  }
}
