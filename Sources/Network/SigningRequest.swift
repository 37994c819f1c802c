// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Digests

/// A key's wish for a certificate (PKCS#10); its OpenSSL object is owned by this value.
///
/// It proves that whoever made it has the key. What else it may ask for is never looked at.
final class SigningRequest {
  private let handle: OpaquePointer
  /// The key for which a certificate is wanted; it stays the request's.
  let publicKey: OpaquePointer
  /// The digest of that key.
  let keyDigest: Digest

  /// Reads a request in DER form; its key must have signed it, and be one that Tern takes.
  init(der: [UInt8]) throws(EnrolmentRefusal) {
    OpenSSLErrors.clear()
    defer { OpenSSLErrors.clear() }
    let handle = der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
      var position = buffer.baseAddress
      guard let handle = d2i_X509_REQ(nil, &position, buffer.count) else { return nil }
      guard position == buffer.baseAddress.map({ $0 + buffer.count }) else {
        X509_REQ_free(handle)
        return nil
      }
      return handle
    }
    guard let handle else { throw .badRequest("it is no PKCS#10 request") }
    guard let key = X509_REQ_get0_pubkey(handle), isTaken(key) else {
      X509_REQ_free(handle)
      throw .badRequest("its key is not P-256, Ed25519, or RSA of 2048 to 4096 bits")
    }
    guard X509_REQ_verify(handle, key) == 1, let digest = publicKeyDigest(key) else {
      X509_REQ_free(handle)
      throw .badRequest("its key did not sign it")
    }
    self.handle = handle
    publicKey = key
    keyDigest = digest
  }

  deinit { X509_REQ_free(handle) }

  /// A request of `key`, in DER form.
  static func der(for key: PrivateKey) throws(NetworkError) -> [UInt8] {
    OpenSSLErrors.clear()
    guard let request = X509_REQ_new() else { throw .library(OpenSSLErrors.drained().summary) }
    defer { X509_REQ_free(request) }
    // Ed25519 signs without a digest of its own choice.
    let digest = EVP_PKEY_get_base_id(key.handle) == EVP_PKEY_ED25519 ? nil : EVP_sha256()
    guard X509_REQ_set_version(request, 0) == 1, X509_REQ_set_pubkey(request, key.handle) == 1,
      X509_REQ_sign(request, key.handle, digest) > 0
    else { throw .library(OpenSSLErrors.drained().summary) }
    return try bytesOfMemoryBIO { i2d_X509_REQ_bio($0, request) }
  }
}

/// Whether certificates are made for keys like `key`.
private func isTaken(_ key: OpaquePointer) -> Bool {
  switch EVP_PKEY_get_base_id(key) {
  case EVP_PKEY_EC:
    var name = [CChar](repeating: 0, count: 80)
    var count = 0
    guard EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1 else { return false }
    return String(decoding: name.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
      == "prime256v1"
  case EVP_PKEY_ED25519: return true
  case EVP_PKEY_RSA: return (2048...4096).contains(EVP_PKEY_get_bits(key))
  default: return false
  }
}
