// SPDX-License-Identifier: Apache-2.0
public import Randomness
public import Rounds
public import Tensors

extension RunPlan {
  /// Where all comes from that a worker draws while it learns.
  public func seed(of worker: WorkerID) -> Seed {
    Seed(seed).derived("worker/\(worker.rawValue)")
  }

  /// The directions of a worker, which are nobody else's: so the errors of what is learned along them
  /// are averaged out with the updates.
  public func directions(
    of worker: WorkerID, drawnFrom distribution: Directions.Distribution
  ) -> Directions {
    Directions(of: seed(of: worker), distribution: distribution)
  }
}
