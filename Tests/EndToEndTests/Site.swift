// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A folder with certificates, data and a run file for a tiny model, and the programs to use them.
///
/// Whatever was started is ended when the site goes, and the folder is removed.
final class Site {
  let folder: String
  private var processes: [Process] = []
  private var proxies: [FaultyProxy] = []
  private let guardian = Pipe()

  static let workers = ["worker-1", "worker-2", "worker-3"]

  /// - Parameter certificates: whether there are an authority and the workers' certificates.
  init(
    versions: Int = 4, localSteps: Int = 3, heartbeat: Int = 500, certificates: Bool = true
  ) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "tern-e2e-\(UUID())").path
    try FileManager.default.createDirectory(
      atPath: folder + "/data", withIntermediateDirectories: true)
    for (index, worker) in Self.workers.enumerated() {
      try write(rows(of: index), to: "data/\(worker).jsonl")
    }
    try write(rows(of: 3), to: "data/held-out.jsonl")
    try write(runFile(versions, localSteps: localSteps, heartbeat: heartbeat), to: "run.yaml")
    try startGuardian()
    guard certificates else { return }
    try run("tern", ["certificates", "create", "localhost", "127.0.0.1"])
    for worker in Self.workers { try run("tern", ["certificates", "issue", worker]) }
  }

  /// A shell that ends what is left when this process is gone, however it went.
  ///
  /// It is told numbers of processes, and looks at whether they still are those of this site.
  private func startGuardian() throws {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = [
      "-c",
      """
      while read -r one; do all="$all $one"; done
      for one in $all; do
        [ "$(readlink /proc/$one/cwd)" = "$PWD" ] && kill -9 $one
      done
      """,
    ]
    process.currentDirectoryURL = URL(filePath: folder)
    process.standardInput = guardian
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    for proxy in proxies { proxy.end() }
    for process in processes where process.isRunning {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try? guardian.fileHandleForWriting.close()
    try? FileManager.default.removeItem(atPath: folder)
  }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  func bytes(of name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
  }

  func text(of name: String) -> String {
    (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
  }

  // MARK: Programs

  /// Runs a program to its end; gives its exit code and what it printed.
  @discardableResult
  func run(
    _ program: String, _ arguments: [String], expecting code: Int32? = 0
  ) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = Self.programs.appending(path: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: folder)
    process.standardInput = FileHandle.nullDevice
    let log = "\(UUID()).log"
    try write("", to: log)
    let handle = try #require(FileHandle(forWritingAtPath: "\(folder)/\(log)"))
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    process.waitUntilExit()
    let output = text(of: log)
    if let code {
      #expect(process.terminationStatus == code, "\(program) \(arguments): \(output)")
    }
    return (process.terminationStatus, output)
  }

  /// Starts a program; what it says goes to `NAME.log`.
  ///
  /// - Parameter shell: what `sh` does before it becomes the program.
  func start(
    _ program: String, _ arguments: [String], log name: String, shell: String? = nil
  ) throws -> Process {
    let path = "\(folder)/\(name).log"
    if !FileManager.default.fileExists(atPath: path) { try write("", to: "\(name).log") }
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    let process = Process()
    let executable = Self.programs.appending(path: program)
    process.executableURL = shell == nil ? executable : URL(filePath: "/bin/sh")
    process.arguments =
      (shell.map { ["-c", $0 + "; exec \"$0\" \"$@\"", executable.path] } ?? []) + arguments
    process.currentDirectoryURL = URL(filePath: folder)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    processes.append(process)
    guardian.fileHandleForWriting.write(Data("\(process.processIdentifier)\n".utf8))
    return process
  }

  /// Starts the coordinator, always by the same command.
  func startCoordinator(shell: String? = nil) async throws -> Process {
    let process = try launchCoordinator(shell: shell)
    try await wait("the coordinator listens") {
      #expect(process.isRunning, "\(text(of: "coordinator.log"))")
      return !process.isRunning || port != nil
    }
    return process
  }

  /// Starts the coordinator and does not wait.
  func launchCoordinator(shell: String? = nil) throws -> Process {
    try start("tern-coordinator", ["run.yaml"], log: "coordinator", shell: shell)
  }

  /// Where the coordinator listens, as it wrote down.
  var port: Int? { Self.port(in: folder) }

  private static func port(in folder: String) -> Int? {
    let path = "\(folder)/runs/tiny/endpoint"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8), text.hasSuffix("\n") else {
      return nil
    }
    return text.dropLast().split(separator: ":").last.flatMap { Int($0) }
  }

  /// - Parameter port: where it looks for its coordinator, unless it is where that listens.
  func startWorker(
    _ name: String, port: Int? = nil, arguments: [String] = [], shell: String? = nil
  ) throws -> Process {
    try start(
      "tern-worker",
      [
        "--coordinator", "127.0.0.1:\(port ?? self.port ?? 0)",
        "--certificates", "certificates/workers/\(name)",
        "--model", Self.model, "--data", "data/\(name).jsonl", "--threads", "1",
      ] + arguments, log: name, shell: shell)
  }

  /// A proxy for the coordinator, wherever it listens.
  func makeProxy(latency: Duration = .zero) throws -> FaultyProxy {
    let proxy = try FaultyProxy(latency: latency) { [folder] in Self.port(in: folder) ?? 0 }
    proxies.append(proxy)
    return proxy
  }

  // MARK: The run

  static let adapter = "runs/tiny/adapter/adapter_model.safetensors"

  /// The run's newest version, as the end of its metrics tells it.
  var version: Int {
    guard let file = FileHandle(forReadingAtPath: "\(folder)/runs/tiny/metrics.jsonl") else {
      return 0
    }
    let end = (try? file.seekToEnd()) ?? 0
    try? file.seek(toOffset: end - min(end, 20_000))
    let text = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    return text.matches(of: /"committed":\{.*?"version":([0-9]+)/)
      .compactMap { Int($0.1) }.max() ?? 0
  }

  /// How many lines of a file hold all of `words`.
  func lineCount(of name: String, with words: String...) -> Int {
    text(of: name).split(separator: "\n").count { line in words.allSatisfy { line.contains($0) } }
  }

  /// Makes the run in a process for the coordinator and one for each worker, which has `arguments`
  /// beside its usual ones, and waits for all of them.
  func runInProcesses(
    arguments: (_ worker: String) -> [String] = { _ in [] }
  ) async throws {
    let coordinator = try await startCoordinator()
    let workers = try Self.workers.map { try startWorker($0, arguments: arguments($0)) }
    try await wait("the run ends") { !coordinator.isRunning }
    #expect(coordinator.terminationStatus == 0, "\(text(of: "coordinator.log"))")
    for worker in workers { try await wait("a worker ends") { !worker.isRunning } }
  }

  /// The adapter of the same run without any disturbance.
  func undisturbedAdapter() throws -> Data {
    try run("tern", ["simulate", "run.yaml", "--output", "simulated"])
    return try bytes(of: "simulated/adapter/adapter_model.safetensors")
  }

  /// Starts a worker by the line of an invitation; it knows nothing else of the coordinator, and
  /// keeps what is its own in a folder that nobody else looks into.
  func startWorker(_ name: String, joiningBy line: String) throws -> Process {
    try start(
      "tern-worker",
      [
        "--join", line, "--model", Self.model, "--data", "data/\(name).jsonl", "--threads", "1",
        "--certificates", "\(name)/certificate", "--state", "\(name)/state",
      ], log: name)
  }

  /// Waits until `condition` holds; the test's own time limit ends it otherwise.
  func wait(_ what: String, until condition: () throws -> Bool) async throws {
    while try !condition() { try await Task.sleep(for: .milliseconds(5)) }
  }

  static let model = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/models/llama-gqa-tied").path

  /// The programs are built beside the tests.
  private static let programs: URL = {
    let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: own ?? "").deletingLastPathComponent()
  }()

  // MARK: Contents

  private func rows(of index: Int) -> String {
    let words = ["crown", "ghost", "sword", "skull", "queen", "arras", "river", "poison"]
    return (0..<24).map { row in
      let word = words[(row * (index + 3) + index) % words.count]
      return #"{"prompt": "Speak of the \#(word), line \#(row):", "completion": " \#(word)", "#
        + #""choices": [" \#(word)", " nothing at all"]}"#
    }.joined(separator: "\n")
  }

  private func runFile(_ versions: Int, localSteps: Int, heartbeat: Int) -> String {
    """
    run: tiny
    seed: 3
    model: \(Self.model)
    adapter: {rank: 4, alpha: 8}
    training: {local-steps: \(localSteps), batch-size: 4, learning-rate: 1e-2}
    updates:
      up: {codec: ternary, density: 0.1}
      down: {codec: ternary, density: 0.3}
    rounds: {versions: \(versions), workers: 3, deadline: 120s}
    validation: {data: data/held-out.jsonl}
    coordinator: {host: 127.0.0.1, port: 0, heartbeat: \(heartbeat)ms}
    workers:
      - {name: worker-1, data: data/worker-1.jsonl}
      - {name: worker-2, data: data/worker-2.jsonl}
      - {name: worker-3, data: data/worker-3.jsonl}
    threads: 1
    """
  }
}
