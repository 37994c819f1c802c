// SPDX-License-Identifier: Apache-2.0

/// What encrypts the authority's key.
public struct Passphrase: Sendable {
  let bytes: [UInt8]

  /// OpenSSL takes no longer one.
  private static let maximumByteCount = 1024

  /// The passphrase in `text`; nil when it is empty or too long.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard (1...Self.maximumByteCount).contains(bytes.count) else { return nil }
    self.bytes = bytes
  }

  /// The first line of a file that no one but its owner may read.
  public init(path: String) throws(NetworkError) {
    let contents = try readSmallFile(path, isSecret: true)
    let line = contents.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard let text = String(validating: line, as: UTF8.self), let passphrase = Passphrase(text)
    else { throw .noPassphrase(path: path) }
    self = passphrase
  }
}
