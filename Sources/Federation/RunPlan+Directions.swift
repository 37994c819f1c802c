// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Randomness
public import Rounds
public import Tensors
internal import Training
public import Updates

extension RunPlan {
  /// Where all comes from that a worker draws while it learns.
  public func seed(of worker: WorkerID) -> Seed {
    Seed(seed).derived("worker/\(worker.rawValue)")
  }

  /// Where the order of the examples comes from in which a worker takes them.
  ///
  /// - Parameter data: the digest of its data: where signs are split, all who have the same take the
  ///   same batches. Nil if it does not say.
  public func seedOfOrder(of worker: WorkerID, data: Digest?) -> Seed {
    guard training.sharedSteps?.parallelism == .signs, let data else { return seed(of: worker) }
    return Seed(seed).derived("data/\(data)")
  }

  /// The directions that a worker walks along, as `source` says: its own, or those of the run.
  public func directions(
    of worker: WorkerID, from source: DirectionSource,
    drawnFrom distribution: Directions.Distribution
  ) -> Directions {
    switch source {
    case .own: Directions(of: seed(of: worker), distribution: distribution)
    case .shared, .pool: stepDirections(distribution)
    }
  }
}
