// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Logging
internal import Messages
internal import Rounds
internal import Synchronization
internal import Tensors
internal import Training

extension WorkerService {
  /// Prepares for the run of a welcome, unless that was done before; gives the adapter's layout.
  func enrol(_ welcome: Welcome) async throws -> ParameterLayout {
    do {
      if let enrolment, enrolment.planDigest == welcome.configurationDigest {
        return enrolment.learner.layout
      }
      guard Digest(of: welcome.configuration) == welcome.configurationDigest else {
        throw FederationError.unexpected("a plan that is not what its digest says")
      }
      let plan = try RunPlan(canonicalBytes: welcome.configuration)
      let learner = try await pool.run { [resources] in try resources.makeLearner(plan) }
      guard learner.layout.digest == welcome.layout else {
        throw FederationError.unexpected(
          "an adapter of layout \(welcome.layout.short); this model makes it "
            + learner.layout.digest.short)
      }
      worker = try Worker(
        id: resources.id, plan: plan, layout: learner.layout,
        remembered: try resources.memory?.read(), from: resources.memory?.path ?? "memory",
        isRemembered: resources.memory != nil)
      enrolment = Enrolment(planDigest: welcome.configurationDigest, learner: learner)
      log.info("taking part", metadata: ["run": "\(plan.run)", "as": "\(resources.id)"])
      return learner.layout
    } catch {
      throw Unmendable(cause: error)
    }
  }

  /// Lets the worker decide something, and does what it orders.
  func carryOut(_ decide: (inout Worker) throws -> [Worker.Order]) throws {
    guard var worker else {
      throw FederationError.unexpected("a message before the welcome")
    }
    // Also what it learned from something that it then refused, as a damaged replica.
    defer { self.worker = worker }
    for order in try decide(&worker) {
      switch order {
      case .remember(let bytes):
        // Without memory on a disk, the run could not be repeated: better to stop.
        do { try resources.memory?.write(bytes) } catch { throw Unmendable(cause: error) }
      case .send(let message):
        outbox?.yield(message)
      case .train(let job):
        progress.withLock { $0.wanted = job.version }
        submit.yield(job)
      case .rest(let reason):
        log.info("training stopped", metadata: ["reason": "\(reason)"])
        progress.withLock { $0.wanted = nil }
      }
    }
  }

  /// Trains what there is to train, one job after the other.
  func trainJobs() async throws {
    for await job in jobs {
      guard let learner = enrolment?.learner else { continue }
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
        continue
      } catch let error as Unmendable {
        throw error.cause
      } catch {
        log.error("training failed", metadata: ["round": "\(job.round)", "reason": "\(error)"])
        try carryOut { $0.failed(version: job.version, reason: "\(error)") }
      }
      progress.withLock { $0.activity = nil }
    }
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
