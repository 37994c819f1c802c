// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import COpenSSLSystem
import NIOCore
import Testing

@testable import Network

/// Two engines and the wire between them.
struct EnginePair {
  let client: TLSEngine
  let server: TLSEngine

  init(client: TLSContext, server: TLSContext, host: String = "127.0.0.1") throws {
    self.client = try TLSEngine(context: client, host: host)
    self.server = try TLSEngine(context: server, host: "")
  }

  init(_ authority: TestAuthority, host: String = "127.0.0.1") throws {
    let name = "ann-\(UInt32.random(in: 0...UInt32.max))"
    try self.init(
      client: TLSContext(try authority.worker(name)), server: TLSContext(authority.coordinator),
      host: host)
  }

  /// What both sides make of the handshake when the wire changes nothing.
  func shakeHands() -> (client: TLSEngine.Step, server: TLSEngine.Step) {
    var client = TLSEngine.Step.incomplete
    var server = TLSEngine.Step.incomplete
    for _ in 0..<6 {
      if client == .incomplete { client = self.client.handshake() }
      carry(from: self.client, to: self.server)
      if server == .incomplete { server = self.server.handshake() }
      carry(from: self.server, to: self.client)
    }
    return (client, server)
  }

  /// Moves all output of one engine into the other; says how many bytes it was.
  @discardableResult
  func carry(
    from sender: TLSEngine, to receiver: TLSEngine, changing: (inout [UInt8]) -> Void = { _ in }
  ) -> Int {
    var bytes = output(of: sender)
    changing(&bytes)
    bytes.withUnsafeBytes { receiver.receive($0) }
    return bytes.count
  }
}

/// All that an engine has to say to the other side.
func output(of engine: TLSEngine) -> [UInt8] {
  let count = engine.outputByteCount
  let output = engine.takeOutput()
  #expect(output.readableBytes == count)
  return Array(output.readableBytesView)
}

/// Reads until there is no more; says why.
func plaintext(of engine: TLSEngine, partByteCount: Int = 20_000) -> ([UInt8], TLSEngine.Reading) {
  var bytes: [UInt8] = []
  var part = [UInt8](repeating: 0, count: partByteCount)
  while true {
    let reading = part.withUnsafeMutableBytes { engine.read(into: $0) }
    guard case .bytes(let count) = reading else { return (bytes, reading) }
    bytes += part.prefix(count)
  }
}

extension TLSEngine {
  /// Encrypts bytes.
  func write(_ bytes: [UInt8]) -> Step { bytes.withUnsafeBytes { write($0) } }
}

extension TLSContext {
  /// A worker's context that shows `certificate` and trusts `authority`, unchecked.
  static func worker(
    _ authority: TestAuthority, showing certificate: Certificate, of key: PrivateKey
  ) throws -> TLSContext {
    let name = "w\(UInt64.random(in: 0...UInt64.max))"
    let context = try TLSContext(try authority.worker(name))
    try context.show(certificate, of: key)
    return context
  }

  /// Replaces the certificate that this side shows.
  func show(_ certificate: Certificate, of key: PrivateKey) throws {
    try #require(SSL_CTX_use_certificate(handle, certificate.handle) == 1)
    try #require(SSL_CTX_use_PrivateKey(handle, key.handle) == 1)
  }

  /// Trusts what the authority of `folder` signs, too.
  func trust(_ folder: String) throws {
    let certificate = try Certificate(path: "\(folder)/authority.pem")
    try #require(X509_STORE_add_cert(SSL_CTX_get_cert_store(handle), certificate.handle) == 1)
  }

  /// Shows no certificate from now on.
  func showNothing() {
    SSL_CTX_set_cert_cb(
      handle,
      { ssl, _ in
        SSL_certs_clear(ssl)
        return 1
      }, nil)
  }
}

extension TestAuthority {
  /// What signs.
  func signer() throws -> Signer {
    Signer(
      certificate: try Certificate(path: "\(authority.folder)/authority.pem"),
      key: try PrivateKey(path: "\(authority.folder)/authority.key"))
  }
}
