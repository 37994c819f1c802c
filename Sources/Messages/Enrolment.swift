// SPDX-License-Identifier: Apache-2.0

/// What somebody who has an invitation, and no certificate yet, says: all of it.
public struct Enrolment: Hashable, Sendable {
  /// How many bytes a secret has.
  public static let secretByteCount = 32

  /// The invitation's secret.
  public let secret: [UInt8]
  /// A PKCS#10 request in DER form; only its public key counts.
  public let request: [UInt8]
  /// The name and version of the program.
  public let software: String

  /// A wish for a certificate for the key of `request`.
  public init(secret: [UInt8], request: [UInt8], software: String) {
    self.secret = secret
    self.request = request
    self.software = software
  }
}

/// What a newcomer hears.
public enum EnrolmentAnswer: Hashable, Sendable {
  /// The newcomer is a worker now.
  case granted(Grant)
  /// It is not, and why.
  case refused(Refusal)
}

/// A new worker's certificate.
public struct Grant: Hashable, Sendable {
  /// The certificate in DER form.
  public let certificate: [UInt8]
  /// The certificate of the authority that signed it, in DER form.
  public let authority: [UInt8]

  /// A certificate and its authority's.
  public init(certificate: [UInt8], authority: [UInt8]) {
    self.certificate = certificate
    self.authority = authority
  }
}
