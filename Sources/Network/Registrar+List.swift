// SPDX-License-Identifier: Apache-2.0
public import Federation
public import Rounds

/// One line of the list of who may take part.
public struct Member: Hashable, Sendable {
  /// Where it stands.
  public enum State: String, Sendable {
    /// May join, and has not.
    case invited
    /// Has a certificate that holds.
    case active
    /// Had one that held until now.
    case expired
    /// Had one that was taken back.
    case revoked
  }

  /// Its name.
  public let name: String
  /// What its certificate allows.
  public let role: CertificateRole
  /// Where it stands.
  public let state: State
  /// The last moment of its certificate or invitation.
  public let until: RunTime
  /// The serial number of its certificate; nil for an invitation.
  public let serial: String?
}

extension Registrar {
  /// The authority, the coordinator, and all certificates and open invitations of workers.
  public func members(at now: RunTime = .now) throws(NetworkError) -> [Member] {
    var members: [Member] = []
    for path in ["authority.pem", "coordinator.pem"] {
      let summary = try CertificateSummary(path: "\(folder)/\(path)")
      members.append(
        Member(
          name: summary.name, role: summary.role,
          state: summary.notAfter < now ? .expired : .active, until: summary.notAfter,
          serial: summary.serial))
    }
    let contents = try registry.read()
    let certificates = contents.certificates.map { certificate in
      Member(
        name: certificate.name, role: .worker,
        state: certificate.revoked != nil
          ? .revoked : certificate.notAfter < now ? .expired : .active,
        until: certificate.notAfter, serial: certificate.serial)
    }
    let invitations = contents.invitations.filter { !$0.isWithdrawn && $0.usedWith == nil }.map {
      Member(
        name: $0.name, role: .worker, state: $0.expires < now ? .expired : .invited,
        until: $0.expires, serial: nil)
    }
    return members
      + (certificates + invitations).sorted { ($0.name, $0.until) < ($1.name, $1.until) }
  }

  /// How many were turned away, by cause.
  public func refusals() throws(NetworkError) -> [String: Int] { try registry.read().refusals }
}
