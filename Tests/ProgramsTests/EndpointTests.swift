// SPDX-License-Identifier: Apache-2.0
import Programs
import Testing

@Suite struct EndpointTests {
  @Test(arguments: [
    ("localhost:7070", "localhost", 7070), ("127.0.0.1:1", "127.0.0.1", 1),
    ("[::1]:65535", "::1", 65535),
  ])
  func hostAndPortAreToldApart(text: String, host: String, port: Int) throws {
    let endpoint = try #require(Endpoint(text))
    #expect(endpoint.host == host && endpoint.port == port)
  }

  @Test(arguments: [
    "", "host", ":80", "host:", "host:0", "host:65536", "host:x", "::1:80", "[]:80",
  ])
  func whatIsNeitherIsRefused(text: String) {
    #expect(Endpoint(text) == nil)
  }
}
