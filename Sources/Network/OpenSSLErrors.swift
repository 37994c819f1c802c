// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem

// OpenSSL keeps its errors in a queue per thread, and connections share the threads of event
// loops: the queue is cleared before each call, and drained after each failure.

/// What OpenSSL put into its error queue.
struct OpenSSLErrors {
  /// The reasons, oldest first.
  private(set) var reasons: [String] = []
  /// What an alert of the other side says, when one is the cause.
  private(set) var alert: String?

  /// Empties the queue before a call whose errors matter.
  static func clear() { ERR_clear_error() }

  /// Takes all errors out of the queue.
  static func drained() -> OpenSSLErrors {
    var errors = OpenSSLErrors()
    while case let code = ERR_get_error(), code != 0 {
      let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
      errors.reasons.append(reason)
      let alert = tern_error_alert(code)
      if alert >= 0 { errors.alert = text(ofAlert: alert) ?? reason }
    }
    return errors
  }

  /// All reasons in one line.
  var summary: String {
    reasons.isEmpty ? "no reason given" : reasons.joined(separator: "; ")
  }

  /// The alerts of RFC 8446, section 6.2, that are about certificates.
  private static func text(ofAlert number: Int32) -> String? {
    switch number {
    case 42: "this certificate is bad, or names another host"
    case 43: "this certificate is not for this role"
    case 44: "this certificate is revoked"
    case 45: "this certificate has expired"
    case 46: "this certificate is unacceptable"
    case 48: "this certificate was issued by an authority unknown there"
    case 70: "it does not speak TLS 1.3"
    case 116: "a certificate is required"
    default: nil
    }
  }
}
