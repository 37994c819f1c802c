// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Network

/// Rounds over real TLS on loopback, with random payloads instead of training: what a round costs
/// beside the learning.
///
/// The coordinator and each worker are processes of their own; the coordinator keeps its run in a
/// folder, as any does, and syncs what it must not forget.
public struct RoundsBenchmark: Sendable {
  /// How many workers, each answering every round.
  public let workerCount: Int
  /// The bytes of an update, each way: an adapter of a quarter as many parameters.
  public let byteCount: Int
  /// How many rounds.
  public let roundCount: Int

  /// What was measured; times in seconds.
  public struct Report: Encodable, Sendable {
    /// How many workers took part.
    public var workers: Int
    /// The bytes of an update.
    public var payloadBytes: Int
    /// How many rounds there were.
    public var rounds: Int
    /// From the first assignment to the first commit.
    public var firstRoundSeconds: Double
    /// From one commit to the next: half of the rounds took no longer.
    public var roundSecondsMedian: Double
    /// From one commit to the next: of a hundred rounds, 99 took no longer.
    public var roundSecondsP99: Double
    /// Bytes on the sockets from the workers, for each worker and round.
    public var receivedBytesPerWorkerRound: Double
    /// Bytes on the sockets to the workers, for each worker and round.
    public var sentBytesPerWorkerRound: Double
    /// Processor time of a worker, for each round.
    public var workerProcessorSecondsPerRound: Double
    /// Processor time of the coordinator, for each round.
    public var coordinatorProcessorSecondsPerRound: Double
    /// The most memory that the coordinator ever had resident.
    public var coordinatorPeakResidentBytes: Int
    /// What it had resident after a tenth of the rounds.
    public var coordinatorResidentBytesEarly: Int
    /// What it had resident after the last round.
    public var coordinatorResidentBytesLate: Int
  }

  /// A benchmark of at least one worker and two rounds.
  public init(workerCount: Int, byteCount: Int, roundCount: Int) {
    self.workerCount = workerCount
    self.byteCount = byteCount
    self.roundCount = roundCount
  }

  /// Runs it in a new folder below `folder`, which is gone afterwards.
  public func run(in folder: String) async throws -> Report {
    let site = "\(folder)/tern-benchmark-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: site) }
    let authority = try CertificateAuthority.create(
      in: "\(site)/certificates", names: ["127.0.0.1"])
    for worker in 1...workerCount { try authority.issue(workerName(worker)) }
    let fleet = ChildProcesses()
    defer { fleet.terminate() }
    try fleet.start(["benchmark", "serve", "\(roundCount)"] + shared(site))
    let port = try await awaitedPort(at: "\(site)/port", of: fleet)
    for worker in 1...workerCount {
      try fleet.start(["benchmark", "work", workerName(worker), "\(port)"] + shared(site))
    }
    try await fleet.wait()
    return try report(of: site)
  }

  private func shared(_ site: String) -> [String] {
    [site, "\(byteCount)", "\(workerCount)"]
  }

  private func awaitedPort(at path: String, of fleet: ChildProcesses) async throws -> Int {
    while true {
      if let port = (try? String(contentsOfFile: path, encoding: .utf8)).flatMap({ Int($0) }) {
        return port
      }
      try fleet.check()
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  private func report(of site: String) throws -> Report {
    func read<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
      try decode(type, from: Data(contentsOf: URL(filePath: "\(site)/\(name).json")))
    }
    let coordinator = try read(BenchmarkCoordinator.Report.self, "coordinator")
    let workers = try (1...workerCount).map {
      try read(BenchmarkWorker.Report.self, workerName($0))
    }
    let later = coordinator.roundSeconds.dropFirst().sorted()
    let workerRounds = Double(workerCount * roundCount)
    return Report(
      workers: workerCount, payloadBytes: byteCount, rounds: roundCount,
      firstRoundSeconds: coordinator.roundSeconds[0],
      roundSecondsMedian: later[later.count / 2],
      roundSecondsP99: later[min(later.count - 1, later.count * 99 / 100)],
      receivedBytesPerWorkerRound: workers.reduce(0) { $0 + Double($1.sentBytes) } / workerRounds,
      sentBytesPerWorkerRound: workers.reduce(0) { $0 + Double($1.receivedBytes) } / workerRounds,
      workerProcessorSecondsPerRound: workers.reduce(0) { $0 + $1.processorSeconds }
        / workerRounds,
      coordinatorProcessorSecondsPerRound: coordinator.processorSeconds / Double(roundCount),
      coordinatorPeakResidentBytes: coordinator.end.peakResidentBytes,
      coordinatorResidentBytesEarly: coordinator.early.residentBytes,
      coordinatorResidentBytesLate: coordinator.end.residentBytes)
  }
}

/// The name of a benchmark's worker.
private func workerName(_ number: Int) -> String { "worker-\(number)" }

/// Processes of the program that runs, all ended together.
private final class ChildProcesses {
  private var processes: [Process] = []

  func start(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    try process.run()
    processes.append(process)
  }

  /// Throws if one has failed.
  func check() throws {
    for process in processes where !process.isRunning && process.terminationStatus != 0 {
      throw InputError("a process of the benchmark failed; see what it said above")
    }
  }

  /// Waits until all have ended well.
  func wait() async throws {
    while processes.contains(where: \.isRunning) {
      try check()
      try await Task.sleep(for: .milliseconds(10))
    }
    try check()
  }

  func terminate() {
    for process in processes where process.isRunning { process.terminate() }
    for process in processes { process.waitUntilExit() }
  }
}
