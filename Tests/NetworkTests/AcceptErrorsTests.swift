// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOEmbedded
import Testing

@testable import Network

/// A listener whose process or machine has no room for one more connection.
@Suite struct AcceptErrorsTests {
  @Test(arguments: [(EMFILE, "ulimit -n"), (ENFILE, "fs.file-max")])
  func whatToDoIsSaidOnceAndTheListenerStays(code: Int32, remedy: String) throws {
    let log = LogRecorder()
    let channel = EmbeddedChannel(handler: AcceptErrors(logger: log.logger))
    for _ in 0..<100 {
      channel.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
    }
    #expect(log.all.count == 1)
    #expect(log.all.first?.contains("cannot take connections") == true)
    #expect(log.all.first?.contains(remedy) == true)
    try channel.throwIfErrorCaught()
    _ = try channel.finish()
  }
}
