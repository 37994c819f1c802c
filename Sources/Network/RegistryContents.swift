// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Digests
internal import FoundationEssentials
internal import Rounds

/// What an authority knows beside its key.
struct RegistryContents: Codable, Equatable, Sendable {
  /// An invitation; its secret is known by its digest only.
  struct Invited: Codable, Equatable, Sendable {
    let secret: Digest
    let name: String
    let expires: RunTime
    /// How long the certificate is to hold.
    let validSeconds: Int
    /// Whose key it was used with.
    var usedWith: Digest?
    var isWithdrawn = false
  }

  private(set) var version = 1
  var invitations: [Invited] = []
  private(set) var certificates: [IssuedCertificate] = []
  /// When the certificates of a name were revoked, those that are not known here included.
  private(set) var revocations: [String: RunTime] = [:]
  /// How many were turned away, by cause.
  private(set) var refusals: [String: Int] = [:]

  /// Whether the certificate with `serial`, of the worker `name`, does not hold any more.
  func isRevoked(name: String, serial: String) -> Bool {
    guard let certificate = certificates.first(where: { $0.serial == serial }) else {
      return revocations[name] != nil
    }
    return certificate.revoked != nil
  }

  /// The same for many questions.
  var revocationIndex: Revocations {
    Revocations(
      issued: Dictionary(
        certificates.map { ($0.serial, $0.revoked != nil) }, uniquingKeysWith: { $0 || $1 }),
      names: Set(revocations.keys))
  }

  /// The newest certificate of `name` for `key` that holds.
  func certificate(of name: String, key: Digest) -> IssuedCertificate? {
    certificates.last { $0.name == name && $0.key == key && $0.revoked == nil }
  }

  /// The certificate with `serial`.
  func certificate(serial: String) -> IssuedCertificate? {
    certificates.first { $0.serial == serial }
  }

  /// Adds a certificate, and forgets those that expired before others of their name.
  mutating func record(_ certificate: IssuedCertificate, at now: RunTime) {
    certificates.removeAll { $0.name == certificate.name && $0.notAfter < now }
    certificates.append(certificate)
  }

  /// Adds an invitation; an unused one for the same name holds no longer.
  mutating func invite(_ invited: Invited, at now: RunTime) {
    withdraw(invitationsFor: invited.name)
    // A month later nobody has to be told any more why an old line is not taken.
    invitations.removeAll { $0.expires + .seconds(30 * 86_400) < now }
    invitations.append(invited)
  }

  private mutating func withdraw(invitationsFor name: String) {
    for index in invitations.indices where invitations[index].name == name {
      guard invitations[index].usedWith == nil else { continue }
      invitations[index].isWithdrawn = true
    }
  }

  /// The position of the invitation with a secret of this digest.
  ///
  /// Takes as long whether it is found or not, and wherever.
  func indexOfInvitation(secret: Digest) -> Int? {
    var found: Int?
    for (index, invited) in invitations.enumerated()
    where CRYPTO_memcmp(invited.secret.bytes, secret.bytes, Digest.byteCount) == 0 {
      found = index
    }
    return found
  }

  /// Revokes all certificates of `name` and withdraws all invitations, used ones too; false when
  /// there are none.
  mutating func revoke(_ name: String, at now: RunTime) -> Bool {
    var isKnown = false
    for index in certificates.indices where certificates[index].name == name {
      if certificates[index].revoked == nil { certificates[index].revoked = now }
      isKnown = true
    }
    for index in invitations.indices where invitations[index].name == name {
      invitations[index].isWithdrawn = true
      isKnown = true
    }
    if isKnown { revocations[name] = now }
    return isKnown
  }

  /// Counts who was turned away.
  mutating func count(_ counts: [RefusalCause: Int]) {
    for (cause, count) in counts { refusals[cause.rawValue, default: 0] += count }
  }
}

/// Whose certificates do not hold any more.
struct Revocations: Sendable {
  /// By serial number: whether a certificate that is known was revoked.
  fileprivate let issued: [String: Bool]
  /// Whose certificates that are not known are revoked.
  fileprivate let names: Set<String>

  func contain(name: String, serial: String) -> Bool {
    issued[serial] ?? names.contains(name)
  }
}

/// A worker's certificate, as the registry keeps it.
struct IssuedCertificate: Codable, Equatable, Sendable {
  let name: String
  let serial: String
  /// The digest of its public key.
  let key: Digest
  let issued: RunTime
  let notAfter: RunTime
  /// The certificate itself: who lost it gets the same again.
  let der: Data
  var revoked: RunTime?

  init(_ certificate: Certificate, at now: RunTime) throws(NetworkError) {
    guard let name = certificate.commonName, let key = certificate.keyDigest,
      let notAfter = certificate.notAfter
    else { throw .malformedCertificate }
    self.name = name
    self.key = key
    self.notAfter = notAfter
    serial = certificate.serial
    issued = now
    der = Data(try certificate.der())
  }

  /// How long it holds.
  var validity: Duration { notAfter - issued }

  /// Whether more than half of its life is ahead.
  func isFresh(at now: RunTime) -> Bool { now < issued + validity / 2 }
}
