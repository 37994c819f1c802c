// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Digests
internal import Files
internal import Rounds

extension StepTask {
  private static var fields: WireFields { WireFields(message: "step_task") }

  private func check() throws(MessageError) {
    try Self.fields.check("step", step, in: 0...WireLimit.directionNumber)
    try Self.fields.check("base_version", baseVersion)
    try Self.fields.check("first_query", queries.lowerBound, in: 0...WireLimit.directionNumber)
    try Self.fields.check(
      "query_count", queries.count, in: 1...(WireLimit.directionNumber - queries.lowerBound + 1))
    try Self.fields.check("remaining", remaining)
    for commit in commits {
      try Self.fields.check("commits", commit, within: WireLimit.stepBodyByteCount)
    }
    try history?.check(Self.fields, "history")
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    try history?.checkOffset(Self.fields, "history")
    let body = packedBody { arena in
      Tern__StepTask.made {
        $0.step = UInt64(step)
        $0.base_version = UInt64(baseVersion)
        $0.first_query = UInt32(queries.lowerBound)
        $0.query_count = UInt32(queries.count)
        $0.remaining = UInt64(remaining.wholeNanoseconds)
        ($0.n_commits, $0.commits) = arena.list(commits.map(arena.data))
        if let history { $0.history = arena.placed(history.wired(arena)) }
        $0.signs = Tern__StepTask__Signs(signs.number)
      }
    }
    guard body.count <= WireLimit.stepBodyByteCount else {
      throw Self.fields.invalid(
        "commits",
        "make a message of \(body.count) bytes, expected at most "
          + "\(WireLimit.stepBodyByteCount)")
    }
    return PackedMessage(
      .stepTask, body, payload: history?.payload, offset: history?.offset ?? 0)
  }

  static func unpacked(
    _ body: ArraySlice<UInt8>
  ) throws(MessageError) -> UnpackedMessage<CoordinatorMessage> {
    let (message, announced) = try withUnpacked(
      Tern__StepTask.self, body, named: "step_task"
    ) { (task) throws(MessageError) in
      let history = try pointed(task.history).map { (history) throws(MessageError) in
        (
          delivery: try AdapterDelivery(history, fields, "history"),
          announced: try fields.announcement(history.payload)
        )
      }
      let first = Int(task.first_query)
      let message = StepTask(
        step: Int(clamping: task.step), baseVersion: Int(clamping: task.base_version),
        queries: first..<(first + Int(task.query_count)), signs: try signs(task.signs),
        remaining: duration(task.remaining),
        commits: list(task.commits, task.n_commits).map(array), history: history?.delivery)
      return (message, history?.announced)
    }
    try message.check()
    guard let announced else { return .whole(.step(message)) }
    return .announcing(announced) { payload in
      .step(
        StepTask(
          step: message.step, baseVersion: message.baseVersion, queries: message.queries,
          signs: message.signs, remaining: message.remaining, commits: message.commits,
          history: message.history?.carrying(payload)))
    }
  }

  private static func signs(_ value: Tern__StepTask__Signs) throws(MessageError) -> Signs {
    guard let signs = Signs.allCases.first(where: { $0.number == value.rawValue }) else {
      throw fields.invalid("signs", "is \(value.rawValue), expected 0 to 2")
    }
    return signs
  }
}

extension Signs {
  /// The value of `StepTask.Signs`.
  fileprivate var number: UInt32 {
    switch self {
    case .both: TERN__STEP_TASK__SIGNS__BOTH.rawValue
    case .plus: TERN__STEP_TASK__SIGNS__PLUS.rawValue
    case .minus: TERN__STEP_TASK__SIGNS__MINUS.rawValue
    }
  }
}

extension LossReport {
  private static var fields: WireFields { WireFields(message: "losses") }

  private func check() throws(MessageError) {
    try Self.fields.check("step", step, in: 0...WireLimit.directionNumber)
    try Self.fields.check("base_version", baseVersion)
    try Self.fields.check("first_query", firstQuery, in: 0...WireLimit.directionNumber)
    try Self.fields.check("example_count", exampleCount, in: 1...WireLimit.number)
    try Self.fields.check("token_count", tokenCount)
    let limit = (WireLimit.stepBodyByteCount - WireLimit.smallBodyByteCount) / 8
    guard (1...limit).contains(losses.count) else {
      throw Self.fields.invalid("losses", "are \(losses.count), expected 1 to \(limit)")
    }
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    return PackedMessage(
      .losses,
      packedBody { arena in
        Tern__Losses.made {
          $0.step = UInt64(step)
          $0.base_version = UInt64(baseVersion)
          $0.first_query = UInt32(firstQuery)
          ($0.n_losses, $0.losses) = arena.list(losses)
          $0.example_count = UInt64(exampleCount)
          $0.token_count = UInt64(tokenCount)
          if let state { $0.state = arena.data(state.bytes) }
        }
      })
  }

  init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Losses.self, body, named: "losses") {
      (losses) throws(MessageError) in
      LossReport(
        step: Int(clamping: losses.step), baseVersion: Int(clamping: losses.base_version),
        firstQuery: Int(losses.first_query), losses: list(losses.losses, losses.n_losses),
        exampleCount: Int(clamping: losses.example_count),
        tokenCount: Int(clamping: losses.token_count),
        state: try Self.fields.optionalDigest("state", losses.state))
    }
    try check()
  }
}
