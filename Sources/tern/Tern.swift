// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Everything that is not serving a run or taking part in one.
@main
struct Tern: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tern",
    abstract: "Fine-tune language models on machines that share little.",
    subcommands: [
      Demo.self, Simulate.self, Check.self, Runs.self, Certificates.self, Evaluate.self,
      TrainRate.self, Tokenize.self, Inspect.self, Benchmark.self,
    ])
}
