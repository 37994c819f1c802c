// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a certificate, a key, or a connection; each in one line with its remedy.
public enum NetworkError: Error, Equatable, Sendable {
  // Files
  case unreadable(path: String, reason: String)
  case unwritable(path: String, reason: String)
  case alreadyExists(path: String)
  case malformed(path: String, expected: String)
  case exposedKey(path: String, mode: String)
  case encryptedKey(path: String)
  case wrongPassphrase(path: String)
  case noPassphrase(path: String)
  /// The authority's key is encrypted, and there is no passphrase.
  case passphraseNeeded(path: String)
  case damagedRegistry(path: String, reason: String)
  // Certificates
  case keyMismatch(key: String, certificate: String)
  case expired(path: String, at: String)
  case notYetValid(path: String, from: String)
  case wrongRole(path: String, role: CertificateRole, expected: CertificateRole)
  case foreignCertificate(path: String, authority: String)
  case workerName(String)
  case hostName(String)
  case noHostNames
  case unknownWorker(String)
  case revokedWorker(String)
  case hostNotServed(String, names: [String])
  case malformedCertificate
  case unusableCertificate(String)
  // Joining
  case damagedInvitation(String)
  case folderOfAnother(path: String, name: String, invited: String)
  case noEnrolment
  case enrolmentTimeout(Duration)
  case enrolmentRefused(reason: String, isRetryable: Bool)
  case library(String)
  // Reaching each other
  case cannotListen(address: String, reason: String)
  case cannotConnect(address: String, reason: String)
  case tooManyConnections(limit: Int)
  case handshakeTimeout(Duration)
  case handshakeFailed(String)
  /// This side refused the certificate of the other.
  case untrustedPeer(name: String, reason: String)
  /// The other side refused this side's certificate.
  case certificateRefused(reason: String)
  /// The other side gave up with an alert.
  case refusedByPeer(alert: String)
  case closedDuringHandshake
  // An open connection
  case corruptStream(String)
  case truncated
  case connectionLost(String)
  case closed
  /// This side ended the connection of a worker whose certificate does not hold any more.
  case dismissed(reason: String)
}

extension NetworkError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    fileDescription ?? certificateDescription ?? joiningDescription ?? connectionDescription
  }

  private var fileDescription: String? {
    switch self {
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .unwritable(let path, let reason): "cannot write \(path): \(reason)"
    case .alreadyExists(let path):
      "\(path) already exists and is never overwritten; move it away or name another folder"
    case .malformed(let path, let expected):
      "\(path) does not hold \(expected) in PEM form; create or copy it again"
    case .exposedKey(let path, let mode):
      "\(path) can be read by others (mode \(mode)); run: chmod 600 \(path)"
    case .encryptedKey(let path):
      "\(path) is encrypted with a passphrase; give a key without one"
    case .wrongPassphrase(let path): "the passphrase is not that of \(path)"
    case .noPassphrase(let path): "the first line of \(path) is no passphrase; write it there"
    case .passphraseNeeded(let path):
      "\(path) is encrypted; give its passphrase with --passphrase-file or in TERN_PASSPHRASE"
    case .damagedRegistry(let path, let reason):
      "\(path) is damaged (\(reason)); take the newest copy of it"
    default: nil
    }
  }

  private var certificateDescription: String? {
    switch self {
    case .keyMismatch(let key, let certificate):
      "\(key) is not the key of \(certificate); copy both from the same folder"
    case .expired(let path, let time):
      "\(path) expired at \(time); get a new certificate, or correct this machine's clock"
    case .notYetValid(let path, let time):
      "\(path) is valid from \(time) only; correct this machine's clock"
    case .wrongRole(let path, let role, let expected):
      "\(path) is \(role.indefinite) certificate, \(expected.indefinite) certificate is needed"
    case .foreignCertificate(let path, let authority):
      "\(path) was not issued by \(authority); copy both from the same folder"
    case .workerName(let name):
      "'\(name)' cannot name a worker; use 1 to 64 letters, digits, '-', '_' and '.'"
    case .hostName(let name): "'\(name)' is neither a DNS name nor an IP address"
    case .noHostNames:
      "a coordinator's certificate needs a name or an address under which workers reach it"
    case .unknownWorker(let name):
      "nobody called '\(name)' was invited or has a certificate; see: tern certificates list"
    case .revokedWorker(let name):
      "the certificate of '\(name)' is revoked; make a new invitation instead"
    case .hostNotServed(let host, let names):
      "the coordinator's certificate is for \(names.joined(separator: ", ")), not for '\(host)'; "
        + "give one of these, or create an authority with that name"
    case .malformedCertificate: "what was sent as a certificate is none"
    case .unusableCertificate(let what): "the certificate that was sent cannot be used: \(what)"
    case .library(let what): "libcrypto failed: \(what)"
    default: nil
    }
  }

  private var joiningDescription: String? {
    switch self {
    case .damagedInvitation(let what):
      "the invitation is damaged (\(what)); copy the whole line that was printed"
    case .folderOfAnother(let path, let name, let invited):
      "\(path) holds the certificate of \(name), the invitation is for \(invited); "
        + "name another folder with --certificates"
    case .noEnrolment: "the coordinator takes no invitations; run a newer version of it"
    case .enrolmentTimeout(let limit): "no answer to the invitation within \(limit)"
    case .enrolmentRefused(let reason, _): "the coordinator refused the invitation: \(reason)"
    default: nil
    }
  }

  private var connectionDescription: String {
    switch self {
    case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
    case .cannotConnect(let address, let reason): "cannot connect to \(address): \(reason)"
    case .tooManyConnections(let limit): "\(limit) connections are open, no more are taken"
    case .handshakeTimeout(let limit): "no TLS handshake within \(limit)"
    case .handshakeFailed(let what):
      "the TLS handshake failed (\(what)); does the other side speak TLS 1.3?"
    case .untrustedPeer(let name, let reason):
      name.isEmpty ? "no valid certificate: \(reason)" : "certificate '\(name)' refused: \(reason)"
    case .certificateRefused(let reason):
      "the other side refused this certificate: \(reason)"
    case .refusedByPeer(let alert): "the other side gave up: \(alert)"
    case .closedDuringHandshake: "the other side closed the connection during the handshake"
    case .corruptStream(let what): "the encrypted stream is damaged: \(what)"
    case .truncated: "the connection was cut: it ended without the other side closing it"
    case .connectionLost(let reason): "the connection was lost: \(reason)"
    case .closed: "the connection is closed"
    case .dismissed(let reason): reason
    default: "network failure"
    }
  }
}
