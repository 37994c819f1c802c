// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Randomness
internal import Tensors
internal import Updates

/// The adapter that the corpus' updates are for.
private let layout = ParameterLayout([("tensor0", [40]), ("tensor1", [3, 5]), ("tensor2", [1])])

func decodeUpdates(_ bytes: [UInt8]) {
  for codec in [
    UpdateCodec.dense, .ternary(density: 1), .ternary(density: 0.1), .stochasticTernary(density: 1),
  ] {
    guard let vector = accepted({ try codec.decode(bytes, layout: layout) }) else { continue }
    precondition(vector.values.count == layout.count, "\(vector.values.count) values")
    precondition(vector.values.allSatisfy(\.isFinite), "a value that is not finite")
    precondition(
      bytes.count <= codec.maximumPayloadByteCount(for: layout), "\(bytes.count) bytes accepted")
    let again = accepted { try codec.encode(vector, seed: Seed(1)).decoded }
    precondition(codec != .dense || again == vector, "a dense update that changes when sent on")
  }
  decodeWalks(bytes)
  for count in 1...3 {
    guard let updates = accepted({ try UpdateSequence.updates(in: bytes, count: count) }) else {
      continue
    }
    precondition(UpdateSequence.payload(of: updates) == bytes, "a sequence that changes")
    for update in updates {
      _ = accepted { try UpdateCodec.ternary(density: 1).decode(update, layout: layout) }
    }
  }
  _ = accepted { try UpdateSummary(of: bytes, layout: layout) }
  _ = accepted { try UpdateSummary(of: bytes) }
}

private func decodeWalks(_ bytes: [UInt8]) {
  if let update = accepted({ try DirectionsUpdate(bytes, layout: layout) }) {
    precondition(update.payload(for: layout) == bytes, "walks that change")
  }
  for (rule, source) in [
    (UpdateRule.sgd, DirectionSource.own), (.adam(), .own), (.sgd, .pool(count: 9)),
  ] {
    let rules = WalkRules(
      source: source, distribution: .rademacher, rule: rule, moved: .all, stepCount: 4,
      queryCount: 3)
    guard
      let walk = accepted({
        try rules.walk(in: Payload(bytes), along: 7, from: 1, layout: layout)
      })
    else { continue }
    let (stepCount, termCount) = source.count == nil ? (4, 3) : (1, 9)
    precondition(
      walk.steps.count <= stepCount && walk.steps.allSatisfy { $0.terms.count <= termCount })
    precondition(bytes.count <= rules.maximumPayloadByteCount, "\(bytes.count) bytes accepted")
    _ = rules.change(by: walk, layout: layout)
  }
}
