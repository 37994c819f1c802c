// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import NIOCore

/// What OpenSSL has to say to the other side of one connection, as it says it.
///
/// Records are written where the socket will read them; a memory BIO would clear that place first,
/// and copy them once more. Takes any number of bytes: whoever writes plaintext bounds it.
final class TLSOutput {
  private var buffer = ByteBuffer()

  /// How many bytes wait.
  var byteCount: Int { buffer.readableBytes }

  /// Makes room for the records of so much plaintext, so that they are not moved as they grow.
  func makeRoom(forPlaintext byteCount: Int) {
    let recordCount = (byteCount + Self.largestRecord - 1) / Self.largestRecord
    buffer.reserveCapacity(
      minimumWritableBytes: byteCount + Self.overhead(ofRecords: recordCount))
  }

  /// What so many records hold besides plaintext: five bytes of header each, one of type, and
  /// sixteen of authentication (RFC 8446, section 5).
  static func overhead(ofRecords recordCount: Int) -> Int { 22 * recordCount }

  /// The most plaintext that a record holds.
  private static let largestRecord = 16 << 10

  /// All that waits; nothing is left.
  func take() -> ByteBuffer {
    defer { buffer = ByteBuffer() }
    return buffer
  }

  /// A BIO that writes here; it is freed before this is gone.
  func makeBIO() -> OpaquePointer? {
    guard let method = Self.method, let bio = BIO_new(method) else { return nil }
    BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    BIO_set_init(bio, 1)
    return bio
  }

  // Made once, and only read from then on.
  private nonisolated(unsafe) static let method: OpaquePointer? = {
    guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "output") else {
      return nil
    }
    BIO_meth_set_write_ex(method) { bio, bytes, count, written in
      guard let output = BIO_get_data(bio), let bytes else { return 0 }
      Unmanaged<TLSOutput>.fromOpaque(output).takeUnretainedValue().buffer
        .writeBytes(UnsafeRawBufferPointer(start: bytes, count: count))
      written?.pointee = count
      return 1
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()
}
