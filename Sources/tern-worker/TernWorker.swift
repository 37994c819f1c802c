// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Digests
import Federation
import Foundation
import Messages
import Network
import Programs

/// Takes part in a run with data that stays here.
@main
struct TernWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tern-worker",
    abstract: "Take part in a run with a model and data that stay on this machine.",
    discussion: """
      The certificate folder is what 'tern certificates issue NAME' made; the name in it is the \
      worker's. Killed and started again, the worker goes on where it was.
      """)

  @Option(help: ArgumentHelp("Where the coordinator listens.", valueName: "host:port"))
  var coordinator: String

  @Option(help: "The folder with this worker's certificate.", completion: .directory)
  var certificates: String

  @Option(help: "The checkpoint: a Hugging Face folder or a GGUF file.", completion: .file())
  var model: String

  @Option(help: "The data: a file of JSON lines.", completion: .file(extensions: ["jsonl"]))
  var data: String

  @Option(help: "Where to remember what messages left out.", completion: .directory)
  var state = "state"

  @Option(help: "How many threads compute.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "How long to look for a coordinator that cannot be reached: 90s, 10m, 2h.",
      valueName: "time"))
  var giveUpAfter = Interval.hour

  @OptionGroup var logging: LogOptions

  func validate() throws {
    guard Endpoint(coordinator) != nil else {
      throw ValidationError("'\(coordinator)' is not host:port")
    }
    guard threads ?? 1 > 0 else { throw ValidationError("--threads must be positive") }
  }

  func run() async throws {
    try await reportingErrors {
      guard let endpoint = Endpoint(coordinator) else { return }
      let log = logging.logger("worker")
      let credentials = Credentials(workerFolder: certificates)
      let client = try TLSClient(
        host: endpoint.host, port: endpoint.port, credentials: credentials, logger: log)
      let worker = try WorkerProgram(
        certificate: credentials.certificatePath, model: LoadedModel(path: model), data: data,
        stateFolder: state, log: log)
      let pool = ComputePool(threadCount: threads ?? processorCount)
      let limit = giveUpAfter.duration
      let finished = try await stoppingOnSignals {
        try await worker.run(over: client, pool: pool, givingUpAfter: limit)
      }
      if let failure = finished.outcome { throw FederationError.runFailed(failure) }
      print("the run is over: version \(finished.version), \(finished.state.short)")
    }
  }
}
