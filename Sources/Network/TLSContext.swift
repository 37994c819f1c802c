// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Digests
internal import Federation
internal import Rounds

/// What all connections of one side share: certificate, key, whom to trust.
///
/// `@unchecked Sendable`: an SSL_CTX counts its references atomically and may be used from many
/// threads once it is configured; it is not changed after `init`.
final class TLSContext: @unchecked Sendable {
  /// What a server asks about who comes.
  struct Admission: Sendable {
    /// Whether a worker's certificate was taken back.
    let isRevoked: @Sendable (_ name: String, _ serial: String) -> Bool
  }

  let handle: OpaquePointer
  /// Whether this side accepts connections.
  let isServer: Bool
  /// At a server that takes newcomers and knows who was revoked.
  let admission: Admission?
  /// Who signs the certificates of the other side; nil for a newcomer, who is about to learn it.
  let authority: Certificate?
  /// The last moment at which this side's certificate is valid.
  let notAfter: RunTime?
  /// The only authority that a newcomer trusts.
  private let pin: Digest?

  /// Loads the files of `credentials`, and checks that they hold `now`; a coordinator's make a
  /// server.
  init(
    _ credentials: Credentials, at now: RunTime = .now, admission: Admission? = nil
  ) throws(NetworkError) {
    let identity = try Identity(credentials, at: now)
    isServer = credentials.role == .coordinator
    self.admission = admission
    authority = identity.authority
    notAfter = identity.certificate.notAfter
    pin = nil
    handle = try newContext(isServer: isServer)
    let isConfigured =
      SSL_CTX_use_certificate(handle, identity.certificate.handle) == 1
      && SSL_CTX_use_PrivateKey(handle, identity.key.handle) == 1
      && X509_STORE_add_cert(SSL_CTX_get_cert_store(handle), identity.authority.handle) == 1
    guard isConfigured else { throw .library(OpenSSLErrors.drained().summary) }
    if admission != nil { SSL_CTX_set_alpn_select_cb(handle, chooseProtocol, nil) }
  }

  /// A newcomer's: without a certificate, for enrolment only, with servers that the authority of
  /// this fingerprint has signed for.
  init(pinnedTo fingerprint: Digest) throws(NetworkError) {
    isServer = false
    admission = nil
    authority = nil
    notAfter = nil
    pin = fingerprint
    handle = try newContext(isServer: false)
    let offer = [UInt8(enrolmentProtocol.count)] + enrolmentProtocol
    guard SSL_CTX_set_alpn_protos(handle, offer, UInt32(offer.count)) == 0 else {
      throw .library(OpenSSLErrors.drained().summary)
    }
    SSL_CTX_set_cert_verify_callback(handle, verifyPinnedChain, nil)
  }

  deinit { SSL_CTX_free(handle) }

