// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
internal import Network
internal import RunFiles
internal import Training

/// The coordinator and the workers of a run file as processes of this machine.
public struct LocalFleet: Sendable {
  private let runFile: String
  private let overrides: [String]
  private let file: RunFile
  private let programs: String

  /// The fleet of the run file at `runFile`.
  ///
  /// The programs are looked for beside the one that runs.
  public init(runFile: String, overrides: [String]) throws {
    self.runFile = runFile
    self.overrides = overrides
    file = try RunFile(path: runFile, overrides: overrides)
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    programs = URL(filePath: own).deletingLastPathComponent().path
    for program in ["tern-coordinator", "tern-worker"]
    where !FileManager.default.isExecutableFile(atPath: "\(programs)/\(program)") {
      throw InputError("\(program) is not beside \(own); build it with 'swift build'")
    }
  }

  /// Starts all of them and waits until the coordinator has ended; none is left behind.
  public func run() async throws {
    let folder = "\(file.coordinator.runs)/\(file.plan.run)"
    let endpoint = "\(folder)/endpoint"
    try? FileManager.default.removeItem(atPath: endpoint)
    let coordinator = try start(
      "tern-coordinator", [runFile] + overrides.flatMap { ["--set", $0] }, log: nil)
    var processes = [coordinator]
    defer { for process in processes where process.isRunning { process.terminate() } }
    let address = try await address(at: endpoint, of: coordinator)
    for worker in file.workers {
      processes.append(
        try start(
          "tern-worker",
          try identity(of: worker.name, at: address) + [
            "--model", file.model, "--data", worker.data, "--state", "\(folder)/workers",
            "--threads", "\(file.threadCount ?? processorCount)",
          ] + (worker.method.map { ["--method", $0.rawValue] } ?? []),
          log: "\(folder)/\(worker.name).log"))
    }
    try await wait(for: coordinator, named: "the coordinator")
    // A worker that missed the last message would look for its coordinator for an hour.
    let limit = ContinuousClock.now + .seconds(30)
    for (process, worker) in zip(processes.dropFirst(), file.workers) {
      try await wait(
        for: process, named: "\(worker.name) (see \(folder)/\(worker.name).log)", until: limit)
    }
  }

  /// How a worker gets its certificate: by an invitation, unless it has one already.
  private func identity(of worker: String, at address: String) throws -> [String] {
    let folder = "\(file.coordinator.certificates)/workers/\(worker)"
    if FileManager.default.fileExists(atPath: "\(folder)/worker.pem") {
      return ["--coordinator", address, "--certificates", folder]
    }
    guard let endpoint = Endpoint(address) else {
      throw InputError("the coordinator listens at '\(address)', which is no address")
    }
    let invitation = try Registrar(folder: file.coordinator.certificates)
      .invite(worker, host: endpoint.host, port: endpoint.port)
    return ["--join", invitation.line, "--certificates", folder]
  }

  private func start(_ program: String, _ arguments: [String], log: String?) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "\(programs)/\(program)")
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    if let log {
      guard FileManager.default.createFile(atPath: log, contents: nil),
        let handle = FileHandle(forWritingAtPath: log)
      else { throw InputError("cannot write \(log); make its folder writable") }
      process.standardOutput = handle
      process.standardError = handle
    }
    try process.run()
    return process
  }

  /// The address that the coordinator wrote down once it listened.
  private func address(at path: String, of coordinator: Process) async throws -> String {
    while true {
      if let text = try? String(contentsOfFile: path, encoding: .utf8), text.hasSuffix("\n") {
        return String(text.dropLast())
      }
      guard coordinator.isRunning else {
        throw InputError("the coordinator ended before it listened; see what it said above")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  private func wait(
    for process: Process, named name: String, until limit: ContinuousClock.Instant? = nil
  ) async throws {
    while process.isRunning {
      if let limit, .now > limit { throw InputError("\(name) did not end with the run") }
      try await Task.sleep(for: .milliseconds(50))
    }
    guard process.terminationStatus == 0 else {
      throw InputError("\(name) ended with exit code \(process.terminationStatus)")
    }
  }
}
