// SPDX-License-Identifier: Apache-2.0
public import Randomness
public import Rounds
public import Tensors
public import Updates

extension RunPlan {
  /// Where all comes from that a worker draws while it learns.
  public func seed(of worker: WorkerID) -> Seed {
    Seed(seed).derived("worker/\(worker.rawValue)")
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
