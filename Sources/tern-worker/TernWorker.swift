// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Digests
import Federation
import Foundation
import Messages
import Network
import Programs
import RunFiles
import Training

/// Takes part in a run with data that stays here.
@main
struct TernWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tern-worker",
    abstract: "Take part in a run with a model and data that stay on this machine.",
    discussion: """
      With --join it makes its key here, and asks the coordinator of the line that 'tern \
      certificates invite NAME' printed for a certificate; the same command starts it again. \
      Without --join the folder of --certificates must hold a certificate already, as 'tern \
      certificates issue NAME' makes one. Killed and started again, the worker goes on where it was.
      """)

  @Option(help: ArgumentHelp("The line by which this worker was invited.", valueName: "line"))
  var join: String?

  @Option(
    help: ArgumentHelp(
      "Where the coordinator listens, when that is not in an invitation.",
      valueName: "host:port"))
  var coordinator: String?

  @Option(
    help: ArgumentHelp(
      "The folder with this worker's certificate; with --join, certificates/workers/NAME when not "
        + "given."),
    completion: .directory)
  var certificates: String?

  @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
  var model: String

  @Option(help: "The data: a file of JSON lines.", completion: .file(extensions: ["jsonl"]))
  var data: String

  @Flag(
    help: """
      Tell the coordinator the SHA-256 of the data's file: by it a run with 'parallel: signs' finds \
      who has the same data.
      """)
  var shareDataDigest = false

  @Option(help: "Where to remember what messages left out.", completion: .directory)
  var state = "state"

  @Option(help: "How many threads compute; all processors when not given.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "The most memory that a step of training may take, as 600MB; the less it is, the more is "
        + "computed twice. What is learned does not depend on it, but in a mixed run without --method.",
      valueName: "size"))
  var memory: ByteSize?

  @Option(
    help: ArgumentHelp(
      "How to learn in a mixed run, gradient or zeroth-order; by gradients when not given, unless "
        + "that takes more than --memory.", valueName: "method"))
  var method: TrainingMethod?

  @Option(
    help: ArgumentHelp(
      "How long to look for a coordinator that cannot be reached: 90s, 10m, 2h.",
      valueName: "time"))
  var giveUpAfter = Interval.hour

  @OptionGroup var logging: LogOptions

  func validate() throws {
    if join == nil, coordinator == nil || certificates == nil {
      throw ValidationError("give --join, or both --coordinator and --certificates")
    }
    if let coordinator, Endpoint(coordinator) == nil {
      throw ValidationError("'\(coordinator)' is not host:port")
    }
    guard threads ?? 1 > 0 else { throw ValidationError("--threads must be positive") }
  }

  func run() async throws {
    keepMemoryWarm()
    try await reportingErrors {
      let log = logging.logger("worker")
      let limit = giveUpAfter.duration
      // Before anybody is asked: what is wrong with it should not cost an invitation.
      let model = try LoadedModel(path: model)
      let identity = try await stoppingOnSignals {
        [join, coordinator, certificates] in
        try await WorkerIdentity(
          join: join, coordinator: coordinator, certificates: certificates, givingUpAfter: limit,
          log: log)
      }
      let client = try TLSClient(
        host: identity.coordinator.host, port: identity.coordinator.port,
        credentials: identity.credentials, logger: log)
      let worker = try WorkerProgram(
        certificate: identity.credentials.certificatePath, model: model, data: data,
        sharesDataDigest: shareDataDigest, stateFolder: state,
        threadCount: threads ?? processorCount,
        memoryLimit: memory?.byteCount, method: method, log: log)
      let pool = ComputePool(threadCount: 1)
      let finished = try await stoppingOnSignals {
        try await worker.run(over: client, pool: pool, givingUpAfter: limit)
      }
      if let failure = finished.outcome { throw FederationError.runFailed(failure) }
      print("the run is over: version \(finished.version), \(finished.state.short)")
    }
  }
}
