// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
public import Logging
public import Network
internal import Randomness
internal import Rounds

extension Joining {
  /// Joins unless that was done before, and waits for a coordinator that is not there yet.
  ///
  /// - Parameter limit: how long it looks for a coordinator that cannot be reached.
  /// - Throws: what trying again cannot mend.
  public func joinPatiently(givingUpAfter limit: Duration, log: Logger) async throws {
    guard try !isDone() else { return }
    let end = ContinuousClock.now + limit
    let process = UInt64(ProcessInfo.processInfo.processIdentifier)
    var backoff = Backoff(seed: Seed(process).derived(invitation.name.rawValue))
    while true {
      do {
        try await join(logger: log)
        log.notice(
          "joined", metadata: ["as": "\(invitation.name)", "certificates": "\(folder)"])
        return
      } catch let error as NetworkError where error.mayPass && .now < end {
        let delay = backoff.next()
        log.warning(
          "not joined, trying again", metadata: ["reason": "\(error)", "in": "\(delay)"])
        try await Task.sleep(for: delay)
      }
    }
  }
}
