// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
public import Digests
public import Rounds

/// What a certificate file says, for lists.
public struct CertificateSummary: Hashable, Sendable {
  /// Where it was read.
  public let path: String
  /// The subject's common name: a worker's identity.
  public let name: String
  /// What it allows.
  public let role: CertificateRole
  /// The first moment at which it is valid.
  public let notBefore: RunTime
  /// The last moment at which it is valid.
  public let notAfter: RunTime
  /// The serial number in hexadecimal.
  public let serial: String
  /// The SHA-256 of its DER form.
  public let fingerprint: Digest

  /// Reads a certificate in PEM form.
  public init(path: String) throws(NetworkError) {
    let certificate = try Certificate(path: path)
    guard let name = certificate.commonName, let role = certificate.role,
      let notBefore = certificate.notBefore, let notAfter = certificate.notAfter,
      let fingerprint = certificate.fingerprint
    else { throw .malformed(path: path, expected: "a certificate of Tern") }
    self.path = path
    self.name = name
    self.role = role
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.serial = certificate.serial
    self.fingerprint = fingerprint
  }
}
