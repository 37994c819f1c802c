// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds

/// What connections do to messages.
extension Fleet {
  /// After this long without a word, a side takes the other for dead.
  private var silenceLimit: Int64 { identity.silenceLimit.nanoseconds }

  private mutating func latency() -> Int64 {
    let usual = draw(100_000...30_000_000)
    return strikes(.slowMessage)
      ? usual + draw(0...(2 * scenario.plan.rounds.deadline.nanoseconds)) : usual
  }

  /// Opens a connection; what was the worker's connection before is not looked at any more.
  mutating func connect(_ index: Int) {
    guard workers[index].isRunning, !workers[index].isDone else { return }
    guard coordinator != nil else { return comeBack(index) }
    if let old = workers[index].link { closeWorkerEnd(old, isNoticed: coin()) }
    linkCount += 1
    links[linkCount] = Link(number: linkCount, worker: index)
    workers[index].link = linkCount
    let held = workers[index].worker?.held
    history.note(now, 1, index, linkCount, text: "\(workers[index].id) opens \(linkCount)")
    sendUp(
      .hello(
        Hello(
          software: "simulated", model: identity.model, layout: nil, heldVersion: held?.version,
          heldState: held?.state, memoryByteCount: 1, coreCount: 1, exampleCount: 0)),
      on: linkCount)
  }

  /// Tries again later.
  mutating func comeBack(_ index: Int) {
    let delay = workers[index].backoff.next().nanoseconds
    add(.connect(index, life: workers[index].life), after: delay)
  }

  mutating func sendUp(_ message: WorkerMessage, on number: Int) {
    guard let link = links[number], link.isWorkerOpen else { return }
    let arrival = max(link.lastArrivalUp + 1, now + latency())
    links[number]?.lastArrivalUp = arrival
    queue.add(.arriveUp(link: number, message), at: arrival)
  }

  mutating func sendDown(_ message: CoordinatorMessage, on number: Int) throws {
    guard let link = links[number], link.isCoordinatorOpen else { return }
    try require(
      link.waitingDownCount < 64, "64 messages wait for \(workers[link.worker].id)")
    let arrival = max(link.lastArrivalDown + 1, now + latency())
    links[number]?.lastArrivalDown = arrival
    links[number]?.waitingDownCount += 1
    queue.add(
      .arriveDown(link: number, message, life: workers[link.worker].life), at: arrival)
  }

  mutating func arriveUp(_ message: WorkerMessage, on number: Int) throws {
    guard let link = links[number], link.isCoordinatorOpen, !link.isUpLost, coordinator != nil
    else { return }
    let worker = workers[link.worker].id
    if case .hello(let hello) = message, !link.isGreeted {
      links[number]?.isGreeted = true
      return try deliver(.opened(ConnectionID(number), worker, address: "here", hello, part: nil))
    }
    try deliver(.received(ConnectionID(number), message))
  }

  mutating func arriveDown(_ message: CoordinatorMessage, on number: Int, life: Int) throws {
    links[number]?.waitingDownCount -= 1
    guard let link = links[number], link.isWorkerOpen, !link.isDownLost,
      workers[link.worker].life == life, workers[link.worker].link == number
    else { return }
    try hear(message, link.worker)
  }

  /// The connection breaks: what is on its way is lost, and each side learns of it at some time.
  mutating func breakLink(_ number: Int, isHalfOpen: Bool) {
    guard links[number] != nil else { return }
    links[number]?.isUpLost = true
    links[number]?.isDownLost = true
    let isWorkerFirst = coin()
    let late = silenceLimit + draw(0...seconds(1))
    let soon = draw(0...seconds(0.05))
    history.note(now, 2, number, text: "\(number) breaks\(isHalfOpen ? ", half open" : "")")
    add(.endAtWorker(link: number), after: isHalfOpen && !isWorkerFirst ? late : soon)
    add(
      .endAtCoordinator(link: number, reason: "cut"),
      after: isHalfOpen && isWorkerFirst ? late : soon)
  }

  /// The worker's end is closed: by itself, or with its process.
  mutating func closeWorkerEnd(_ number: Int, isNoticed: Bool) {
    guard let link = links[number], link.isWorkerOpen else { return }
    links[number]?.isWorkerOpen = false
    if workers[link.worker].link == number { workers[link.worker].link = nil }
    if isNoticed, !link.isUpLost {
      queue.add(
        .endAtCoordinator(link: number, reason: "closed"),
        at: max(link.lastArrivalUp + 1, now + latency()))
    } else {
      // Nothing comes any more, or too late to be waited for.
      add(.endAtCoordinator(link: number, reason: "silent"), after: silenceLimit)
    }
    forget(number)
  }

  /// The coordinator's end is closed: by itself, or with its process.
  mutating func closeCoordinatorEnd(_ number: Int, isNoticed: Bool) {
    guard let link = links[number], link.isCoordinatorOpen else { return }
    links[number]?.isCoordinatorOpen = false
    if isNoticed, !link.isDownLost {
      queue.add(.endAtWorker(link: number), at: max(link.lastArrivalDown + 1, now + latency()))
    } else {
      add(.endAtWorker(link: number), after: silenceLimit)
    }
    forget(number)
  }

  mutating func endAtCoordinator(_ number: Int, reason: String) throws {
    guard let link = links[number], link.isCoordinatorOpen else { return }
    closeCoordinatorEnd(number, isNoticed: true)
    if link.isGreeted, coordinator != nil {
      try deliver(.closed(ConnectionID(number), reason: reason))
    }
  }

  mutating func endAtWorker(_ number: Int) {
    guard let link = links[number], link.isWorkerOpen else { return }
    let isCurrent = workers[link.worker].link == number
    history.note(
      now, 3, number, text: "\(workers[link.worker].id) learns that \(number) is over")
    closeWorkerEnd(number, isNoticed: true)
    if isCurrent, workers[link.worker].isRunning { comeBack(link.worker) }
  }

  private mutating func forget(_ number: Int) {
    if let link = links[number], link.isOver { links[number] = nil }
  }
}
