// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Federation
internal import Rounds

/// What all connections of one side share: certificate, key, whom to trust.
///
/// `@unchecked Sendable`: an SSL_CTX counts its references atomically and may be used from many
/// threads once it is configured; it is not changed after `init`.
final class TLSContext: @unchecked Sendable {
  let handle: OpaquePointer
  /// Whether this side accepts connections.
  let isServer: Bool

  /// Loads the files of `credentials`, and checks that they hold `now`; a coordinator's make a
  /// server.
  init(_ credentials: Credentials, at now: RunTime = .now) throws(NetworkError) {
    let identity = try Identity(credentials, at: now)
    OpenSSLErrors.clear()
    isServer = credentials.role == .coordinator
    guard let handle = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
      throw .library(OpenSSLErrors.drained().summary)
    }
    self.handle = handle
    let isConfigured =
      tern_ssl_ctx_set_protocol_range(handle, TLS1_3_VERSION, TLS1_3_VERSION) == 1
      && SSL_CTX_use_certificate(handle, identity.certificate.handle) == 1
      && SSL_CTX_use_PrivateKey(handle, identity.key.handle) == 1
      && X509_STORE_add_cert(SSL_CTX_get_cert_store(handle), identity.authority.handle) == 1
      // Tickets would be written after the handshake, and resumption would skip certificates.
      && SSL_CTX_set_num_tickets(handle, 0) == 1
    guard isConfigured else { throw .library(OpenSSLErrors.drained().summary) }
    tern_ssl_ctx_keep_no_sessions(handle)
    tern_ssl_ctx_be_lean(handle)
    SSL_CTX_set_verify(
      handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verifyPeerCertificate)
  }

  deinit { SSL_CTX_free(handle) }
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
  guard commonName(of: certificate).flatMap(WorkerID.init(rawValue:)) != nil else {
    engine.note(refusal: "its subject is not a well-formed name")
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    return 0
  }
  return 1
}
