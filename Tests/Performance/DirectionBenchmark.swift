// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Tensors
internal import Updates

/// Steps along directions, taken from their coefficients alone: what replay, a late worker and a
/// version of walks cost.
enum DirectionBenchmark {
  static func run() throws -> [Measurement] {
    let layout = DecoderWidths.small.layout(rank: 8, both: false)
    return Directions.Distribution.allCases.flatMap { distribution in
      measurements(Directions(of: Seed(1), distribution: distribution), layout)
    }
  }

  private static func measurements(
    _ directions: Directions, _ layout: ParameterLayout
  ) -> [Measurement] {
    let (stepCount, termCount) = (16, 16)
    let steps = (0..<UInt32(stepCount)).map { number in
      DirectionStep(
        step: number,
        terms: (0..<UInt32(termCount)).map { DirectionTerm(query: $0, coefficient: 1e-4) })
    }
    let start = ParameterVector(zerosOf: layout)
    func rate(_ what: String, _ body: (inout ZerothOrderReplica) -> Void) -> Measurement {
      let seconds = medianSeconds {
        var replica = ZerothOrderReplica(adapter: start, directions: directions)
        body(&replica)
        return replica
      }
      return Measurement(
        name: "\(directions.distribution): \(what)",
        value: Double(layout.count * stepCount * termCount) / seconds / 1e6,
        unit: "million parameters and directions/s")
    }
    return [
      rate("a step of one direction each") { replica in
        for step in steps {
          for term in step.terms { replica.apply(DirectionStep(step: step.step, terms: [term])) }
        }
      },
      rate("a step of 16 directions each") { replica in steps.forEach { replica.apply($0) } },
      rate("all steps at once") { $0.apply(contentsOf: steps) },
    ]
  }
}
