// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Rounds
public import Tensors
internal import Training
internal import Updates

/// Reads what the workers of a run send: changes of the adapter, and walks along directions.
///
/// Which of the two a contribution is, its first bytes say.
struct ContributionReader {
  let plan: RunPlan
  let layout: ParameterLayout
  /// What walks are read by; nil in a run that has none.
  let walkRules: WalkRules?

  /// The reader of a run whose adapter has `layout`.
  init(plan: RunPlan, layout: ParameterLayout) {
    self.plan = plan
    self.layout = layout
    walkRules =
      plan.updates.steps == .asChanges
      ? nil : plan.training.zerothOrder?.walkRules(of: layout)
  }

  /// Whether workers may send changes too.
  fileprivate var takesChanges: Bool { walkRules == nil || plan.training.gradient != nil }

  /// No contribution is longer.
  var maximumPayloadByteCount: Int {
    let changes = [plan.updates.up, plan.updates.opening].map {
      $0.maximumPayloadByteCount(for: layout)
    }
    return max(
      takesChanges ? changes.max() ?? 0 : 0, walkRules?.maximumPayloadByteCount ?? 0)
  }

  /// Refuses a payload that could not be part of the version after `version`.
  func check(
    _ payload: Payload, of worker: WorkerID, from version: Int
  ) throws(UpdateError) {
    guard try walk(in: payload, of: worker, from: version) == nil else { return }
    try plan.updates.upCodec(from: version).check(payload, layout: layout)
  }

  /// The walk in `payload`, which may be anything at all; nil for what can only be a change.
  ///
  /// - Throws: for a walk that its worker cannot have taken from `version`, and for a change in a run
  ///   that has none.
  private func walk(
    in payload: Payload, of worker: WorkerID, from version: Int
  ) throws(UpdateError) -> Walk? {
    guard let walkRules else { return nil }
    guard try DirectionsUpdate.begins(payload) else {
      guard takesChanges else { throw .codec(expected: "directions", found: "another") }
      return nil
    }
    let directions = plan.directions(
      of: worker, from: walkRules.source, drawnFrom: walkRules.distribution)
    return try walkRules.walk(
      in: payload, along: directions.key, from: version, layout: layout)
  }

  /// What a round's contributions are, each with its weight, in their order.
  struct Contents {
    /// The changes, as they are stored.
    var changes: [(payload: Payload, weight: Double)] = []
    /// The walks.
    var walks: [(walk: Walk, weight: Double)] = []
  }

  /// The contents of contributions from `version`, whose payloads are in `log`.
  ///
  /// - Throws: what `log` throws, and `UpdateError` for a walk that cannot be read any more.
  func contents(
    of contributions: [Contribution], from version: Int, in log: some RunLog
  ) throws -> Contents {
    var contents = Contents()
    for contribution in contributions {
      let payload = try log.storedPayload(contribution.payload)
      let weight = Double(contribution.exampleCount)
      if let walk = try walk(in: payload, of: contribution.worker, from: version) {
        contents.walks.append((walk, weight))
      } else {
        contents.changes.append((payload, weight))
      }
    }
    return contents
  }

  /// Hands the change that a version makes, before the server's optimizer, to `body` block by block:
  /// the mean of the changes and the mean of what the walks change, added.
  ///
  /// Each mean is weighted by examples, and is a descent whose length its own learning rate has set.
  /// One mean over both would shorten each to the other's share, as if they had gone different ways to
  /// the same place; but of d directions a walk tries few, so that it is nearly at right angles to what
  /// gradients found, and what is gained along both adds up.
  ///
  /// - Throws: as reading does, also between two blocks.
  /// - Precondition: there are contributions.
  func eachBlock(
    of contents: Contents, from version: Int,
    _ body: @Sendable (_ start: Int, UnsafeBufferPointer<Float>) -> Void
  ) throws(UpdateError) {
    let codec = plan.updates.upCodec(from: version)
    guard let walked = walkedMean(of: contents.walks) else {
      return try codec.eachMeanBlock(of: contents.changes, layout: layout, body)
    }
    guard !contents.changes.isEmpty else {
      return walked.values.withUnsafeBufferPointer { body(0, $0) }
    }
    try codec.eachMeanBlock(of: contents.changes, layout: layout) { start, block in
      let sums = zip(block, walked.values[start...]).map { $0 + $1 }
      sums.withUnsafeBufferPointer { body(start, $0) }
    }
  }

  /// The mean of what walks change; nil without any.
  private func walkedMean(of walks: [(walk: Walk, weight: Double)]) -> ParameterVector? {
    guard let walkRules else { return nil }
    var mean = WeightedMean(layout: layout)
    for (walk, weight) in walks {
      mean.add(walkRules.change(by: walk, layout: layout), weight: weight)
    }
    return mean.combined()
  }
}

extension RunPlan {
  /// The most bytes that a worker sends in a round, once the opening is over.
  public func uploadByteLimit(for layout: ParameterLayout) -> Int {
    let reader = ContributionReader(plan: self, layout: layout)
    return max(
      reader.takesChanges ? updates.up.maximumPayloadByteCount(for: layout) : 0,
      reader.walkRules?.maximumPayloadByteCount ?? 0)
  }

  /// The most bytes that a worker is sent in a round that it begins with the version before.
  public func downloadByteLimit(for layout: ParameterLayout) -> Int {
    let change = updates.down.maximumPayloadByteCount(for: layout)
    guard updates.steps == .upAndDown, let rules = training.zerothOrder?.walkRules(of: layout)
    else { return change }
    let steps =
      switch rules.source {
      case .own: rounds.cohortSize * rules.maximumPayloadByteCount
      case .shared: rules.maximumPayloadByteCount
      case .pool: rules.maximumPoolByteCount
      }
    // Where that is longer, the adapter is sent.
    return min(change, steps)
  }
}
