// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Federation
import Foundation
import Network
import Programs
import Training

/// The command `tern demo`.
struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune a real model on real text: a coordinator and some workers, over TLS.",
    discussion: """
      Definitions from WordNet are shared out unevenly among the workers, none of which sees \
      another's. Each learns to name the topic of a definition and sends a ternary update of \
      about a hundredth of what it learned; by the method zeroth-order it runs forward alone, and \
      sends losses. Processes on this machine authenticate each other with certificates made for \
      the occasion.
      """)

  @Option(help: "SmolLM2-135M-Instruct, or another checkpoint.", completion: .file())
  var model: String

  @Option(help: "WordNet's nouns, as Debian's wordnet-base installs them.", completion: .file())
  var wordnet = WordNet.debianPath

  @Option(help: "A folder for the demo's files, which must not exist yet.", completion: .directory)
  var folder = "demo"

  @Option(help: "How to learn.")
  var method = TrainingMethod.gradient

  @Option(help: "How many workers; 3 with gradients and 4 with losses if not given.")
  var workers: Int?

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp("Change one key of the demo's run file.", valueName: "a.b=c"))
  var overrides: [String] = []

  func validate() throws {
    guard (1...64).contains(workers ?? 1) else { throw ValidationError("--workers is 1 to 64") }
  }

  func run() async throws {
    try await reportingErrors {
      let site = try DemoSite(
        folder: folder, model: model, wordnet: wordnet, method: method, workerCount: workers,
        overrides: overrides)
      print(
        "prepared \(folder): certificates, data of \(site.workerCount) workers, held-out data, "
          + "run file")
      // The coordinator prints to the same place.
      fflush(nil)
      let before = processorSeconds(withChildren: true)
      let fleet = try LocalFleet(runFile: site.runFile, overrides: overrides)
      try await stoppingOnSignals { try await fleet.run() }
      try site.printSummary(processorSeconds: processorSeconds(withChildren: true) - before)
    }
  }
}
