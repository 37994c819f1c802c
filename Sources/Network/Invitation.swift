// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
public import Digests
internal import FoundationEssentials
public import Rounds

/// All that somebody needs to join: one line, to be handed over on a trusted way.
public struct Invitation: Hashable, Sendable {
  /// How the new worker will be called.
  public let name: WorkerID
  /// Where the coordinator is reached.
  public let host: String
  /// The coordinator's port.
  public let port: Int
  /// The SHA-256 of the authority's certificate: a server of any other is not spoken to.
  public let authority: Digest
  /// When it stops to hold, in whole seconds.
  public let expires: RunTime
  /// What only its holder and its maker know.
  let secret: [UInt8]

  private static let prefix = "tern-join:1:"
  /// Enough to find a line that was cut or mistyped; the secret is what keeps others out.
  private static let checksumDigitCount = 8

  init(
    name: WorkerID, host: String, port: Int, authority: Digest, expires: RunTime, secret: [UInt8]
  ) {
    self.name = name
    self.host = host
    self.port = port
    self.authority = authority
    self.expires = RunTime(nanoseconds: expires.seconds * 1_000_000_000)
    self.secret = secret
  }

  /// Reads a line; says what is wrong with one that is not whole.
  public init(_ line: String) throws(NetworkError) {
    guard line.hasPrefix(Self.prefix) else {
      throw .damagedInvitation("it does not begin with '\(Self.prefix)'")
    }
    guard let end = line.lastIndex(of: ":"),
      line[line.index(after: end)...] == Self.checksum(of: line[..<end])
    else { throw .damagedInvitation("its checksum is wrong") }
    // An IPv6 address has colons too: the host is what is left in the middle.
    let parts = line[..<end].dropFirst(Self.prefix.count)
      .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 6 else { throw .damagedInvitation("it is too short") }
    let host = Self.unbracketed(parts[1..<(parts.count - 4)].joined(separator: ":"))
    guard let name = WorkerID(rawValue: parts[0]), isAddress(host) || isHostName(host),
      let port = Int(parts[parts.count - 4]), (1...65_535).contains(port),
      let authority = bytes(ofBase64: parts[parts.count - 3]).flatMap({ Digest(bytes: $0) }),
      let secret = bytes(ofBase64: parts[parts.count - 2]), secret.count == 32,
      let expires = Int64(parts[parts.count - 1]), (0..<1 << 33).contains(expires)
    else { throw .damagedInvitation("a part of it makes no sense") }
    self.init(
      name: name, host: host, port: port, authority: authority,
      expires: RunTime(nanoseconds: expires * 1_000_000_000), secret: secret)
  }

  /// The line: printable, without blank space.
  public var line: String {
    let host = host.contains(":") ? "[\(host)]" : host
    let text =
      Self.prefix
      + [
        name.rawValue, host, "\(port)", base64(authority.bytes), base64(secret),
        "\(expires.seconds)",
      ].joined(separator: ":")
    return "\(text):\(Self.checksum(of: text))"
  }

  /// What the registry knows it by.
  var secretDigest: Digest { Digest(of: secret) }

  private static func checksum(of text: some StringProtocol) -> Substring {
    Digest(of: Array(text.utf8)).description.prefix(checksumDigitCount)
  }

  private static func unbracketed(_ host: String) -> String {
    host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  }
}

/// Random bytes that nobody can guess.
func randomSecret() throws(NetworkError) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: 32)
  guard RAND_bytes(&bytes, Int32(bytes.count)) == 1 else {
    throw .library(OpenSSLErrors.drained().summary)
  }
  return bytes
}

/// The base64url form without padding (RFC 4648, section 5).
private func base64(_ bytes: [UInt8]) -> String {
  String(
    Data(bytes).base64EncodedString().compactMap { character in
      switch character {
      case "+": "-"
      case "/": "_"
      case "=": nil
      default: character
      }
    })
}

private func bytes(ofBase64 text: String) -> [UInt8]? {
  let standard = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
  let padding = String(repeating: "=", count: (4 - standard.count % 4) % 4)
  guard let data = Data(base64Encoded: String(standard) + padding) else { return nil }
  let bytes = Array(data)
  // One text for the same bytes only.
  return base64(bytes) == text ? bytes : nil
}
