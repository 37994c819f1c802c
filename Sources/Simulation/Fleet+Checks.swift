// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Files
internal import Messages
internal import Randomness
internal import Rounds
internal import Tensors
internal import Updates

/// What must be true, asked all the time.
extension Fleet {
  /// Every new commit is what its contributions make, and they are what it was allowed to count.
  mutating func checkCommits() throws {
    while log.commits.count > oracle.version {
      let commit = log.commits[oracle.version]
      try checkContributions(of: commit)
      try oracle.commit(
        commit.contributions.map { ($0, try log.payloads[$0.payload]?.bytes() ?? []) })
      let version = oracle.version
      try require(commit.version == version, "version \(commit.version) instead of \(version)")
      try require(
        commit.adapter == oracle.adapters[version],
        "version \(version) is not what its contributions make")
      try require(oracle.adapter.isFinite, "version \(version) is not finite")
      if let undisturbed {
        try require(
          commit.adapter == undisturbed.adapters[version],
          "version \(version) is not that of the undisturbed run")
      }
      tally.versionCount += 1
      history.note(
        now, commit.adapter, text: "version \(version) of \(commit.contributions.count)")
      for contribution in commit.contributions { try count(contribution) }
      for index in workers.indices { try checkAccount(index) }
    }
  }

  private func checkContributions(of commit: LoggedCommit) throws {
    let rules = scenario.plan.rounds
    let names = commit.contributions.map(\.worker)
    try require(names == Set(names).sorted(), "version \(commit.version) counts \(names)")
    try require(
      (rules.quorum...rules.cohortSize).contains(names.count),
      "version \(commit.version) is of \(names.count) contributions")
    if oracle.version > 0 {
      try require(
        commit.round > log.commits[oracle.version - 1].round, "round \(commit.round), again")
    }
    let isHonest = scenario.rates[.forgery] == 0 && scenario.rates[.absurdity] == 0
    for contribution in commit.contributions {
      let who = contribution.worker
      try require(
        log.recorded.contains(contribution),
        "version \(commit.version) counts what \(who) never gave")
      try require(
        contribution.round == commit.round && contribution.baseVersion == oracle.version,
        "version \(commit.version) counts what \(who) gave to round \(contribution.round)")
      try require(contribution.exampleCount > 0, "\(who)'s contribution weighs nothing")
      try require(
        log.payloads[contribution.payload]?.isIntact() == true,
        "\(who)'s payload is not what its digest says")
      try require(
        !isHonest || workers.contains { $0.sentPayloads.contains(contribution.payload) },
        "version \(commit.version) counts what \(who) never sent")
    }
  }

  private mutating func count(_ contribution: Contribution) throws {
    counted[contribution.worker] = contribution
    guard let index = workers.firstIndex(where: { $0.id == contribution.worker }),
      workers[index].sentPayloads.contains(contribution.payload),
      let payload = log.payloads[contribution.payload]
    else { return }
    let change = try scenario.change(
      in: payload.bytes(), of: index, from: contribution.baseVersion)
    countedSums[index].add(change.values)
  }

  /// What a worker has learned is what was counted of it and what it has still to say.
  private func checkAccount(_ index: Int) throws {
    let one = workers[index]
    guard let inspection = one.worker?.inspection else { return }
    let updates = scenario.plan.updates
    let remember = [updates.up, updates.opening].map(\.needsResidual)
    if remember == [false, false] {
      try require(
        inspection.residual.values.allSatisfy { $0 == 0 },
        "\(one.id) remembers something that no other machine of its name would")
    }
    if scenario.walks(index) {
      try require(inspection.residual.isZero, "\(one.id) remembers something of its walks")
    }
    // What a codec without memory leaves out is made good by chance alone, and a walk that did not
    // count by nothing.
    guard one.isAccountable, remember == [true, true], !scenario.walks(index) else { return }
    var rest = Ledger(count: scenario.layout.count)
    if let pending = inspection.pending {
      rest.add(pending.residual.values)
      let isCounted =
        counted[one.id]?.payload == pending.payload.digest
        && counted[one.id]?.baseVersion == pending.baseVersion
      if !isCounted {
        let codec = scenario.plan.updates.upCodec(from: pending.baseVersion)
        rest.add(try codec.decode(pending.payload, layout: scenario.layout).values)
      }
    } else {
      rest.add(inspection.residual.values)
    }
    let scale = max(one.ledger.scale, countedSums[index].scale, rest.scale)
    for place in rest.sum.indices {
      let found = countedSums[index].sum[place] + rest.sum[place]
      try require(
        abs(found - one.ledger.sum[place]) <= 1e-4 * scale,
        "\(one.id) has learned \(one.ledger.sum[place]), but \(countedSums[index].sum[place]) is"
          + " counted and \(rest.sum[place]) is left")
    }
  }

  /// The coordinator is as it says it is.
  mutating func checkCoordinator() throws {
    guard let coordinator else { return }
    let inspection = coordinator.inspection
    let engine = inspection.engine
    if let violation = engine.invariants.first { throw Breach(violation) }
    try require(
      coordinator.version == oracle.version && engine.version == oracle.version,
      "version \(coordinator.version), but \(oracle.version) are written down")
    try require(
      coordinator.adapter.values == oracle.adapter.values, "another adapter than was written down")
    try require(
      inspection.replica.values == oracle.replica.values, "another replica than was written down")
    try require(inspection.accepted == counted, "accepted is not what was counted")
    try require(
      inspection.sessionCount <= workers.count, "\(inspection.sessionCount) sessions are kept")
    try checkStatus(coordinator.status)
    if random.integer(below: 48) == 0 { try checkRecovery(of: engine) }
  }

