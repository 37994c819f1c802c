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
  ///
  /// - Parameter passphrase: what it is encrypted with, if it is.
  init(path: String, passphrase: Passphrase? = nil) throws(NetworkError) {
    var bytes = try readSmallFile(path, isSecret: true)
    let isEncrypted = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
    let handle = withMemoryBIO(of: bytes) { bio in
      withUnsafePointer(to: passphrase) { pointer in
        // Nobody is ever asked: the callback says what it was given, or that there is nothing.
        PEM_read_bio_PrivateKey(
          bio, nil,
          { buffer, capacity, _, context in
            guard let buffer, let context,
              let bytes = context.assumingMemoryBound(to: Passphrase?.self).pointee?.bytes,
              bytes.count <= Int(capacity)
            else { return 0 }
            UnsafeMutableRawBufferPointer(start: buffer, count: bytes.count).copyBytes(from: bytes)
            return Int32(bytes.count)
          }, UnsafeMutableRawPointer(mutating: pointer))
      }
    }
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    OpenSSLErrors.clear()
    guard let handle else {
      guard isEncrypted else { throw .malformed(path: path, expected: "a private key") }
      throw passphrase == nil ? .encryptedKey(path: path) : .wrongPassphrase(path: path)
    }
    self.handle = handle
  }

  deinit { EVP_PKEY_free(handle) }

  /// Whether `certificate` is for this key.
  func belongs(to certificate: Certificate) -> Bool {
    defer { OpenSSLErrors.clear() }
    return X509_check_private_key(certificate.handle, handle) == 1
  }

  /// The PEM form of PKCS#8, encrypted if there is a passphrase.
  func pem(passphrase: Passphrase? = nil) throws(NetworkError) -> [UInt8] {
    if let passphrase {
      return try bytesOfMemoryBIO { bio in
        passphrase.bytes.withUnsafeBytes { bytes in
          tern_write_encrypted_key(
            bio, handle, bytes.assumingMemoryBound(to: CChar.self).baseAddress,
            Int32(bytes.count))
        }
      }
    }
    return try bytesOfMemoryBIO { PEM_write_bio_PKCS8PrivateKey($0, handle, nil, nil, 0, nil, nil) }
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
