// SPDX-License-Identifier: Apache-2.0
internal import Federation
public import Logging
internal import Rounds
public import RunFiles

/// Runs the coordinator and all workers of a run file in this process: the same engine, the same
/// messages, one base model in memory.
public func simulate(
  _ file: RunFile, folder: String, log: Logger
) async throws -> CoordinatorProgram.Result {
  guard !file.workers.isEmpty else {
    throw InputError("the run file lists no 'workers' to simulate; give each a name and data")
  }
  let model = try LoadedModel(path: file.model)
  let pool = ComputePool(threadCount: file.threadCount ?? processorCount)
  let transport = InProcessTransport()
  let coordinator = try CoordinatorProgram(file: file, model: model, folder: folder, log: log)
  let workers = try file.workers.map { site in
    guard let id = WorkerID(rawValue: site.name) else {
      throw InputError("'\(site.name)' is not a worker's name")
    }
    return try (
      site.name,
      WorkerProgram(
        id: id, model: model, data: site.data, sharesDataDigest: true,
        stateFolder: "\(folder)/workers", method: site.method, log: log)
    )
  }
  return try await withThrowingTaskGroup(of: CoordinatorProgram.Result?.self) { group in
    group.addTask { try await coordinator.run(over: transport, pool: pool) }
    for (name, worker) in workers {
      group.addTask {
        _ = try await worker.run(over: transport.client(name), pool: pool)
        return nil
      }
    }
    defer { group.cancelAll() }
    while let result = try await group.next() {
      if let result { return result }
    }
    throw CancellationError()
  }
}
