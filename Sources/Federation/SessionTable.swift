// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Files
internal import Messages
internal import Rounds

/// One connection's number: never used twice in the life of a coordinator.
public struct ConnectionID: Hashable, Sendable {
  /// The number itself.
  public let number: Int

  /// The connection with this number.
  public init(_ number: Int) { self.number = number }
}

/// Who is connected, and what each holds.
struct SessionTable {
  struct Entry {
    let worker: WorkerID
    var heldVersion: Int?
    var heldState: Digest?
    /// What the worker has of a delivery that was cut off.
    var heldPart: PayloadInbox.Part?
    /// What is here of the worker's last upload.
    var part: PayloadInbox.Part?
    var activity: WorkerHeartbeat.Activity?
    /// How many messages since its last task changed nothing.
    var needlessCount = 0
  }

  private var entries: [ConnectionID: Entry] = [:]
  private var connections: [WorkerID: ConnectionID] = [:]

  subscript(connection: ConnectionID) -> Entry? { entries[connection] }

  /// Adds a connection; gives the one that it replaces, if the worker had one.
  mutating func open(_ connection: ConnectionID, _ entry: Entry) -> ConnectionID? {
    let replaced = connections.updateValue(connection, forKey: entry.worker)
    if let replaced { entries[replaced] = nil }
    entries[connection] = entry
    return replaced
  }

  /// Removes a connection; gives its worker, unless a newer connection had replaced it.
  mutating func close(_ connection: ConnectionID) -> WorkerID? {
    guard let entry = entries.removeValue(forKey: connection) else { return nil }
    connections[entry.worker] = nil
    return entry.worker
  }

  func connection(of worker: WorkerID) -> ConnectionID? { connections[worker] }

  mutating func note(_ activity: WorkerHeartbeat.Activity?, on connection: ConnectionID) {
    entries[connection]?.activity = activity
  }

  mutating func note(heldVersion: Int, state: Digest, on connection: ConnectionID) {
    entries[connection]?.heldVersion = heldVersion
    entries[connection]?.heldState = state
    entries[connection]?.heldPart = nil
    entries[connection]?.needlessCount = 0
  }

  /// Notes a message that changes nothing; gives how many there were since the last task.
  mutating func noteNeedless(on connection: ConnectionID) -> Int {
    entries[connection]?.needlessCount += 1
    return entries[connection]?.needlessCount ?? 0
  }

  mutating func note(part: PayloadInbox.Part, on connection: ConnectionID) {
    entries[connection]?.part = part
  }

  var all: [ConnectionID] { entries.keys.sorted { $0.number < $1.number } }

  var activities: [WorkerID: WorkerHeartbeat.Activity] {
    entries.values.reduce(into: [:]) { $0[$1.worker] = $1.activity }
  }
}

/// What the open round has cost so far.
struct RoundLedger {
  let number: Int
  let opened: RunTime?
  var receivedByteCount = 0
  var sentByteCount = 0
  var tokenCount = 0
  private var lossSum = 0.0
  private var weightSum = 0.0

  init(number: Int = 0, opened: RunTime? = nil) {
    self.number = number
    self.opened = opened
  }

  mutating func add(loss: Double, weight: Int, tokenCount: Int, byteCount: Int) {
    lossSum += loss * Double(weight)
    weightSum += Double(weight)
    self.tokenCount += tokenCount
    receivedByteCount += byteCount
  }

  var loss: Double { weightSum > 0 ? lossSum / weightSum : 0 }
}