  /// Verifies the chain of a server against the one authority that is trusted.
  fileprivate func verifyPinned(_ store: OpaquePointer, for engine: TLSEngine) -> Int32 {
    guard let pin else { return 0 }
    let verdict = tern_verify_pinned(store, pin.bytes)
    guard verdict < 0 else { return verdict }
    if let certificate = X509_STORE_CTX_get0_cert(store) {
      engine.note(judgedCertificate: certificate)
    }
    engine.note(refusal: "its authority is not that of the invitation")
    X509_STORE_CTX_set_error(store, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
    return 0
  }
}

/// What a newcomer's connection speaks (ALPN, RFC 7301).
let enrolmentProtocol = Array("tern-enrolment/1".utf8)

private func newContext(isServer: Bool) throws(NetworkError) -> OpaquePointer {
  OpenSSLErrors.clear()
  guard let handle = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
    throw .library(OpenSSLErrors.drained().summary)
  }
  let isConfigured =
    tern_ssl_ctx_set_protocol_range(handle, TLS1_3_VERSION, TLS1_3_VERSION) == 1
    // The one that every implementation has, and the fastest where the processor helps.
    && SSL_CTX_set_ciphersuites(handle, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384") == 1
    // Tickets would be written after the handshake, and resumption would skip certificates.
    && SSL_CTX_set_num_tickets(handle, 0) == 1
  guard isConfigured else {
    SSL_CTX_free(handle)
    throw .library(OpenSSLErrors.drained().summary)
  }
  tern_ssl_ctx_keep_no_sessions(handle)
  tern_ssl_ctx_be_lean(handle)
  SSL_CTX_set_verify(
    handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verifyPeerCertificate)
  return handle
}

/// Called by OpenSSL at a server when a client offers protocols, before the certificate is asked
/// for: a newcomer has none yet, and is sent the authority's own.
private func chooseProtocol(
  _ ssl: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offer: UnsafePointer<UInt8>?,
  _ offerCount: UInt32, _: UnsafeMutableRawPointer?
) -> Int32 {
  guard let ssl, let chosen, let chosenCount, let offer, let engine = TLSEngine.of(ssl) else {
    return SSL_TLSEXT_ERR_ALERT_FATAL
  }
  var position = 0
  while position < Int(offerCount) {
    let count = Int(offer[position])
    let name = UnsafeBufferPointer(start: offer + position + 1, count: count)
    guard position + 1 + count <= Int(offerCount) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    if name.elementsEqual(enrolmentProtocol) {
      guard engine.welcomeNewcomer() else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      // Within the offer, which OpenSSL copies from.
      chosen.pointee = UnsafePointer(offer + position + 1)
      chosenCount.pointee = UInt8(count)
      return SSL_TLSEXT_ERR_OK
    }
    position += 1 + count
  }
  return SSL_TLSEXT_ERR_NOACK
}

/// Called by OpenSSL at a newcomer instead of its own verification.
private func verifyPinnedChain(_ store: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
  guard let store,
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
    let engine = TLSEngine.of(OpaquePointer(ssl))
  else { return 0 }
  return engine.context.verifyPinned(store, for: engine)
}

/// The files of credentials, checked against each other.
private struct Identity {
  let certificate: Certificate
  let key: PrivateKey
  let authority: Certificate

  init(_ credentials: Credentials, at now: RunTime) throws(NetworkError) {
    let path = credentials.certificatePath
    certificate = try Certificate(path: path)
    try certificate.check(path: path, role: credentials.role, at: now)
    key = try PrivateKey(path: credentials.keyPath)
    guard key.belongs(to: certificate) else {
      throw .keyMismatch(key: credentials.keyPath, certificate: path)
    }
    authority = try Certificate(path: credentials.authorityPath)
    try authority.check(path: credentials.authorityPath, role: .authority, at: now)
    guard certificate.isSigned(by: authority) else {
      throw .foreignCertificate(path: path, authority: credentials.authorityPath)
    }
  }
}

/// Called by OpenSSL for each certificate of the peer's chain, after its own checks.
///
/// OpenSSL accepts a certificate without extended key usage for every purpose, and any subject
/// for a client. Here the role has to be written down, and a worker's name to be one.
private func verifyPeerCertificate(_ isAccepted: Int32, _ store: OpaquePointer?) -> Int32 {
  guard let store, let certificate = X509_STORE_CTX_get_current_cert(store),
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
  else { return 0 }
  guard let engine = TLSEngine.of(OpaquePointer(ssl)) else { return 0 }
  let isLeaf = X509_STORE_CTX_get_error_depth(store) == 0
  if isLeaf || isAccepted == 0 { engine.note(judgedCertificate: certificate) }
  let isOfPurpose = X509_STORE_CTX_get_error(store) != X509_V_ERR_INVALID_PURPOSE
  guard isLeaf, isAccepted == 1 || !isOfPurpose else { return isAccepted }
  let expected: CertificateRole = engine.isServer ? .worker : .coordinator
  guard isOfPurpose, role(of: certificate) == expected else {
    engine.note(refusal: "it is not \(expected.indefinite) certificate")
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE)
    return 0
  }
  guard let name = commonName(of: certificate).flatMap(WorkerID.init(rawValue:)) else {
    engine.note(refusal: "its subject is not a well-formed name")
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    return 0
  }
  let isRevoked = engine.context.admission?.isRevoked(
    name.rawValue, serialNumber(of: certificate))
  guard isRevoked != true else {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED)
    return 0
  }
  return 1
}
