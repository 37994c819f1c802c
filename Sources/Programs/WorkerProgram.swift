// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Digests
public import Federation
internal import Files
internal import Foundation
public import Logging
public import Messages
internal import Network
public import Rounds
internal import Tensors
public import Training

/// A worker with its model and data.
public struct WorkerProgram: Sendable {
  private let id: WorkerID
  private let model: LoadedModel
  private let data: String
  private let dataDigest: Digest?
  private let memory: DurableFile?
  private let threadCount: Int
  private let memoryLimit: Int?
  private let method: TrainingMethod?
  private let log: Logger

  /// A worker called `id`.
  ///
  /// - Parameters:
  ///   - data: its file of JSON lines.
  ///   - sharesDataDigest: whether it tells the coordinator the digest of that file, by which workers
  ///     with the same data are found; who has the file can then tell that it is the same.
  ///   - stateFolder: where it remembers what its messages left out; nil to forget.
  ///   - threadCount: how many threads compute a step of training.
  ///   - memoryLimit: the most bytes that a step of training may take; nil for as many as are useful.
  ///   - method: how it learns in a mixed run; nil for what its memory allows.
  public init(
    id: WorkerID, model: LoadedModel, data: String, sharesDataDigest: Bool, stateFolder: String?,
    threadCount: Int = 1, memoryLimit: Int? = nil, method: TrainingMethod? = nil, log: Logger
  ) throws {
    self.method = method
    self.threadCount = threadCount
    self.memoryLimit = memoryLimit
    self.id = id
    self.model = model
    self.data = data
    self.log = log
    guard FileManager.default.isReadableFile(atPath: data) else {
      throw InputError("cannot read the data file \(data); give a file of JSON lines")
    }
    dataDigest = sharesDataDigest ? try digestOfFile(at: data) : nil
    memory = try stateFolder.map { folder in
      do {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw InputError("cannot make the state folder \(folder); make its parent writable")
      }
      return DurableFile(path: "\(folder)/\(id).state")
    }
  }

  /// A worker that is called what its certificate, at `certificate`, says.
  public init(
    certificate: String, model: LoadedModel, data: String, sharesDataDigest: Bool,
    stateFolder: String?, threadCount: Int = 1, memoryLimit: Int? = nil,
    method: TrainingMethod? = nil, log: Logger
  ) throws {
    let name = try CertificateSummary(path: certificate).name
    guard let id = WorkerID(rawValue: name) else {
      throw InputError("the certificate \(certificate) is for '\(name)', which is no worker's name")
    }
    try self.init(
      id: id, model: model, data: data, sharesDataDigest: sharesDataDigest,
      stateFolder: stateFolder, threadCount: threadCount, memoryLimit: memoryLimit,
      method: method, log: log)
  }

  /// Works until the run is over.
  ///
  /// - Parameter limit: how long it looks for a coordinator that cannot be reached.
  public func run(
    over transport: any ClientTransport, pool: ComputePool,
    givingUpAfter limit: Duration = Interval.hour.duration
  ) async throws -> Finished {
    let service = WorkerService(
      resources: WorkerService.Resources(
        id: id, model: model.checkpoint.digest(), data: dataDigest,
        memoryByteCount: UInt64(MachineMemory.byteCount),
        coreCount: ProcessInfo.processInfo.activeProcessorCount, memory: memory,
        prepare: { [id, model, data, dataDigest, threadCount, memoryLimit, method, log] plan in
          let arithmetic = plan.arithmetic
          log.log(
            level: arithmetic == .bfloat16(nil) ? .warning : .notice,
            "computing in \(arithmetic)", metadata: ["threads": "\(threadCount)"])
          if let unit = BFloat16Unit.distrusted {
            log.warning(
              "this processor's unit for bfloat16 computes wrongly and is not used",
              metadata: ["unit": "\(unit.rawValue)"])
          }
          let (ability, own) = try model.ability(
            of: id, data: data, dataDigest: dataDigest, plan: plan, method: method,
            threadCount: threadCount, memory: memoryLimit)
          log.notice(
            own == .gradient ? "learning by gradients" : "learning by losses alone",
            metadata: ["chosen by": "\(plan.training.chooser(asked: method))"])
          if plan.training.sharedSteps?.parallelism == .signs, dataDigest == nil {
            log.warning(
              """
              evaluating both signs: without the digest of its data a worker has no partner; \
              give --share-data-digest, and a file
              """)
          }
          return ability
        }),
      transport: transport, pool: pool, seed: UInt64(ProcessInfo.processInfo.processIdentifier),
      givingUpAfter: limit, log: log)
    return try await service.run()
  }
}

extension TrainingPlan {
  /// What decided how a worker learns that was asked to do so by `method`.
  fileprivate func chooser(asked method: TrainingMethod?) -> String {
    guard gradient != nil, zerothOrder != nil else { return "the run" }
    return method == nil ? "its memory" : "the worker"
  }
}
