// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Tensors
internal import Training
internal import Updates

/// What a run over a pool of directions has learned: one coefficient for each (FedKSeed,
/// arXiv:2312.06353).
///
/// Every version is version 0 moved along the pool's directions in their order, so that whoever has
/// version 0 and the coefficients has the adapter, bit for bit, however many versions were missed.
struct DirectionPool {
  /// Version 0.
  let origin: ParameterVector
  private let rules: WalkRules
  private var walk: Walk

  /// The pool of a run of `plan` that begins at `origin`; nil where versions are told otherwise.
  init?(of plan: RunPlan, from origin: ParameterVector) {
    guard plan.tellsVersionsByPool, let settings = plan.training.zerothOrder else { return nil }
    self.origin = origin
    rules = settings.walkRules(of: origin.layout)
    walk = Walk(key: plan.stepDirections(settings.distribution).key, steps: [])
  }

  /// All that was learned, as it travels and as it is stored.
  var payload: Payload {
    Payload(DirectionsUpdate(walks: [walk]).payload(for: origin.layout))
  }

  /// The adapter.
  ///
  /// - Throws: for what was restored and has rates, which no coefficient of a pool has.
  var adapter: ParameterVector {
    get throws(UpdateError) {
      var adapter = origin
      try rules.follow(DirectionsUpdate(walks: [walk]), &adapter)
      return adapter
    }
  }

  /// Learns a version's mean.
  mutating func add(_ update: DirectionsUpdate) {
    walk = Walk.merged([(walk, 1)] + update.walks.map { ($0, 1) })
  }

  /// Takes what another has learned in place of its own.
  ///
  /// - Throws: for bytes that are not one walk for this layout.
  mutating func restore(_ bytes: [UInt8]) throws(UpdateError) {
    let update = try DirectionsUpdate(bytes, layout: origin.layout)
    guard let walk = update.walks.first, update.walks.count == 1 else {
      throw .walkCount(expected: 1, found: update.walks.count)
    }
    guard walk.key == self.walk.key else { throw .foreignDirections }
    self.walk = walk
  }
}

extension RunPlan {
  /// Whether versions are told as what a pool of directions has learned.
  var tellsVersionsByPool: Bool {
    updates.steps == .upAndDown && training.zerothOrder?.source.count != nil
  }
}
