// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import NIOCore
internal import Rounds

// Contract of the unsafe code: an engine owns its SSL object, a reference to its input, and through
// the SSL object both BIOs; they are freed together, after the last call. No pointer outlives the
// call that it is given to. The SSL object's application data points back at the engine, and its
// output BIO at the engine's output; both outlive it.

/// TLS 1.3 of one connection as a pump of bytes: ciphertext in and out, plaintext in and out.
///
/// Knows no socket and no clock. After each call take the `output`, also after a failure: it may
/// hold an alert for the other side. For one thread at a time.
final class TLSEngine {
  /// What came of a call.
  enum Step: Equatable {
    case complete
    /// More bytes from the other side are needed.
    case incomplete
    case failed(NetworkError)
  }

  /// What came of reading plaintext.
  enum Reading: Equatable {
    case bytes(Int)
    /// More bytes from the other side are needed.
    case incomplete
    /// The other side said that it sends no more.
    case closed
    case failed(NetworkError)
  }

  let isServer: Bool
  let context: TLSContext
  /// For OpenSSL's own functions only.
  let ssl: OpaquePointer
  private let input: OpaquePointer
  private let encrypted = TLSOutput()
  private var isLending = false
  private var judgedName = ""
  private var ownRefusal: String?
  /// Whether this connection is for nothing but enrolment, by what both sides agreed on.
  private(set) var isForEnrolment = false

  /// An engine at the beginning of its handshake.
  ///
  /// - Parameter host: the DNS name or IP address that the server's certificate must hold;
  ///   empty at the server.
  init(context: TLSContext, host: String) throws(NetworkError) {
    precondition(context.isServer == host.isEmpty, "a client, and no server, expects a host name")
    OpenSSLErrors.clear()
    guard let ssl = SSL_new(context.handle) else {
      throw .library(OpenSSLErrors.drained().summary)
    }
    guard let input = BIO_new(BIO_s_mem()), let output = encrypted.makeBIO() else {
      SSL_free(ssl)
      throw .library(OpenSSLErrors.drained().summary)
    }
    self.context = context
    self.ssl = ssl
    self.input = input
    isServer = context.isServer
    tern_bio_retry_when_empty(input)
    BIO_up_ref(input)
    SSL_set_bio(ssl, input, output)
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    if isServer {
      SSL_set_accept_state(ssl)
    } else {
      SSL_set_connect_state(ssl)
      try expect(host)
    }
  }

  deinit {
    SSL_free(ssl)
    BIO_free(input)
  }

