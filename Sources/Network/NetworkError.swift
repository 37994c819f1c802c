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
  // Certificates
  case keyMismatch(key: String, certificate: String)
  case expired(path: String, at: String)
  case notYetValid(path: String, from: String)
  case wrongRole(path: String, role: CertificateRole, expected: CertificateRole)
  case foreignCertificate(path: String, authority: String)
  case workerName(String)
  case hostName(String)
  case noHostNames
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
}

extension NetworkError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    fileDescription ?? certificateDescription ?? connectionDescription
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
    default: nil
    }
  }

  private var certificateDescription: String? {
    switch self {
    case .keyMismatch(let key, let certificate):
      "\(key) is not the key of \(certificate); copy both from the same folder"
    case .expired(let path, let time):
      "\(path) expired at \(time); issue a new certificate, or correct this machine's clock"
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
    case .library(let what): "libcrypto failed: \(what)"
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
    default: "network failure"
    }
  }
}
