// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Logging
internal import Rounds
internal import Synchronization

/// What a server shows to new connections: renewed files take the place of older ones.
final class ServerIdentity: Sendable {
  private struct State {
    var context: TLSContext
    var stamp: Registry.Stamp?
  }

  private let credentials: Credentials?
  private let admission: TLSContext.Admission?
  private let state: Mutex<State>

  /// Loads the files, and follows them.
  init(_ credentials: Credentials, admission: TLSContext.Admission?) throws(NetworkError) {
    precondition(credentials.role == .coordinator, "a server with the credentials of a worker")
    self.credentials = credentials
    self.admission = admission
    let stamp = Registry.Stamp(path: credentials.certificatePath)
    state = Mutex(
      State(context: try TLSContext(credentials, admission: admission), stamp: stamp))
  }

  /// One that never changes.
  init(_ context: TLSContext) {
    precondition(context.isServer, "a server with the credentials of a worker")
    credentials = nil
    admission = nil
    state = Mutex(State(context: context))
  }

  /// For the next connection.
  var context: TLSContext { state.withLock { $0.context } }

  /// Loads the files again when the certificate is another; what was loaded before goes on to
  /// hold when they cannot be used.
  func refresh(logger: Logger) throws(NetworkError) {
    guard let credentials else { return }
    let stamp = Registry.Stamp(path: credentials.certificatePath)
    guard stamp != state.withLock({ $0.stamp }) else { return }
    let context = try TLSContext(credentials, admission: admission)
    state.withLock { $0 = State(context: context, stamp: stamp) }
    logger.notice(
      "new certificate in use",
      metadata: ["until": "\(context.notAfter?.inWords ?? "")"])
  }
}
