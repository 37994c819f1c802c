// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Digests
internal import Federation
internal import Foundation
public import Logging
internal import Messages
internal import Models
internal import Network
internal import Randomness
internal import Rounds
internal import Runs
internal import Synchronization
internal import Tensors
internal import Training
internal import Updates

/// What the parties of a benchmark know of it.
public struct BenchmarkSetting: Sendable {
  /// The folder with certificates, results and the run.
  public let folder: String
  /// The bytes of an update.
  public let byteCount: Int
  /// How many workers there are.
  public let workerCount: Int

  /// A setting of its parts.
  public init(folder: String, byteCount: Int, workerCount: Int) {
    self.folder = folder
    self.byteCount = byteCount
    self.workerCount = workerCount
  }

  /// Tensors of a quarter of a million parameters, and what is left; at least one parameter.
  var layout: ParameterLayout {
    let count = max(1, byteCount / MemoryLayout<Float>.size)
    let size = 1 << 18
    return ParameterLayout(
      stride(from: 0, to: count, by: size).map { ("block.\($0)", [min(size, count - $0)]) })
  }

  func plan(roundCount: Int) throws -> RunPlan {
    guard let run = RunID(rawValue: "benchmark") else { throw InputError("no name for the run") }
    return RunPlan(
      run: run, seed: 1,
      adapter: .lora(
        LoRAConfiguration(rank: 1, alpha: 1, targets: [.query], factors: .b, seed: 1)),
      data: nil, training: .gradient(GradientTraining()),
      updates: UpdatePlan(
        up: .dense, opening: .dense, openingVersionCount: 0, down: .dense,
        server: .sgd(learningRate: 1, momentum: 0)),
      rounds: RoundRules(
        versionCount: roundCount, cohortSize: workerCount, overSelection: 1,
        maximumFailedRounds: 1))
  }

  var model: Digest { Digest(of: Array("benchmark".utf8)) }

  func write(_ report: some Encodable, as name: String) throws {
    try Data(json(report).utf8).write(to: URL(filePath: "\(folder)/\(name).json"))
  }
}

/// The coordinator of a benchmark: a real one, with nothing to measure its versions on.
public struct BenchmarkCoordinator: Sendable {
  struct Report: Codable {
    var roundSeconds: [Double]
    var processorSeconds: Double
    var early: ProcessUsage
    var end: ProcessUsage
  }

  private struct Record {
    var last: ContinuousClock.Instant?
    var roundSeconds: [Double] = []
    var begin: Double?
    var early: Result<ProcessUsage, any Error>?
  }

  private let setting: BenchmarkSetting
  private let roundCount: Int

  /// A coordinator of so many rounds.
  public init(_ setting: BenchmarkSetting, roundCount: Int) {
    self.setting = setting
    self.roundCount = roundCount
  }

  /// Serves the rounds on a free port of loopback, and writes what they cost.
  public func run(log: Logger) async throws {
    keepMemoryFlat()
    let plan = try setting.plan(roundCount: roundCount)
    let identity = try Coordinator.Identity(
      model: setting.model, layout: setting.layout, plan: plan, heartbeatInterval: .seconds(5))
    let coordinator = try Coordinator(
      plan: plan, identity: identity, location: .folder("\(setting.folder)/run"),
      initialAdapter: ParameterVector(zerosOf: setting.layout), evaluateEvery: -1, now: .now)
    let server = try await TLSServer(
      host: "127.0.0.1", port: 0,
      credentials: Credentials(coordinatorFolder: "\(setting.folder)/certificates"), logger: log)
    try "\(server.port)".write(
      toFile: "\(setting.folder)/port", atomically: true, encoding: .utf8)
    let record = Mutex(Record())
    let service = CoordinatorService(
      coordinator: consume coordinator, transport: server, pool: ComputePool(threadCount: 1),
      evaluate: nil, log: log, observe: { event in record.withLock { note(event, in: &$0) } })
    _ = try await service.run()
    let end = try ProcessUsage.current()
    try record.withLock { record in
      guard let begin = record.begin, let early = record.early else {
        throw InputError("the benchmark had no rounds")
      }
      try setting.write(
        Report(
          roundSeconds: record.roundSeconds,
          processorSeconds: end.processorSeconds - begin, early: early.get(),
          end: end), as: "coordinator")
    }
  }

