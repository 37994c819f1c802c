// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Files
internal import Messages
internal import Randomness
internal import Rounds
internal import Tensors
internal import Updates

/// Faults that strike by themselves.
extension Fleet {
  /// Draws when each kind of fault strikes.
  mutating func scheduleStrikes() {
    for fault in Fault.allCases where fault.isTimed {
      guard let rate = scenario.rates[fault], rate > 0 else { continue }
      var time = draw(0...seconds(4 * Double(rate)))
      while time < scenario.faultsUntil {
        queue.add(.strike(fault), at: time)
        time += draw(seconds(0.1)...seconds(4 * Double(rate)))
      }
    }
  }

  mutating func strike(_ fault: Fault) throws {
    guard isFaulty else { return }
    let index = random.integer(below: workers.count)
    tally.count(fault)
    switch fault {
    case .cut, .halfOpen:
      let numbers = links.keys.sorted()
      if numbers.isEmpty { return }
      breakLink(pick(numbers, &random), isHalfOpen: fault == .halfOpen)
    case .workerKill: killWorker(index)
    case .workerStop: stopWorker(index, for: draw(seconds(0.1)...seconds(15)))
    case .coordinatorKill: killCoordinator()
    case .coordinatorStop: stopCoordinator(for: draw(seconds(0.1)...seconds(12)))
    case .clockJump:
      let reach = seconds(pick([0.01, 1, 30, 3_600, 86_400], &random))
      jump(by: draw(-reach...reach))
    case .secondConnection:
      if workers[index].stoppedUntil <= now { connect(index) }
    case .operatorStop:
      wasStopped = wasStopped || coordinator != nil
      try deliver(.stopped(reason: "the operator wants it"))
    default: break
    }
  }

  private mutating func stopWorker(_ index: Int, for duration: Int64) {
    // Who is stopped already stays so for as long: what waits for it keeps its order.
    guard workers[index].isRunning, workers[index].stoppedUntil <= now else { return }
    history.note(now, 30, index, text: "\(workers[index].id) stops for \(duration) ns")
    workers[index].stoppedUntil = now + duration
    let limit = identity.silenceLimit.nanoseconds
    if let link = workers[index].link, duration > limit {
      add(.endAtCoordinator(link: link, reason: "silent"), after: limit)
    }
  }

  private mutating func stopCoordinator(for duration: Int64) {
    guard coordinator != nil, coordinatorStoppedUntil <= now else { return }
    history.note(now, 31, text: "the coordinator stops for \(duration) ns")
    coordinatorStoppedUntil = now + duration
    let limit = identity.silenceLimit.nanoseconds
    for number in links.keys.sorted() where duration > limit {
      add(.endAtWorker(link: number), after: limit)
    }
  }
}

/// Faults of what arrives in a worker's name.
extension Fleet {
  /// Sends a contribution, and what mischief makes of it before, after or instead.
  mutating func sendWithMischief(_ upload: Upload, _ index: Int) throws {
    guard let link = workers[index].link else { return }
    let mischief = try mischief(with: upload, index)
    let (before, after) = coin() ? (mischief, []) : ([], mischief)
    for message in before { sendUp(message, on: link) }
    sendUp(.contribution(upload), on: link)
    for message in after { sendUp(message, on: link) }
    workers[index].sent = workers[index].sent.suffix(3) + [upload]
  }

  private mutating func mischief(
    with upload: Upload, _ index: Int
  ) throws -> [WorkerMessage] {
    var uploads: [Upload] = []
    if strikes(.duplicate) { uploads.append(upload) }
    if strikes(.replay), !workers[index].sent.isEmpty {
      uploads.append(pick(workers[index].sent, &random))
    }
    if strikes(.corruption) { uploads.append(try corrupted(upload, index)) }
    if strikes(.nonFinite) { uploads.append(try nonFinite(upload, index)) }
    if strikes(.weightless) { uploads.append(upload.with(exampleCount: 0)) }
    if strikes(.misplaced) { uploads.append(misplaced(upload)) }
    for fault in [Fault.forgery, .absurdity] where strikes(fault) {
      if let forged = forged(upload, index, bound: fault == .forgery ? 10 : 3e38) {
        uploads.append(forged)
      }
    }
    var messages = uploads.map { WorkerMessage.contribution($0) }
    if strikes(.nonsense) { messages.append(nonsense(upload)) }
    random.shuffle(&messages)
    return messages
  }

