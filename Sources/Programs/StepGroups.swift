// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
public import Rounds
public import RunFiles
internal import Training

extension RunFile {
  /// Which of the listed workers evaluate one sign each of the same queries, two by two, because their
  /// files are the same; nil where signs are not split.
  public func signPairs() throws -> [[WorkerID]]? {
    guard let settings = plan.training.zerothOrder, settings.parallelism == .signs else {
      return nil
    }
    var workers: [WorkerID: Digest?] = [:]
    for site in workerSites { workers[site.id] = .some(try digestOfFile(at: site.data)) }
    return settings.stepRules(of: plan.rounds).groups(of: workers).filter { $0.count == 2 }
  }

  /// How many groups of workers have queries of their own in a step when all whom the run wants are
  /// there; a worker that is not listed has no partner.
  public func stepGroupCount() throws -> Int {
    let workerCount = plan.rounds.cohortSize
    if let pairs = try signPairs() { return max(1, workerCount - pairs.count) }
    let groupSize = min(plan.training.zerothOrder?.parallelism?.groupSize ?? 1, workerCount)
    return (workerCount + groupSize - 1) / groupSize
  }

  private var workerSites: [(id: WorkerID, data: String)] {
    workers.compactMap { site in WorkerID(rawValue: site.name).map { ($0, site.data) } }
  }
}
