// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Federation
import Foundation
import Models
import Rounds
import Testing
import Training
import Updates

@testable import Programs

/// How a worker of a mixed run comes to learn as it does.
@Suite struct MethodTests {
  private let model: LoadedModel
  private let ann: WorkerID

  init() throws {
    let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    model = try LoadedModel(path: folder + "/Fixtures/models/llama-gqa-tied")
    ann = try #require(WorkerID(rawValue: "ann"))
  }

  private func plan(_ training: TrainingPlan, memory: Int? = nil) throws -> RunPlan {
    RunPlan(
      run: try #require(RunID(rawValue: "mixed")), seed: 1,
      adapter: .lora(LoRAConfiguration(rank: 2, alpha: 4, factors: .b, seed: 1)), data: nil,
      training: training,
      updates: UpdatePlan(
        up: .dense, opening: .dense, openingVersionCount: 0, down: .dense, server: .sgd(),
        steps: .up), rounds: RoundRules(versionCount: 1, cohortSize: 1), workerMemory: memory)
  }

  private let mixed = TrainingPlan.mixed(
    gradient: GradientTraining(), zerothOrder: ZerothOrderTraining())

  /// Calls `body` with the path of a few rows of data.
  private func withData(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID()).jsonl").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let row = #"{"prompt": "Speak of the crown, and of the queen:", "completion": " crown"}"#
    try Array(repeating: row, count: 16).joined(separator: "\n")
      .write(toFile: path, atomically: true, encoding: .utf8)
    try body(path)
  }

  @Test func memoryDecidesWhereNobodySays() throws {
    try withData { path in
      let plan = try plan(mixed)
      let needed = try model.memoryPlans(
        data: path, plan: plan, method: .gradient, threadCount: 1
      ).least.byteCount
      func method(_ memory: Int?, _ plan: RunPlan) throws -> TrainingMethod {
        try model.ability(of: ann, data: path, plan: plan, memory: memory).method
      }
      #expect(try method(nil, plan) == .gradient)
      #expect(try method(needed, plan) == .gradient)
      #expect(try method(needed - 1, plan) == .zerothOrder)
      // What the plan says holds for workers that say nothing.
      let small = try self.plan(mixed, memory: needed - 1)
      #expect(try method(nil, small) == .zerothOrder && method(needed, small) == .gradient)
      #expect(throws: ModelError.self) { try method(1000, plan) }
      // What the machine has holds where nobody says anything.
      func method(on machine: Int, _ plan: RunPlan) throws -> TrainingMethod {
        try model.ability(of: ann, data: path, plan: plan, machineMemory: machine).method
      }
      #expect(try method(on: needed - 1, plan) == .zerothOrder)
      #expect(try method(on: 1000, self.plan(mixed, memory: needed)) == .gradient)
      #expect(throws: ModelError.self) { try method(on: 1000, plan) }
    }
  }

  @Test func whatAWorkerIsToldItDoesOrRefuses() throws {
    try withData { (path: String) throws in
      func learns(_ training: TrainingPlan, _ method: TrainingMethod?) throws -> TrainingMethod {
        let plan = try plan(training)
        return try model.ability(of: ann, data: path, plan: plan, method: method).method
      }
      for method in TrainingMethod.allCases { #expect(try learns(mixed, method) == method) }
      #expect(try learns(.gradient(GradientTraining()), nil) == .gradient)
      #expect(try learns(.gradient(GradientTraining()), .gradient) == .gradient)
      #expect(try learns(.zerothOrder(ZerothOrderTraining()), nil) == .zerothOrder)
      #expect(throws: InputError.self) {
        try learns(.gradient(GradientTraining()), .zerothOrder)
      }
      #expect(throws: InputError.self) {
        try learns(.zerothOrder(ZerothOrderTraining()), .gradient)
      }
    }
  }
}