  private func note(_ event: RunEvent, in record: inout Record) {
    let now = ContinuousClock.now
    switch event {
    case .opened where record.last == nil:
      record.last = now
      record.begin = processorSeconds()
    case .committed(let commit):
      guard let last = record.last else { return }
      record.roundSeconds.append((now - last) / .seconds(1))
      record.last = now
      if commit.version == max(1, roundCount / 10) {
        record.early = Result { try ProcessUsage.current() }
      }
    default: break
    }
  }
}

/// A worker of a benchmark: a real one that learns random numbers.
public struct BenchmarkWorker: Sendable {
  struct Report: Codable {
    var processorSeconds: Double
    var sentBytes: Int
    var receivedBytes: Int
  }

  private let setting: BenchmarkSetting
  private let name: String
  private let port: Int

  /// The worker called `name`, of the coordinator at `port`.
  public init(_ setting: BenchmarkSetting, name: String, port: Int) {
    self.setting = setting
    self.name = name
    self.port = port
  }

  /// Works until the run is over, and writes what that cost.
  public func run(log: Logger) async throws {
    keepMemoryWarm()
    guard let id = WorkerID(rawValue: name) else {
      throw InputError("'\(name)' is not a worker's name")
    }
    let client = MeteredTransport(
      inner: try TLSClient(
        host: "127.0.0.1", port: port,
        credentials: Credentials(workerFolder: "\(setting.folder)/certificates/workers/\(name)"),
        logger: log))
    let learner = RandomLearner(layout: setting.layout, seed: Seed(1).derived(name))
    let service = WorkerService(
      resources: WorkerService.Resources(
        id: id, model: setting.model, memoryByteCount: UInt64(MachineMemory.byteCount),
        coreCount: processorCount, memory: nil, prepare: { _ in .learning(learner) }),
      transport: client, pool: ComputePool(threadCount: 1), seed: 1,
      givingUpAfter: .seconds(60), log: log)
    let begin = processorSeconds()
    _ = try await service.run()
    let traffic = client.traffic.withLock { $0 }
    try setting.write(
      Report(
        processorSeconds: processorSeconds() - begin,
        sentBytes: traffic.sent, receivedBytes: traffic.received), as: name)
  }
}

/// "Learns" random numbers, of which another one changes each round.
private final class RandomLearner: Learner {
  let layout: ParameterLayout
  private let values: Mutex<[Float]>

  var initialAdapter: ParameterVector { ParameterVector(zerosOf: layout) }

  init(layout: ParameterLayout, seed: Seed) {
    self.layout = layout
    var stream = RandomStream(seed)
    values = Mutex((0..<layout.count).map { _ in Float(stream.unit()) - 0.5 })
  }

  func train(
    from start: ParameterVector, version: Int, progress: (StepReport) throws -> Void
  ) throws -> TrainingResult {
    let values = values.withLock { values in
      // In place, unless the last ones are still in use.
      values[version * 7919 % values.count] += 0.25
      return values
    }
    return TrainingResult(
      delta: ParameterVector(layout: layout, values: values), exampleCount: 1, tokenCount: 1,
      loss: 1)
  }
}

/// A transport that counts what went over the sockets of all its sessions.
private final class MeteredTransport: ClientTransport {
  private let inner: TLSClient
  let traffic = Mutex(Traffic(received: 0, sent: 0))

  init(inner: TLSClient) { self.inner = inner }

  func withSession<Result: Sendable>(
    _ body: @Sendable (Session<CoordinatorMessage, WorkerMessage>) async throws -> Result
  ) async throws -> Result {
    try await inner.withSession { session in
      defer {
        let used = session.traffic()
        self.traffic.withLock {
          $0.received += used.received
          $0.sent += used.sent
        }
      }
      return try await body(session)
    }
  }

  func isPermanent(_ error: any Error) -> Bool { inner.isPermanent(error) }
}