  private func checkStatus(_ status: RoundStatus) throws {
    switch status.phase {
    case .training:
      try require(!status.awaited.isEmpty, "a round is open, but nobody is awaited")
      guard let until = status.until else { throw Breach("a round is open without an end") }
      try require(
        status.awaited.allSatisfy { $0.until <= until }, "somebody is awaited beyond the deadline")
      try require(
        status.awaited.count + status.contributionCount <= workers.count, "more awaited than are")
    case .resting: try require(status.until != nil, "rests without an end")
    case .gathering:
      try require(
        status.connectedCount < status.minimumWorkers, "enough workers, but waits for more")
    case .aggregating: throw Breach("is still aggregating")
    case .finished: try require(status.outcome != nil, "finished without an outcome")
    }
  }

  private func checkRecovery(of engine: RoundEngine) throws {
    let recovered = try log.recovered().engine
    try require(recovered == engine, "the journal gives another engine than the live one")
  }

  /// Nothing is said that is not written down.
  mutating func checkSent(_ message: CoordinatorMessage, on number: Int) throws {
    guard let link = links[number] else { return }
    let who = workers[link.worker].id
    switch message {
    case .assignment(let assignment):
      let (round, version) = lastAssigned
      try require(
        assignment.round > round && assignment.baseVersion >= version
          || assignment.round == round && assignment.baseVersion == version,
        "round \(assignment.round) from version \(assignment.baseVersion) after round \(round)"
          + " from version \(version)")
      if assignment.round > round { tally.roundCount += 1 }
      lastAssigned = (assignment.round, assignment.baseVersion)
      links[number]?.assignedRound = assignment.round
      try require(
        // A round may be filled up and closed by one and the same input.
        assignment.baseVersion <= oracle.version, "assigns version \(assignment.baseVersion)")
      if let delivery = assignment.adapter { try checkDelivery(delivery, to: who) }
      try require(
        assignment.remaining <= scenario.plan.rounds.deadline, "more time than the rules give")
      // As of the version that the assignment begins with: the same input may have made the next.
      let known = log.commits.prefix(assignment.baseVersion).reversed().lazy.compactMap { commit in
        commit.contributions.first { $0.worker == who }
      }.first
      try require(
        assignment.accepted?.payload == known?.payload,
        "tells \(who) that something else was counted")
    case .receipt(let receipt) where receipt.refusal == nil:
      try require(
        log.recorded.contains {
          $0.worker == who && $0.round == receipt.round && $0.payload == receipt.payload
        }, "a receipt to \(who) for what is not written down")
    case .finished(let finished):
      try require(
        log.outcome?.version == finished.version || log.outcome == nil,
        "finished with version \(finished.version)")
    case .step: throw Breach("a step in a run by rounds")
    case .receipt, .welcome, .refused, .released, .heartbeat, .renewed: break
    }
  }

  private mutating func checkDelivery(_ delivery: AdapterDelivery, to who: WorkerID) throws {
    let snapshot = UpdateCodec.dense.maximumPayloadByteCount(for: scenario.layout)
    try require(
      delivery.payload.byteCount <= snapshot,
      "sends \(who) \(delivery.payload.byteCount) bytes where a snapshot has \(snapshot)")
    if let base = delivery.baseVersion, delivery.version - base > 1 { tally.catchUpCount += 1 }
  }

  func checkEvaluated(_ version: Int, _ adapter: ParameterVector) throws {
    try require(adapter.digest == oracle.adapters[version], "measures another version \(version)")
  }

  /// Who is awaited and here knows of it, and the coordinator is woken when it is due.
  func checkExpectations() throws {
    guard let coordinator, outcome == nil else { return }
    let engine = coordinator.inspection.engine
    let status = engine.status
    for one in status.awaited where one.isConnected {
      let isTold = links.values.contains {
        workers[$0.worker].id == one.worker && $0.assignedRound == status.round
      }
      try require(isTold, "\(one.worker) is awaited, but was told nothing: \(line)")
    }
    guard let until = status.until else { return }
    var due = until
    if status.contributionCount >= status.quorum, status.awaited.allSatisfy({ !$0.isConnected }) {
      due = status.awaited.map(\.until).max() ?? until
    }
    // A shell that sleeps does not see that the clock is put forward: what was due after at most
    // so long still is.
    let isClockPut = scenario.rates[.clockJump, default: 0] > 0
    let longest = max(scenario.plan.rounds.deadline, scenario.plan.rounds.retryDelay)
    let wait = isClockPut ? longest : max(.zero, due - engine.now)
    try require(
      wakes.contains { $0 <= now + wait.nanoseconds },
      "waits, but will not be woken in time: \(line)")
  }

  mutating func checkEnd() throws {
    guard let coordinator, let outcome else {
      throw Breach("nothing more happens, but the run is not over: \(line)")
    }
    let engine = coordinator.inspection.engine
    try checkRecovery(of: engine)
    var replayed = firstEngine
    for (event, time) in log.events { _ = replayed.handle(event, at: time) }
    try require(replayed == engine, "the whole journal gives another engine than the live one")
    try require(log.outcome == engine.outcome, "another outcome is written down")
    try require(
      outcome.failure == nil || scenario.mayFail || wasStopped,
      "failed: \(outcome.failure ?? "")")
    for index in workers.indices { try checkAccount(index) }
    if outcome.failure == nil {
      try require(
        outcome.version == scenario.plan.rounds.versionCount, "over at version \(outcome.version)")
      tally.completedCount += 1
      if scenario.isComparable { tally.comparedCount += 1 }
    }
    tally.writeCount = log.writeCount
    history.note(now, outcome.state, text: "all is well")
  }
}
