// SPDX-License-Identifier: Apache-2.0
public import Network

/// A host and a port, as `name:port`, `1.2.3.4:port` or `[::1]:port`.
public struct Endpoint: Hashable, Sendable {
  /// A DNS name or an IP address, without brackets.
  public let host: String
  /// The port.
  public let port: Int

  /// The endpoint that `text` describes; nil when it describes none.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (1...65_535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.host = String(host)
    self.port = port
  }

  /// Where the coordinator of an invitation is.
  public init(_ invitation: Invitation) {
    host = invitation.host
    port = invitation.port
  }
}
