// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Synchronization

/// Counts the bytes of one socket; written by its event loop, read from anywhere.
final class TrafficMeter: Sendable {
  private let received = Atomic(0)
  private let sent = Atomic(0)

  /// `count` bytes came in.
  func receive(_ count: Int) { received.add(count, ordering: .relaxed) }

  /// `count` bytes went out.
  func send(_ count: Int) { sent.add(count, ordering: .relaxed) }

  /// The bytes so far.
  var traffic: Traffic {
    Traffic(received: received.load(ordering: .relaxed), sent: sent.load(ordering: .relaxed))
  }
}
