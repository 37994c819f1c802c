// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Digests
public import Federation
internal import Foundation
public import Logging
internal import Messages
internal import Models
public import Network
internal import Rounds
public import RunFiles
internal import Runs
internal import Tensors
internal import Training

/// A coordinator as a run file describes it: opened, served, exported.
public struct CoordinatorProgram: Sendable {
  /// The run file.
  public let file: RunFile
  /// The folder of this run.
  public let folder: String
  private let model: LoadedModel
  private let log: Logger

  /// Prepares the run of `file`; `folder` is where it is kept, by default `runs/NAME`.
  public init(
    file: RunFile, model: LoadedModel, folder: String? = nil, log: Logger
  ) throws {
    self.file = file
    self.folder = folder ?? "\(file.coordinator.runs)/\(file.plan.run)"
    self.model = model
    self.log = log
    do {
      try FileManager.default.createDirectory(
        atPath: self.folder, withIntermediateDirectories: true)
    } catch {
      throw InputError("cannot make the run's folder \(self.folder); make its parent writable")
    }
  }

  /// Serves the run over `transport` until it is over, and writes its adapter.
  ///
  /// - Parameters:
  ///   - refusals: who the transport turns away by itself.
  ///   - opened: called when the run is this process's and no other's, before anybody is served.
  public func run(
    over transport: any ServerTransport, pool: ComputePool,
    refusals: AsyncStream<ConnectionRefusal>? = nil, opened: () throws -> Void = {}
  ) async throws -> Result {
    let adapted = try model.adapted(by: file.plan)
    let identity = try Coordinator.Identity(
      model: model.checkpoint.digest(), layout: adapted.layout, plan: file.plan,
      heartbeatInterval: file.coordinator.heartbeat)
    let evaluate = try file.validation.map {
      try model.evaluation(data: $0.data, plan: file.plan)
    }
    let coordinator = try openCoordinator(
      of: file.plan, identity: identity, at: .folder(folder),
      initialAdapter: adapted.initialAdapter(),
      evaluateEvery: file.validation.map(\.every) ?? -1, now: .now)
    try opened()
    let reporter = try RunReporter(metricsPath: "\(folder)/metrics.jsonl")
    let service = CoordinatorService(
      coordinator: consume coordinator, transport: transport, pool: pool, evaluate: evaluate,
      log: log,
      observe: { reporter.observe($0) })
    let adapterFolder = "\(folder)/adapter"
    let outcome = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await show(service, on: reporter) }
      if let refusals {
        group.addTask {
          for await refusal in refusals {
            reporter.observe(.refused(name: refusal.name, reason: refusal.reason))
          }
        }
      }
      defer {
        group.cancelAll()
        reporter.finish()
      }
      return try await service.run { [model] outcome, adapter in
        guard outcome.failure == nil else { return }
        try model.write(adapter, of: adapted, to: adapterFolder)
      }
    }
    if let failure = outcome.failure { throw FederationError.runFailed(failure) }
    return Result(outcome: outcome, adapterFolder: adapterFolder, summary: reporter.summary)
  }

  /// What a run that came to its end leaves.
  public struct Result: Sendable {
    /// How it ended.
    public let outcome: Coordinator.RunOutcome
    /// The adapter, as PEFT reads it.
    public let adapterFolder: String
    /// The run in numbers.
    public let summary: RunTally
  }
}

/// Keeps the reporter's view of who is awaited fresh: the time that is left, and the workers' steps,
/// change without an event that could be waited for.
private func show(_ service: CoordinatorService, on reporter: RunReporter) async throws {
  while true {
    try await Task.sleep(for: .milliseconds(500))
    let activities = await service.activities.mapValues { "step \($0.step)/\($0.stepCount)" }
    reporter.show(
      await service.status, activities: activities, measuring: await service.measuring, at: .now)
  }
}

/// A coordinator's listener, as its run file and certificates describe it.
///
/// One that may take any port takes the one it had before, where its workers look for it.
func makeServer(
  for file: RunFile, folder: String, passphrase: Passphrase?, log: Logger
) async throws -> TLSServer {
  let certificates = file.coordinator.certificates
  let credentials = Credentials(coordinatorFolder: certificates)
  let registrar = try Registrar(folder: certificates, passphrase: passphrase)
  if let obstacle = registrar.signingObstacle {
    log.notice(
      "nobody can join, and no certificate be renewed", metadata: ["reason": "\(obstacle)"])
  }
  let host = file.coordinator.host
  let known = try? String(contentsOfFile: "\(folder)/endpoint", encoding: .utf8)
  if file.coordinator.port == 0, let earlier = known.flatMap({ Endpoint(String($0.dropLast())) }) {
    do {
      return try await TLSServer(
        host: host, port: earlier.port, credentials: credentials, registrar: registrar, logger: log)
    } catch NetworkError.cannotListen(let address, let reason) {
      log.warning(
        "listening elsewhere than before",
        metadata: ["before": "\(address)", "reason": "\(reason)"])
    }
  }
  return try await TLSServer(
    host: host, port: file.coordinator.port, credentials: credentials, registrar: registrar,
    logger: log)
}
