// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Testing

@testable import Models

struct RopeFrequenciesTests {
  private func frequencies(_ change: (inout ModelConfiguration) -> Void) throws -> [Float] {
    var configuration = try GoldenModel("llama-gqa-tied").base.configuration
    configuration.headWidth = 8
    configuration.ropeTheta = 10_000
    change(&configuration)
    return configuration.rotaryFrequencies
  }

  @Test func plainFrequenciesArePowersOfTheta() throws {
    #expect(try frequencies { _ in } == [1, 0.1, 0.01, 0.001])
  }

  @Test func linearScalingDividesAll() throws {
    let scaled = try frequencies { $0.ropeScaling = .linear(factor: 4) }
    #expect(scaled == [0.25, 0.025, 0.0025, 0.00025])
  }

  @Test func storedFactorsDivideEachItsOwn() throws {
    let scaled = try frequencies { $0.ropeFrequencyFactors = [1, 2, 4, 8] }
    #expect(scaled == [1, 0.05, 0.0025, 0.000125])
  }

  @Test func llama3KeepsShortWavelengthsAndBlendsUpToLongOnes() throws {
    let plain = try frequencies { _ in }
    let scaled = try frequencies {
      $0.ropeScaling = .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 1_000)
    }
    // Wavelengths 6, 63, 628 and 6283 against limits of 250 and 1000.
    #expect(scaled[..<2] == plain[..<2])
    let smooth = (1_000 / (2 * Float.pi / 0.01) - 1) / 3
    #expect(abs(scaled[2] - ((1 - smooth) * 0.01 / 8 + smooth * 0.01)) < 1e-8)
    #expect(scaled[3] == plain[3] / 8)
  }
}
