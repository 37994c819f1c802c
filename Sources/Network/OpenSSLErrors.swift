// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem

// OpenSSL keeps its errors in a queue per thread, and connections share the threads of event
// loops: the queue is cleared before each call, and drained after each failure.

/// What OpenSSL put into its error queue.
struct OpenSSLErrors {
  /// The reasons, oldest first.
  private(set) var reasons: [String] = []
  /// The error that an alert of the other side stands for, when one is the cause.
  private(set) var alert: NetworkError?

  /// Empties the queue before a call whose errors matter.
  static func clear() { ERR_clear_error() }

  /// Takes all errors out of the queue.
  static func drained() -> OpenSSLErrors {
    var errors = OpenSSLErrors()
    while case let code = ERR_get_error(), code != 0 {
      let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
      errors.reasons.append(reason)
      let alert = tern_error_alert(code)
      if alert >= 0 { errors.alert = error(ofAlert: alert, reason) }
    }
    return errors
  }

  /// All reasons in one line.
  var summary: String {
    reasons.isEmpty ? "no reason given" : reasons.joined(separator: "; ")
  }

  /// RFC 8446, section 6.2.
  private static func error(ofAlert number: Int32, _ reason: String) -> NetworkError {
    switch number {
    case 42:
      .certificateRefused(reason: "it is damaged, not valid yet, or names another host")
    case 43: .certificateRefused(reason: "it is not for this role")
    case 44: .certificateRefused(reason: "it is revoked")
    case 45: .certificateRefused(reason: "it has expired")
    case 46: .certificateRefused(reason: "it is not acceptable there")
    case 48: .certificateRefused(reason: "it was issued by an authority unknown there")
    case 116: .certificateRefused(reason: "none was shown")
    default: .refusedByPeer(alert: reason)
    }
  }
}
