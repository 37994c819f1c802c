// SPDX-License-Identifier: Apache-2.0

/// One connection on its way through the network: in order both ways, until it breaks.
struct Link {
  let number: Int
  /// Which worker opened it.
  let worker: Int
  /// Whether each end still reads and writes.
  var isWorkerOpen = true
  var isCoordinatorOpen = true
  /// Whether the coordinator has heard the hello.
  var isGreeted = false
  /// The round that was assigned on it last.
  var assignedRound = 0
  /// Whether what is on its way, or is still sent, gets lost.
  var isUpLost = false
  var isDownLost = false
  /// When the last message of each direction arrives; the next one arrives later.
  var lastArrivalUp: Int64 = 0
  var lastArrivalDown: Int64 = 0
  /// How many messages are on their way down.
  var waitingDownCount = 0

  var isOver: Bool { !isWorkerOpen && !isCoordinatorOpen }
}
