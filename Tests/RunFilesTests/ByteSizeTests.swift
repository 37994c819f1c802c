// SPDX-License-Identifier: Apache-2.0
import RunFiles
import Testing

@Suite struct ByteSizeTests {
  @Test(arguments: [
    ("450MB", 450_000_000), ("1.5GB", 1_500_000_000), ("2GiB", 1 << 31), ("64KiB", 65536),
    ("1kb", 1000), ("0.5MiB", 524_288),
  ])
  func sizesAreRead(text: String, byteCount: Int) {
    #expect(ByteSize(text)?.byteCount == byteCount)
  }

  @Test(arguments: [
    "", "MB", "450", "-1MB", "1.2.3MB", "1 MB", "0MB", "450M", "9e9GB", "99999999999GB", "٤MB",
    "infGB", "MB450",
  ])
  func othersAreNot(text: String) { #expect(ByteSize(text) == nil) }
}
