// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Logging
internal import Rounds
internal import Synchronization

/// What a running server knows of who may be connected, and who is.
///
/// Follows the registry's file: what a command changes there holds here a moment later.
final class Membership: Sendable {
  private struct Connection {
    var peer: PeerIdentity
    let dismiss: AsyncStream<EnrolmentRefusal>.Continuation
    var refusal: EnrolmentRefusal?
  }

  private struct State {
    var revocations: Revocations
    var stamp: Registry.Stamp?
    var connections: [Int: Connection] = [:]
    var connectionCount = 0
    var newcomerCount = 0
    var refusals: [RefusalCause: Int] = [:]
  }

  private let registrar: Registrar
  private let state: Mutex<State>

  /// Reads the registry as it is.
  init(_ registrar: Registrar) throws(NetworkError) {
    self.registrar = registrar
    let stamp = registrar.registry.stamp
    state = Mutex(
      State(revocations: try registrar.registry.read().revocationIndex, stamp: stamp))
  }

  /// What the handshake asks.
  var admission: TLSContext.Admission {
    TLSContext.Admission { [self] name, serial in
      state.withLock { $0.revocations.contain(name: name, serial: serial) }
    }
  }

  // MARK: Connections

  /// Takes note of a connection; `dismissals` says when it must end.
  func enter(_ peer: PeerIdentity) -> (number: Int, dismissals: AsyncStream<EnrolmentRefusal>) {
    let (dismissals, dismiss) = AsyncStream<EnrolmentRefusal>.makeStream()
    let number = state.withLock { state in
      state.connectionCount += 1
      state.connections[state.connectionCount] = Connection(peer: peer, dismiss: dismiss)
      return state.connectionCount
    }
    // Between its handshake and now it may have been revoked.
    dismissWhoMayNotStay(at: .now)
    return (number, dismissals)
  }

  /// Forgets a connection.
  func leave(_ number: Int) {
    state.withLock { _ = $0.connections.removeValue(forKey: number) }
  }

  /// From now on the worker of this connection is known by its new certificate.
  func renew(_ number: Int, serial: String, notAfter: RunTime) {
    state.withLock { state in
      guard let peer = state.connections[number]?.peer else { return }
      state.connections[number]?.peer = PeerIdentity(
        name: peer.name, serial: serial, notAfter: notAfter, isNewcomer: false)
    }
  }

  /// The serial number of the certificate by which the worker of a connection is known.
  func serial(of number: Int) -> String {
    state.withLock { $0.connections[number]?.peer.serial ?? "" }
  }

  /// Why a connection must end; nil when it need not.
  func refusal(of number: Int) -> EnrolmentRefusal? {
    state.withLock { $0.connections[number]?.refusal }
  }

  private func dismissWhoMayNotStay(at now: RunTime) {
    state.withLock { state in
      for (number, connection) in state.connections where connection.refusal == nil {
        let peer = connection.peer
        let refusal: EnrolmentRefusal
        if state.revocations.contain(name: peer.name, serial: peer.serial) {
          refusal = .revoked(name: peer.name)
        } else if let end = peer.notAfter, end < now {
          refusal = .expired(name: peer.name, at: end.inWords)
        } else {
          continue
        }
        state.connections[number]?.refusal = refusal
        connection.dismiss.yield(refusal)
        connection.dismiss.finish()
      }
    }
  }

  // MARK: Newcomers

  /// Runs `body` unless `limit` newcomers are talked to already.
  func withPlace<Result>(
    within limit: Int, _ body: () async throws -> Result
  ) async throws -> Result {
    let isIn = state.withLock { state in
      guard state.newcomerCount < limit else { return false }
      state.newcomerCount += 1
      return true
    }
    guard isIn else { throw EnrolmentRefusal.capacity }
    defer { state.withLock { $0.newcomerCount -= 1 } }
    return try await body()
  }

  // MARK: The registry

  /// Counts one that was turned away; it is in the registry soon.
  func count(_ cause: RefusalCause) {
    state.withLock { $0.refusals[cause, default: 0] += 1 }
  }

  /// Takes over what changed in the registry, and ends the connections of who may not stay.
  func refresh(at now: RunTime) throws(NetworkError) {
    let stamp = registrar.registry.stamp
    if state.withLock({ $0.stamp }) != stamp {
      let revocations = try registrar.registry.read().revocationIndex
      state.withLock {
        $0.revocations = revocations
        $0.stamp = stamp
      }
    }
    dismissWhoMayNotStay(at: now)
  }

  /// Puts the counts into the registry.
  func writeCounts() throws(NetworkError) {
    let counts = state.withLock { state in
      defer { state.refusals = [:] }
      return state.refusals
    }
    guard !counts.isEmpty else { return }
    try registrar.registry.change { $0.count(counts) }
  }
}
