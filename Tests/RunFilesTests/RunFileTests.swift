// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Federation
import Models
import Rounds
import Tensors
import Testing
import Training
import Updates

@testable import RunFiles

@Suite struct RunFileTests {
  private static let least = "run: topics\nmodel: base\n"

  private func read(_ yaml: String, overrides: [String] = []) throws(RunFileError) -> RunFile {
    try RunFile(yaml: yaml, path: "run.yaml", folder: "/somewhere", overrides: overrides)
  }

  private func complaint(_ yaml: String, overrides: [String] = []) -> String {
    do {
      _ = try read(yaml, overrides: overrides)
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  private func lora(of plan: RunPlan) -> LoRAConfiguration? {
    if case .lora(let lora) = plan.adapter { lora } else { nil }
  }

  @Test func theShortestFileHasTheDocumentedDefaults() throws {
    let file = try read(Self.least)
    #expect(file.model == "/somewhere/base")
    let lora = try #require(self.lora(of: file.plan))
    #expect(lora.rank == 8 && lora.alpha == 16)
    #expect(lora.targets == Projection.allCases)
    #expect(file.plan.training == .gradient(GradientTraining()))
    #expect(file.plan.updates.up == .ternary(density: 0.05))
    #expect(file.plan.updates.down == .dense)
    #expect(file.plan.rounds.quorum == 1 && file.plan.rounds.deadline == .seconds(600))
    #expect(file.coordinator.port == 7070 && file.coordinator.runs == "/somewhere/runs")
    #expect(file.validation == nil && file.workers.isEmpty && file.threadCount == nil)
  }

  @Test func aWorkerWithoutMemoryDrawsItsUpdates() throws {
    let up = try read(Self.least + "updates: {up: {density: 0.1, memory: none}}").plan.updates.up
    #expect(up == .stochasticTernary(density: 0.1))
    let kept = try read(Self.least + "updates: {up: {memory: residual}}").plan.updates.up
    #expect(kept == .ternary(density: 0.05))
    #expect(
      complaint(Self.least + "updates: {up: {memory: all}}").contains("expected residual or none"))
    #expect(
      complaint(Self.least + "updates: {down: {memory: none}}").contains("updates.down.memory"))
  }

