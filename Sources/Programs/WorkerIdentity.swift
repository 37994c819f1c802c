// SPDX-License-Identifier: Apache-2.0
internal import Foundation
public import Logging
public import Network
internal import Rounds

/// Where a worker's coordinator is, and what the worker shows there.
public struct WorkerIdentity: Sendable {
  /// Where to connect.
  public let coordinator: Endpoint
  /// The worker's certificate, its key and its authority.
  public let credentials: Credentials

  /// What a worker's command line says; joins when it says so, and that was not done before.
  ///
  /// - Parameters:
  ///   - join: the line of an invitation.
  ///   - coordinator: `host:port`, in the place of the invitation's.
  ///   - certificates: the worker's folder; by default that of the invitation's name.
  ///   - limit: how long it looks for a coordinator that it is to join.
  public init(
    join: String?, coordinator: String?, certificates: String?, givingUpAfter limit: Duration,
    log: Logger
  ) async throws {
    let given = coordinator.flatMap { Endpoint($0) }
    guard let join else {
      guard let given, let certificates else {
        throw InputError("no coordinator or no certificate; give --join, or both")
      }
      self.coordinator = given
      credentials = Credentials(workerFolder: certificates)
      return
    }
    let invitation = try Invitation(join)
    let joining = Joining(
      invitation, folder: certificates ?? "certificates/workers/\(invitation.name)")
    try await joining.joinPatiently(givingUpAfter: limit, log: log)
    self.coordinator = given ?? Endpoint(invitation)
    credentials = joining.credentials
  }
}
