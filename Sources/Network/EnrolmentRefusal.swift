// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Messages

/// Why somebody was turned away, as it is counted.
public enum RefusalCause: String, Codable, Sendable, CaseIterable {
  case unknownInvitation = "unknown_invitation"
  case usedInvitation = "used_invitation"
  case expiredInvitation = "expired_invitation"
  case withdrawnInvitation = "withdrawn_invitation"
  case badRequest = "bad_request"
  case authorityAway = "authority_away"
  case capacity
  case revokedCertificate = "revoked_certificate"
  case expiredCertificate = "expired_certificate"
  case foreignCertificate = "foreign_certificate"
  /// Another certificate that is not taken, or none.
  case otherCertificate = "other_certificate"
  /// The other side did not take the coordinator's certificate.
  case refusedCoordinator = "refused_coordinator"
}

/// Why there is no certificate for a newcomer, or no new one for a worker.
enum EnrolmentRefusal: Error, Equatable {
  case unknownInvitation
  case usedInvitation(name: String)
  case expiredInvitation(name: String, at: String)
  case withdrawnInvitation(name: String)
  case badRequest(String)
  case authorityAway(String)
  case revoked(name: String)
  case expired(name: String, at: String)
  case capacity
  case failed

  var cause: RefusalCause {
    switch self {
    case .unknownInvitation: .unknownInvitation
    case .usedInvitation: .usedInvitation
    case .expiredInvitation: .expiredInvitation
    case .withdrawnInvitation: .withdrawnInvitation
    case .badRequest: .badRequest
    case .authorityAway, .failed: .authorityAway
    case .revoked: .revokedCertificate
    case .expired: .expiredCertificate
    case .capacity: .capacity
    }
  }

  /// Who was to be invited; empty where that is not known.
  var name: String {
    switch self {
    case .usedInvitation(let name), .expiredInvitation(let name, _), .withdrawnInvitation(let name),
      .revoked(let name), .expired(let name, _):
      name
    default: ""
    }
  }

  /// The same for the other side.
  var refusal: Refusal {
    let code: Refusal.Code =
      switch self {
      case .unknownInvitation, .usedInvitation, .expiredInvitation, .withdrawnInvitation:
        .invitation
      case .badRequest: .malformed
      case .authorityAway, .failed: .authority
      case .revoked, .expired: .certificate
      case .capacity: .capacity
      }
    return Refusal(code: code, reason: description, retryable: self == .capacity || self == .failed)
  }
}

extension EnrolmentRefusal: CustomStringConvertible {
  /// One line: what is wrong, and what to do.
  var description: String {
    switch self {
    case .unknownInvitation: "the invitation is not known here; ask for a new one"
    case .usedInvitation(let name):
      "the invitation for \(name) was used with another key; ask for a new one"
    case .expiredInvitation(let name, let time):
      "the invitation for \(name) expired at \(time); ask for a new one"
    case .withdrawnInvitation(let name):
      "the invitation for \(name) was withdrawn; ask for a new one"
    case .badRequest(let what): "the signing request is not valid: \(what)"
    case .authorityAway(let reason): "no certificates are signed here: \(reason)"
    case .revoked(let name): "the certificate of \(name) was revoked; ask for a new invitation"
    case .expired(let name, let time):
      "the certificate of \(name) expired at \(time); ask for a new invitation"
    case .capacity: "too many are joining at once; try again later"
    case .failed: "the certificate could not be made; the coordinator's log says why"
    }
  }
}

/// One that a server turned away, for whoever watches it.
public struct ConnectionRefusal: Hashable, Sendable {
  /// Its name, as far as it is known; its address otherwise.
  public let name: String
  /// Why.
  public let cause: RefusalCause
  /// The same in words.
  public let reason: String
}

extension NetworkError {
  /// How a handshake that failed with this error is counted; nil for what is no refusal.
  var refusalCause: RefusalCause? {
    switch self {
    case .untrustedPeer(_, let reason):
      switch reason {
      case verdictText(X509_V_ERR_CERT_REVOKED): .revokedCertificate
      case verdictText(X509_V_ERR_CERT_HAS_EXPIRED): .expiredCertificate
      case verdictText(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY),
        verdictText(X509_V_ERR_CERT_SIGNATURE_FAILURE),
        verdictText(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN),
        verdictText(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT):
        .foreignCertificate
      default: .otherCertificate
      }
    case .certificateRefused: .refusedCoordinator
    case .tooManyConnections: .capacity
    default: nil
    }
  }
}

private func verdictText(_ verdict: Int32) -> String {
  String(cString: X509_verify_cert_error_string(Int(verdict)))
}
