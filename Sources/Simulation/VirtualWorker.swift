// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Randomness
internal import Rounds

/// A worker's process, its disk, and what is known of it from outside.
struct VirtualWorker {
  let index: Int
  let id: WorkerID

  // The process; all of this is lost with it.
  var isRunning = false
  var worker: Worker?
  var link: Int?
  var backoff: Backoff
  /// Which training was begun last, and which version is still to be learned from.
  var trainingNumber = 0
  var wantedVersion: Int?
  var ledger: Ledger

  // The disk.
  var memory: [UInt8]?
  var rememberedLedger: Ledger

  // Seen from outside.
  /// How often the process was started, so that what was meant for an earlier one is dropped.
  var life = 0
  var stoppedUntil: Int64 = 0
  /// Whether it has heard that the run is over.
  var isDone = false
  /// Whether what it learned can still be accounted for: not when its disk was lost.
  var isAccountable = true
  /// What it has sent, to be sent again by mischief.
  var sent: [Upload] = []
  var sentPayloads: Set<Digest> = []

  init(index: Int, id: WorkerID, seed: Seed, parameterCount: Int) {
    self.index = index
    self.id = id
    backoff = Backoff(seed: seed.derived("backoff", UInt64(index)))
    ledger = Ledger(count: parameterCount)
    rememberedLedger = ledger
  }
}
