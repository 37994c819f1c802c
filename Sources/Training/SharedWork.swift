// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Foundation

/// Does the same work at all of some seats at once, each on a thread of its own but for the first,
/// which is this one's; returns when all are done.
///
/// The threads are no queue's: those answer messages meanwhile.
func workTogether<Seat: Sendable>(
  at seats: some Collection<Seat>, _ work: @escaping @Sendable (Seat) -> Void
) {
  guard let own = seats.first else { return }
  let helpers = DispatchGroup()
  for seat in seats.dropFirst() {
    helpers.enter()
    Thread.detachNewThread {
      work(seat)
      helpers.leave()
    }
  }
  work(own)
  helpers.wait()
}
