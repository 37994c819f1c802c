// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Logging
internal import Messages
internal import Rounds
internal import Synchronization
internal import Tensors
internal import Training
internal import Updates

extension WorkerService {
  /// Prepares for the run of a welcome, unless that was done before; gives the adapter's layout.
  func enrol(_ welcome: Welcome) async throws -> ParameterLayout {
    do {
      if let enrolment, enrolment.planDigest == welcome.configurationDigest {
        return enrolment.ability.layout
      }
      guard Digest(of: welcome.configuration) == welcome.configurationDigest else {
        throw FederationError.unexpected("a plan that is not what its digest says")
      }
      let plan = try RunPlan(canonicalBytes: welcome.configuration)
      let ability = try await pool.run { [resources] in try resources.prepare(plan) }
      let layout = ability.layout
      guard layout.digest == welcome.layout else {
        throw FederationError.unexpected(
          "an adapter of layout \(welcome.layout.short); this model makes it "
            + layout.digest.short)
      }
      switch ability {
      case .learning(let learner):
        part = .rounds(
          try Worker(
            id: resources.id, plan: plan, layout: layout, initialAdapter: learner.initialAdapter,
            remembered: try resources.memory?.read(), from: resources.memory?.path ?? "memory",
            isRemembered: resources.memory != nil))
      case .evaluating(let evaluator):
        part = .steps(try StepWorker(plan: plan, initialAdapter: evaluator.initialAdapter))
      }
      enrolment = Enrolment(planDigest: welcome.configurationDigest, ability: ability)
      log.info("taking part", metadata: ["run": "\(plan.run)", "as": "\(resources.id)"])
      return layout
    } catch {
      throw Unmendable(cause: error)
    }
  }

  /// What is held, for the hello of a new connection.
  func resumedPart() -> (version: Int, state: Digest)? {
    switch part {
    case .rounds(let worker): return worker.held
    case .steps(var worker):
      worker.reconnected()
      part = .steps(worker)
      return worker.held
    case nil: return nil
    }
  }

  /// No payload of this run is longer.
  func maximumPayloadByteCount(for layout: ParameterLayout) -> Int {
    switch enrolment?.ability {
    case .evaluating(let evaluator):
      StepHistory.maximumByteCount(for: layout, rule: evaluator.settings.rule)
    case .learning, nil: UpdateCodec.dense.maximumPayloadByteCount(for: layout)
    }
  }

  /// Lets the worker decide something, and does what it orders.
  func carryOut(_ decide: (inout Worker) throws -> [Worker.Order]) throws {
    guard case .rounds(var worker) = part else {
      throw FederationError.unexpected("a message before the welcome, or of another kind of run")
    }
    // Also what it learned from something that it then refused, as a damaged replica.
    defer { part = .rounds(worker) }
    for order in try decide(&worker) {
      switch order {
      case .remember(let bytes):
        // Without memory on a disk, the run could not be repeated: better to stop.
        do { try resources.memory?.write(bytes) } catch { throw Unmendable(cause: error) }
      case .send(let message):
        outbox?.yield(message)
      case .train(let job):
        progress.withLock { $0.wanted = job.version }
        submit.yield(.training(job))
      case .rest(let reason):
        log.info("training stopped", metadata: ["reason": "\(reason)"])
        progress.withLock { $0.wanted = nil }
      }
    }
  }

  /// The round or step goes on without this worker.
  func release(_ round: Int, reason: String) throws {
    if case .steps = part {
      try carryOutStep { $0.released(step: round, reason: reason) }
    } else {
      try carryOut { $0.released(round: round, reason: reason) }
    }
  }

  /// Computes what there is to compute, one job after the other.
  func workOffJobs() async throws {
    let bench = Bench()
    for await job in jobs {
      switch (job, enrolment?.ability) {
      case (.training(let job), .learning(let learner)): try await train(job, with: learner)
      case (.evaluating(let job), .evaluating(let evaluator)):
        try await evaluate(job, with: evaluator, at: bench)
      default: continue
      }
    }
  }

  private func train(_ job: Worker.TrainingJob, with learner: any Learner) async throws {
    let begin = ContinuousClock.now
    do {
      let result = try await pool.run { [self] in
        try learner.train(from: job.start, version: job.version) { report in
          try note(report, of: job)
        }
      }
      log.info(
        "trained",
        metadata: [
          "round": "\(job.round)", "loss": "\(result.loss)", "tokens": "\(result.tokenCount)",
        ])
      try carryOut { try $0.trained(result, version: job.version, in: .now - begin) }
    } catch is Superseded {
      return
    } catch let error as Unmendable {
      throw error.cause
    } catch {
      log.error("training failed", metadata: ["round": "\(job.round)", "reason": "\(error)"])
      try carryOut { $0.failed(version: job.version, reason: "\(error)") }
    }
    progress.withLock { $0.activity = nil }
  }

  /// Called on the training thread after each step.
  private nonisolated func note(_ report: StepReport, of job: Worker.TrainingJob) throws {
    let diagnostics = try progress.withLock { progress in
      guard progress.wanted == job.version else { throw Superseded() }
      progress.activity = WorkerHeartbeat.Activity(
        round: job.round, step: report.step, stepCount: report.stepCount)
      return progress.diary.note(report, from: job.version)
    }
    if let diagnostics {
      log.log(
        level: diagnostics.isWarning ? .warning : .notice,
        "step \(report.step) of \(report.stepCount): \(diagnostics.line)",
        metadata: ["round": "\(job.round)"])
    }
  }
}

/// Nobody waits for what is being trained any more.
private struct Superseded: Error {}

extension WorkerService.Ability {
  /// The layout of the adapters.
  var layout: ParameterLayout {
    switch self {
    case .learning(let learner): learner.layout
    case .evaluating(let evaluator): evaluator.layout
    }
  }
}