  /// Other bytes, with the digest of the right ones or of themselves; nothing that can be read.
  private mutating func corrupted(
    _ upload: Upload, _ index: Int
  ) throws -> Upload {
    var bytes = try upload.payload.bytes()
    let place = random.integer(below: bytes.count)
    bytes[place] ^= UInt8(1 << random.integer(below: 8))
    if coin() { return upload.with(payload: bytes) }
    if coin() { bytes = Array(bytes.prefix(place)) }
    let version = upload.contribution.baseVersion
    let isReadable = (try? scenario.change(in: bytes, of: index, from: version)) != nil
    return upload.with(payload: bytes, digest: isReadable ? nil : Digest(of: bytes))
  }

  /// A number that is not finite where there was a value, or the scale of values.
  private mutating func nonFinite(
    _ upload: Upload, _ index: Int
  ) throws -> Upload {
    // proto/README.md has the layout: 40 bytes of header, and 20 of the first section's or 16 before
    // a walk's first coefficient.
    let codec = scenario.plan.updates.upCodec(from: upload.contribution.baseVersion)
    let place = scenario.walks(index) ? 56 : codec == .dense ? 60 : 52
    guard upload.payload.byteCount >= place + 4 else { return upload }
    var bytes = try upload.payload.bytes()
    let pattern = pick([Float.nan, .infinity, -.infinity], &random).bitPattern
    for offset in 0..<4 {
      bytes[place + offset] = UInt8(truncatingIfNeeded: pattern >> (8 * UInt32(offset)))
    }
    return upload.with(payload: bytes, digest: Digest(of: bytes))
  }

  /// Another round or another version, never both: together they might be right.
  private mutating func misplaced(_ upload: Upload) -> Upload {
    let shift = pick([-2, -1, 1, 2, 1 << 40], &random)
    let contribution = upload.contribution
    return coin()
      ? upload.with(round: max(0, contribution.round + shift))
      : upload.with(baseVersion: max(0, contribution.baseVersion + shift))
  }

  private mutating func forged(_ upload: Upload, _ index: Int, bound: Float) -> Upload? {
    let version = upload.contribution.baseVersion
    let scenario = scenario
    if scenario.walks(index) {
      let walk = scenario.walk(of: index, from: version) { _ in random.uniform(bound: bound) }
      return forged(upload, DirectionsUpdate(walks: [walk]).payload(for: scenario.layout))
    }
    let codec = scenario.plan.updates.upCodec(from: version)
    var vector = ParameterVector(zerosOf: scenario.layout)
    for index in vector.values.indices { vector.values[index] = random.uniform(bound: bound) }
    guard let payload = try? codec.encode(vector, seed: Seed(0)).payload else {
      return nil
    }
    return forged(upload, payload)
  }

  private mutating func forged(_ upload: Upload, _ payload: [UInt8]) -> Upload {
    upload.with(
      payload: payload, digest: Digest(of: payload),
      exampleCount: pick([1, 1_000, 1 << 53 - 1], &random))
  }

  private mutating func nonsense(_ upload: Upload) -> WorkerMessage {
    switch random.integer(below: 4) {
    case 0: .failed(round: upload.contribution.round - random.integer(below: 3), reason: "nonsense")
    case 1:
      .hello(
        Hello(
          software: "nonsense", model: identity.model, layout: nil, heldVersion: nil,
          heldState: nil, memoryByteCount: 1, coreCount: 1, exampleCount: 0))
    case 2: .farewell(reason: "nonsense")
    default: .heartbeat(WorkerHeartbeat(sequence: 7))
    }
  }
}

extension Upload {
  /// The same with some of it changed.
  fileprivate func with(
    payload: [UInt8]? = nil, digest: Digest? = nil, round: Int? = nil, baseVersion: Int? = nil,
    exampleCount: Int? = nil
  ) -> Upload {
    Upload(
      contribution: Contribution(
        round: round ?? contribution.round, baseVersion: baseVersion ?? contribution.baseVersion,
        worker: contribution.worker, payload: digest ?? contribution.payload,
        exampleCount: exampleCount ?? contribution.exampleCount),
      loss: loss, tokenCount: tokenCount, duration: duration,
      payload: payload.map { Payload($0) } ?? self.payload)
  }
}
