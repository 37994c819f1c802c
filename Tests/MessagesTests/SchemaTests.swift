// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Testing

@Suite struct SchemaTests {
  @Test func theDigestIsWellFormed() {
    #expect(Schema.digest.bytes.count == Digest.byteCount)
  }
}
