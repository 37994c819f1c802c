// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem

/// SHA-256 over bytes that arrive in pieces.
///
/// The OpenSSL context is owned by this value alone and freed with it.
public struct DigestHasher: ~Copyable {
  private let context: OpaquePointer

  /// An empty hasher.
  public init() {
    // EVP only fails here when memory is exhausted or libcrypto is broken.
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Appends `bytes`.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    EVP_DigestUpdate(context, base, bytes.count)
  }

  /// Appends `bytes`.
  public mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// Appends the little-endian bytes of `values`.
  public mutating func update(_ values: [Float]) {
    values.withUnsafeBytes { update($0) }
  }

  /// The digest of everything appended.
  public consuming func finalized() -> Digest {
    let bytes = [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { buffer, count in
      EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
      count = Digest.byteCount
    }
    guard let digest = Digest(bytes: bytes) else {
      preconditionFailure("SHA-256 gave \(bytes.count) bytes, expected \(Digest.byteCount)")
    }
    return digest
  }
}
