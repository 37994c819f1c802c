// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Federation
import Programs
import RunFiles
import Simulation

/// The command `tern simulate`.
struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a run file's coordinator and workers in this process, or simulate faults.",
    discussion: """
      With a run file: the same engine, the same messages and the same bits as over the network; \
      the base model is in memory once.

      With --faults: small made-up runs in virtual time, without a run file, in which processes \
      are killed and stopped, connections cut, messages delayed, repeated and damaged, and clocks \
      put, all drawn from a seed. Everything that Tern promises is asked all the time. The exit \
      code is 1 when a promise is broken; the seed repeats it exactly.
      """)

  @Argument(help: "The run file (YAML).", completion: .file(extensions: ["yaml", "yml"]))
  var runFile: String?

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp("Change one key of the run file; may be repeated.", valueName: "a.b=c"))
  var overrides: [String] = []

  @OptionGroup var logging: LogOptions

  @Option(name: .shortAndLong, help: "The folder of the run; runs/NAME.simulated if not given.")
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Simulate faults from these seeds: 7, 0..1000 (without 1000), or 0.. until interrupted.",
      valueName: "seeds"))
  var faults: SeedRange?

  @Option(
    help: ArgumentHelp(
      "With --faults: simulate runs by steps, in which losses travel, of so many versions.",
      valueName: "versions"))
  var steps: Int?

  @Flag(help: "Print all that happens in the simulation of one seed.")
  var trace = false

  @Option(help: "How --faults reports: text or json.")
  var format = OutputFormat.text

  func validate() throws {
    if (runFile == nil) == (faults == nil) {
      throw ValidationError("give either a run file or --faults SEEDS")
    }
    if trace, faults.map({ $0.end == $0.first + 1 }) != true {
      throw ValidationError("--trace needs --faults with one seed")
    }
    if let steps, faults == nil || !(1...1_000_000).contains(steps) {
      throw ValidationError("--steps needs --faults, and a number of versions from 1 on")
    }
  }

  func run() async throws {
    try await reportingErrors {
      if let faults {
        if let steps {
          trace
            ? try show(faults.first, steps: steps)
            : try await simulateSteps(faults, versionCount: steps)
        } else {
          trace ? try show(faults.first) : try await simulate(faults)
        }
      } else if let runFile {
        try await simulate(RunFile(path: runFile, overrides: overrides))
      }
    }
  }

  private func simulate(_ file: RunFile) async throws {
    let folder = output ?? "\(file.coordinator.runs)/\(file.plan.run).simulated"
    let log = logging.logger("simulate")
    let result = try await stoppingOnSignals {
      try await Programs.simulate(file, folder: folder, log: log)
    }
    print("adapter: \(result.adapterFolder)")
  }

  private func simulate(_ seeds: SeedRange) async throws {
    let report = try await stoppingOnSignals {
      try await simulateFaults(seeds, threadCount: processorCount)
    }
    try printResult(of: "simulate faults", as: format, report) { report.text }
    if report.failure != nil { throw ProgramExit.runFailed }
  }

  private func simulateSteps(_ seeds: SeedRange, versionCount: Int) async throws {
    let report = try await stoppingOnSignals {
      try await simulateStepFaults(
        seeds, versionCount: versionCount, threadCount: processorCount)
    }
    try printResult(of: "simulate faults by steps", as: format, report) { report.text }
    if report.failure != nil { throw ProgramExit.runFailed }
  }

  private func show(_ seed: UInt64) throws {
    let simulation = FaultSimulation(seed: seed, isWritten: true)
    try show(simulation.lines, simulation.violation, of: seed)
  }

  private func show(_ seed: UInt64, steps: Int) throws {
    let simulation = StepFaultSimulation(seed: seed, versionCount: steps, isWritten: true)
    try show(simulation.lines, simulation.violation, of: seed)
  }

  private func show(_ lines: [String], _ violation: String?, of seed: UInt64) throws {
    for line in lines { print(line) }
    if let violation {
      print("seed \(seed): \(violation)")
      throw ProgramExit.runFailed
    }
  }
}
