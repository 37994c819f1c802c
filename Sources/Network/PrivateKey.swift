// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem

/// A private key; its OpenSSL object is owned by this value and freed with it.
///
/// New keys are P-256: the one signature algorithm that every TLS 1.3 implementation must know
/// (RFC 8446, section 9.1), so that workers in other languages can join.
final class PrivateKey {
  let handle: OpaquePointer

  /// A new key.
  init() throws(NetworkError) {
    OpenSSLErrors.clear()
    guard let handle = tern_new_p256_key() else {
      throw .library(OpenSSLErrors.drained().summary)
    }
    self.handle = handle
  }

  /// Reads a PEM file that no one but its owner may read.
  init(path: String) throws(NetworkError) {
    var bytes = try readSmallFile(path, isSecret: true)
    // A passphrase is never asked for: the callback says that there is none.
    let handle = withMemoryBIO(of: bytes) { bio in
      PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in 0 }, nil)
    }
    let isEncrypted = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    OpenSSLErrors.clear()
    guard let handle else {
      throw isEncrypted
        ? .encryptedKey(path: path) : .malformed(path: path, expected: "a private key")
    }
    self.handle = handle
  }

  deinit { EVP_PKEY_free(handle) }

  /// Whether `certificate` is for this key.
  func belongs(to certificate: Certificate) -> Bool {
    defer { OpenSSLErrors.clear() }
    return X509_check_private_key(certificate.handle, handle) == 1
  }

  /// The PEM form of PKCS#8, not encrypted.
  func pem() throws(NetworkError) -> [UInt8] {
    try bytesOfMemoryBIO { PEM_write_bio_PKCS8PrivateKey($0, handle, nil, nil, 0, nil, nil) }
  }
}

/// Calls `body` with a read-only BIO over `bytes`.
func withMemoryBIO<Result>(of bytes: [UInt8], _ body: (OpaquePointer) -> Result?) -> Result? {
  OpenSSLErrors.clear()
  return bytes.withUnsafeBytes { buffer in
    guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
    defer { BIO_free(bio) }
    return body(bio)
  }
}

/// What `body` writes into a BIO; it says 1 for success.
func bytesOfMemoryBIO(_ body: (OpaquePointer) -> Int32) throws(NetworkError) -> [UInt8] {
  OpenSSLErrors.clear()
  guard let bio = BIO_new(BIO_s_mem()) else { throw .library(OpenSSLErrors.drained().summary) }
  defer { BIO_free(bio) }
  guard body(bio) == 1 else { throw .library(OpenSSLErrors.drained().summary) }
  var contents: UnsafeMutablePointer<CChar>?
  let count = tern_bio_contents(bio, &contents)
  return [UInt8](UnsafeRawBufferPointer(start: contents, count: Int(count)))
}