  /// The engine that owns `ssl`.
  static func of(_ ssl: OpaquePointer) -> TLSEngine? {
    SSL_get_ex_data(ssl, 0).map { Unmanaged<TLSEngine>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Remembers whose certificate is being judged, for the error.
  func note(judgedCertificate certificate: OpaquePointer) {
    judgedName = commonName(of: certificate) ?? "without a name"
  }

  /// Remembers why a certificate is refused that OpenSSL would take.
  func note(refusal: String) { ownRefusal = refusal }

  /// At a server: asks for no certificate, and shows the authority's too.
  func welcomeNewcomer() -> Bool {
    guard let authority = context.authority,
      tern_ssl_send_chain_certificate(ssl, authority.handle) == 1
    else { return false }
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
    isForEnrolment = true
    return true
  }

  /// Who the other side is, after the handshake.
  var peer: PeerIdentity {
    guard let certificate = SSL_get0_peer_certificate(ssl) else {
      return PeerIdentity(name: "", serial: "", notAfter: nil, isNewcomer: isForEnrolment)
    }
    return PeerIdentity(
      name: commonName(of: certificate) ?? "", serial: serialNumber(of: certificate),
      notAfter: end(of: certificate), isNewcomer: isForEnrolment)
  }

  /// Takes ciphertext from the other side for `body`; what that does not use is kept.
  ///
  /// OpenSSL reads from where the bytes are, as they are in most cases used up at once.
  /// - Precondition: not called by `body`.
  func receive(_ bytes: UnsafeRawBufferPointer, for body: () -> Void = {}) {
    precondition(!isLending, "ciphertext within the use of other ciphertext")
    guard BIO_ctrl_pending(input) == 0, bytes.count <= 1 << 30,
      let lent = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count))
    else {
      keep(bytes)
      return body()
    }
    tern_bio_retry_when_empty(lent)
    SSL_set0_rbio(ssl, lent)
    isLending = true
    body()
    isLending = false
    keep(UnsafeRawBufferPointer(rebasing: bytes.suffix(BIO_ctrl_pending(lent))))
    BIO_up_ref(input)
    // It has the reference, and frees what was lent.
    SSL_set0_rbio(ssl, input)
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      let count = BIO_write(input, part.baseAddress, Int32(part.count))
      precondition(count > 0, "a memory BIO took \(count) of \(part.count) bytes")
      rest = rest.dropFirst(Int(count))
    }
  }

  /// How many bytes are ready for the other side.
  var outputByteCount: Int { encrypted.byteCount }

  /// All bytes for the other side; none are left.
  func takeOutput() -> ByteBuffer { encrypted.take() }

  /// Goes on with the handshake.
  ///
  /// A client's is complete before the server has judged the client's certificate; a refusal
  /// arrives at the first `read`.
  func handshake() -> Step {
    OpenSSLErrors.clear()
    let code = SSL_do_handshake(ssl)
    if code == 1 {
      if !isServer { isForEnrolment = hasAgreedOnEnrolment }
      return .complete
    }
    switch SSL_get_error(ssl, code) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .incomplete
    default: return .failed(handshakeError())
    }
  }

  private var hasAgreedOnEnrolment: Bool {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    return UnsafeBufferPointer(start: name, count: Int(count)).elementsEqual(enrolmentProtocol)
  }

  /// Decrypts into `buffer`, which is not empty.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
    OpenSSLErrors.clear()
    let code = SSL_read(ssl, buffer.baseAddress, Int32(min(buffer.count, 1 << 30)))
    if code > 0 { return .bytes(Int(code)) }
    switch SSL_get_error(ssl, code) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .incomplete
    case SSL_ERROR_ZERO_RETURN: return .closed
    default:
      let errors = OpenSSLErrors.drained()
      return .failed(errors.alert ?? .corruptStream(errors.summary))
    }
  }

  /// Encrypts all of `bytes`; the output grows by a little more than that.
  func write(_ bytes: UnsafeRawBufferPointer) -> Step {
    guard bytes.count > 0 else { return .complete }
    precondition(bytes.count <= 1 << 30, "\(bytes.count) bytes in one write, at most \(1 << 30)")
    OpenSSLErrors.clear()
    encrypted.makeRoom(forPlaintext: bytes.count)
    // The output takes everything, and partial writes are off: all or an error.
    guard SSL_write(ssl, bytes.baseAddress, Int32(bytes.count)) == bytes.count else {
      return .failed(.corruptStream(OpenSSLErrors.drained().summary))
    }
    return .complete
  }

  /// Says to the other side that nothing follows.
  func closeOutput() {
    OpenSSLErrors.clear()
    SSL_shutdown(ssl)
    OpenSSLErrors.clear()
  }

  /// Only the names of the certificate's extension count, not its subject.
  private func expect(_ host: String) throws(NetworkError) {
    let parameters = SSL_get0_param(ssl)
    X509_VERIFY_PARAM_set_hostflags(
      parameters,
      UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    if isAddress(host) {
      guard X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 else { throw .hostName(host) }
    } else {
      guard isHostName(host), SSL_set1_host(ssl, host) == 1,
        tern_ssl_set_server_name(ssl, host) == 1
      else { throw .hostName(host) }
    }
  }

  private func handshakeError() -> NetworkError {
    let errors = OpenSSLErrors.drained()
    if let alert = errors.alert { return alert }
    let verdict = SSL_get_verify_result(ssl)
    guard verdict == X509_V_OK else {
      let reason = ownRefusal ?? String(cString: X509_verify_cert_error_string(verdict))
      return .untrustedPeer(name: judgedName, reason: reason)
    }
    return .handshakeFailed(errors.summary)
  }
}

/// Who is at the other end of a connection.
struct PeerIdentity: Hashable, Sendable {
  /// The name in its certificate; empty without one.
  let name: String
  /// The serial number of its certificate.
  let serial: String
  /// The last moment at which its certificate is valid.
  let notAfter: RunTime?
  /// Whether the connection is for enrolment only.
  let isNewcomer: Bool
}