  @Test func everyKeyIsRead() throws {
    let file = try read(
      """
      run: all
      seed: 9
      model: /models/base
      adapter: {rank: 4, alpha: 2, targets: [v_proj, q_proj], factors: both}
      data: {prompt: "Q: {q}", completion: " {a}"}
      training: {local-steps: 2, batch-size: 3, learning-rate: 1e-4, warmup: 5,
        schedule: constant, weight-decay: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 1e-6,
        gradient-clip: 0, maximum-tokens: 64}
      updates:
        up: {codec: dense}
        opening: {versions: 2, codec: ternary, density: 0.2}
        down: {codec: ternary, density: 0.1}
        server: {optimizer: yogi, learning-rate: 0.1, tau: 0.01}
      rounds: {versions: 7, workers: 5, over-selection: 1.5, quorum: 3, minimum-workers: 4,
        deadline: 2m, absence-grace: 500ms, maximum-failures: 2, retry-delay: 1s}
      validation: {data: held.jsonl, every: 2}
      coordinator: {host: "::1", port: 0, certificates: c, runs: /r, heartbeat: 1s}
      workers: [{name: w1, data: a.jsonl}, {name: w2, data: /b.jsonl}]
      threads: 3
      compute: bf16
      quantize: nf4
      memory: 600MB
      """)
    let lora = try #require(self.lora(of: file.plan))
    #expect(lora.targets.count == 2 && lora.factors == .both)
    #expect(file.plan.data == DataPlan(prompt: "Q: {q}", completion: " {a}"))
    guard case .gradient(let training) = file.plan.training else {
      Issue.record("\(file.plan.training)")
      return
    }
    #expect(training.gradientClip == nil && training.schedule == .constant)
    #expect(file.plan.updates.upCodec(from: 1) == .ternary(density: 0.2))
    #expect(file.plan.updates.upCodec(from: 2) == .dense)
    #expect(
      file.plan.updates.server == .yogi(learningRate: 0.1, beta1: 0.9, beta2: 0.99, tau: 0.01))
    #expect(
      file.plan.rounds.versionCount == 7 && file.plan.rounds.absenceGrace == .milliseconds(500))
    #expect(file.validation == RunFile.Validation(data: "/somewhere/held.jsonl", every: 2))
    #expect(file.workers.map(\.data) == ["/somewhere/a.jsonl", "/b.jsonl"])
    #expect(file.threadCount == 3)
    #expect(file.plan.compute == .bf16 && file.plan.workerMemory == 600_000_000)
    #expect(file.plan.quantization == .nf4)
  }

  @Test(arguments: [
    ("[c_attn, c_fc]", [Projection.query, .key, .value, .up]),
    ("[c_proj]", [.output, .down]), ("[attn.c_proj]", [.output]),
    ("[out_proj, fc2, fc1]", [.output, .up, .down]), ("[v_proj, self_attn.v_proj]", [.value]),
  ])
  func targetsMayBeCalledWhatAFamilyCallsThem(list: String, targets: [Projection]) throws {
    let plan = try read(Self.least + "adapter: {targets: \(list)}\n").plan
    #expect(lora(of: plan)?.targets == targets)
  }

  @Test func trainingByLossesHasKeysOfItsOwn() throws {
    let usual = try read(Self.least + "training: {method: zeroth-order}\n").plan.training
    #expect(usual == .zerothOrder(ZerothOrderTraining()))
    #expect(usual.precision == nil)
    let all = try read(
      Self.least
        + "training: {method: zeroth-order, local-steps: 3, batch-size: 5, queries: 7, "
        + "learning-rate: 1e-2, schedule: cosine, perturbation: 1e-3, estimator: one-sided, "
        + "rule: adam, beta1: 0.8, beta2: 0.9, epsilon: 1e-6, clip: false, "
        + "distribution: gaussian, factors: both, objective: exact-match, maximum-tokens: 64}\n"
    ).plan.training
    #expect(
      all
        == .zerothOrder(
          ZerothOrderTraining(
            localSteps: 3, batchSize: 5, queryCount: 7, learningRate: 1e-2, schedule: .cosine,
            objective: .exactMatch,
            estimator: GradientEstimator(.oneSided, perturbation: 1e-3),
            rule: .adam(beta1: 0.8, beta2: 0.9, epsilon: 1e-6), clips: false,
            distribution: .gaussian, factors: .both, maximumTokens: 64)))
    #expect(all.precision == .f32, "bfloat16 leaves nothing of such differences")
    for (keys, complaint) in [
      ("warmup: 3", "unknown key 'training.warmup'"),
      ("estimator: one-sided, queries: 1", "'training.queries' is '1'"),
      ("rule: momentum, conservative: true", "expected false with momentum and adam"),
      ("perturbation: 0", "'training.perturbation' is '0'"),
      ("objective: rouge", "'training.objective' is 'rouge'"),
    ] {
      let found = self.complaint(
        Self.least + "training: {method: zeroth-order, \(keys)}\n")
      #expect(found.contains(complaint), "\(found)")
    }
    #expect(
      complaint(Self.least + "training: {queries: 3}\n").contains("unknown key 'training.queries'"))
  }

  @Test func anUnknownKeyNamesTheNearest() {
    #expect(
      complaint(Self.least + "trainig: {}\n")
        == "unknown key 'trainig' in the run file; did you mean 'training'?")
    #expect(
      complaint(Self.least + "training: {local-stesp: 3}\n")
        .contains("did you mean 'training.local-steps'?"))
    let known =
      complaint(Self.least + "training: {zzzzzzzz: 1}\n")
      .split(separator: ": ").last.map { $0.split(separator: ", ") } ?? []
    #expect(known.contains("warmup") && known.contains("queries"))
    #expect(Set(known).count == known.count, "\(known)")
    #expect(complaint(Self.least + "zzzzzzzz: 1\n").contains("known there: run, seed, model"))
    #expect(complaint(Self.least + "workers: [{nam: a}]\n").contains("'workers.0.name'?"))
  }

  @Test(arguments: [
    ("seed: -1", "'seed' is '-1'"),
    ("compute: f16", "'compute' is 'f16' in the run file; expected auto or bf16 or f32"),
    (
      "quantize: int4", "'quantize' is 'int4' in the run file; expected none or nf4 or int8 or bf16"
    ),
    ("memory: 600", "'memory' is '600' in the run file; expected a size such as 600MB"),
    ("adapter: {rank: many}", "'adapter.rank' is 'many'"),
    ("adapter: {targets: [q_prog]}", "'adapter.targets' is 'q_prog'"),
    ("adapter: {targets: []}", "'adapter.targets' is '[]'"),
    ("training: {schedule: linear}", "expected cosine or constant"),
    ("training: [1]", "'training' is 'a list' in the run file; expected keys and values"),
    ("rounds: {workers: 2, quorum: 3}", "'rounds.quorum' is '3'"),
    ("rounds: {workers: 3, minimum-workers: 2}", "'rounds.minimum-workers' is '2'"),
    ("rounds: {deadline: 10}", "expected a time such as"),
    ("rounds: {deadline: -3s}", "expected a time such as"),
    ("updates: {up: {codec: zip}}", "expected dense or ternary"),
    ("updates: {up: {density: 0}}", "'updates.up.density' is '0'"),
    ("updates: {server: {optimizer: lion}}", "expected sgd or adam or yogi or adagrad"),
    ("coordinator: {port: 70000}", "from 0 to 65535"),
    ("workers: [{name: a/b, data: x}]", "'workers.0.name' is 'a/b'"),
    ("workers: [{name: a, data: x}, {name: a, data: y}]", "'workers.1.name' is 'a'"),
    ("validation: {every: 1}", "lacks 'validation.data'"),
    ("data: {prompt: x}", "lacks 'data.completion'"),
  ])
  func aBadValueIsNamedWithItsKey(line: String, complaint expected: String) {
    #expect(complaint(Self.least + line + "\n").contains(expected))
  }

  @Test func whatMustBeThereIsAskedFor() {
    #expect(complaint("model: x\n").contains("lacks 'run'"))
    #expect(complaint("run: x\n").contains("lacks 'model'"))
    #expect(complaint("run: a b\nmodel: x\n").contains("'run' is 'a b'"))
    #expect(complaint("").contains("lacks 'run'"))
    #expect(complaint("a: [").contains("is not YAML"))
    #expect(complaint("- 1\n").contains("expected keys and values"))
  }

  @Test func overridesReachEveryPlace() throws {
    let file = try read(
      Self.least + "workers: [{name: a, data: x}]\n",
      overrides: [
        "training.local-steps=9", "rounds.deadline=1m", "workers.0.data=/y",
        "adapter.targets=[q_proj]", "data.prompt=a=b {x}", "data.completion=c",
      ])
    #expect(file.plan.training.gradient?.localSteps == 9)
    #expect(file.plan.rounds.deadline == .seconds(60))
    #expect(file.workers[0].data == "/y")
    #expect(lora(of: file.plan)?.targets == [.query])
    #expect(file.plan.data?.prompt == "a=b {x}")
  }

  @Test(arguments: ["seed", "=3", "a..b=1", ".=1", "workers.7.name=x"])
  func aBadOverrideIsRefused(text: String) {
    #expect(
      complaint(Self.least + "workers: [{name: a, data: x}]\n", overrides: [text]) != "nothing")
  }

  @Test func anAdapterBeginsWithWhatFewerBitsLost() throws {
    #expect(lora(of: try read(Self.least + "adapter: {init: zero}\n").plan)?.start == nil)
    for bits in ["nf4", "int8"] {
      let text = Self.least + "quantize: \(bits)\nadapter: {init: loftq}\n"
      #expect(lora(of: try read(text).plan)?.start == .loftQ)
    }
    for rest in ["", "quantize: bf16\n"] {
      let complaint = complaint(Self.least + rest + "adapter: {init: loftq}\n")
      #expect(complaint.contains("'adapter.init' is 'loftq'"), "\(complaint)")
      #expect(complaint.contains("'quantize: nf4'"), "\(complaint)")
    }
  }

  @Test func anAdapterMayChangeTheWeights() throws {
    let byLosses = Self.least + "training: {method: zeroth-order}\n"
    for (text, adapter) in [
      ("{form: sparse}", WeightAdapterConfiguration(.sparse(rank: 8))),
      (
        "{form: sparse, rank: 3, targets: [fc1]}",
        WeightAdapterConfiguration(.sparse(rank: 3), targets: [.up])
      ),
      ("{form: scales}", WeightAdapterConfiguration(.scales(blockLength: 32))),
      (
        "{form: scales, block-length: 1}", WeightAdapterConfiguration(.scales(blockLength: 1))
      ),
    ] {
      let plan = try read(byLosses + "adapter: \(text)\n").plan
      #expect(plan.adapter == .weights(adapter))
      #expect(try RunPlan(canonicalBytes: plan.canonicalBytes()) == plan)
    }
    for (text, key) in [
      ("{form: sparse, alpha: 2}", "adapter.alpha"), ("{form: scales, rank: 2}", "adapter.rank"),
      ("{form: lora, block-length: 2}", "adapter.block-length"), ("{form: dense}", "adapter.form"),
      ("{form: scales, block-length: 0}", "adapter.block-length"),
    ] {
      #expect(complaint(byLosses + "adapter: \(text)\n").contains("'\(key)'"), "\(text)")
    }
    for (training, key) in [
      ("{method: gradient}", "training.method"), ("{method: mixed}", "training.method"),
      ("{method: zeroth-order, subspace-rank: 2}", "training.subspace-rank"),
      ("{method: zeroth-order, factors: both}", "training.factors"),
    ] {
      let complaint = complaint(
        Self.least + "training: \(training)\nadapter: {form: sparse}\n")
      #expect(complaint.contains("'\(key)'") && complaint.contains("sparse"), "\(complaint)")
    }
  }

  @Test func thePlanIsTheSameWhereverTheFileLies() throws {
    let here = try RunFile(yaml: Self.least, path: "a", folder: "/a")
    let there = try RunFile(
      yaml: Self.least + "threads: 7\ncoordinator: {port: 1}\n", path: "b", folder: "/b")
    #expect(try here.plan.digest() == there.plan.digest())
    #expect(try read(Self.least + "compute: auto\nquantize: none\n").plan == here.plan)
    let other = try read(Self.least + "seed: 1\n")
    #expect(try here.plan.digest() != other.plan.digest())
    #expect(try RunPlan(canonicalBytes: here.plan.canonicalBytes()) == here.plan)
    let byLosses = try read(
      Self.least + "training: {method: zeroth-order, rule: adam, estimator: one-sided}\n"
    ).plan
    let bytes = try byLosses.canonicalBytes()
    #expect(try RunPlan(canonicalBytes: bytes) == byLosses)
    #expect(String(decoding: bytes, as: UTF8.self).contains(#""method":"zeroth-order""#))
  }
}
