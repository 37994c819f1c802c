// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import COpenSSLSystem
import Rounds
import Testing

@testable import Network

/// Two engines against each other in memory: no socket, no clock.
@Suite struct TLSEngineTests {
  private let authority: TestAuthority

  init() throws { authority = try TestAuthority() }

  @Test func bothSidesFinishAndKnowEachOther() throws {
    let pair = try EnginePair(authority)
    #expect(pair.client.peer.name == "")
    #expect(pair.shakeHands() == (.complete, .complete))
    #expect(pair.client.peer.name == "coordinator")
    #expect(pair.server.peer.name.hasPrefix("ann-"))
    #expect(SSL_version(pair.client.ssl) == TLS1_3_VERSION)
  }

  @Test func theServerWritesNothingAfterTheHandshake() throws {
    let pair = try EnginePair(authority)
    _ = pair.shakeHands()
    #expect(pair.server.outputByteCount == 0)
    #expect(pair.client.outputByteCount == 0)
  }

  @Test(arguments: [1, 2, 16_383, 16_384, 16_385, 100_000, 1_000_000])
  func plaintextOfAnyLengthArrives(count: Int) throws {
    let pair = try EnginePair(authority)
    _ = pair.shakeHands()
    let sent = noise(count)
    for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
      #expect(from.write(sent) == .complete)
      #expect(from.outputByteCount < count + 22 * (count / 16_384 + 1) + 1)
      pair.carry(from: from, to: to)
      let (received, end) = plaintext(of: to, partByteCount: to === pair.client ? 70_000 : 1000)
      #expect(received == sent)
      #expect(end == .incomplete)
    }
  }

  @Test func ciphertextMayArriveByteByByte() throws {
    let pair = try EnginePair(authority)
    var steps = (TLSEngine.Step.incomplete, TLSEngine.Step.incomplete)
    for _ in 0..<6 {
      if steps.0 == .incomplete { steps.0 = pair.client.handshake() }
      for byte in output(of: pair.client) {
        [byte].withUnsafeBytes { pair.server.receive($0) }
        if steps.1 == .incomplete { steps.1 = pair.server.handshake() }
      }
      pair.carry(from: pair.server, to: pair.client)
    }
    #expect(steps == (.complete, .complete))
    #expect(pair.client.write([1, 2, 3]) == .complete)
    var got: [UInt8] = []
    for byte in output(of: pair.client) {
      [byte].withUnsafeBytes { pair.server.receive($0) }
      got += plaintext(of: pair.server).0
    }
    #expect(got == [1, 2, 3])
  }

  @Test func anEmptyWriteSaysNothing() throws {
    let pair = try EnginePair(authority)
    _ = pair.shakeHands()
    #expect(pair.client.write([]) == .complete)
    #expect(pair.client.outputByteCount == 0)
  }

  @Test func closeNotifyIsTheEnd() throws {
    let pair = try EnginePair(authority)
    _ = pair.shakeHands()
    #expect(pair.client.write([7]) == .complete)
    pair.client.closeOutput()
    pair.carry(from: pair.client, to: pair.server)
    let (received, end) = plaintext(of: pair.server)
    #expect(received == [7])
    #expect(end == .closed)
    // The other direction still works.
    #expect(pair.server.write([8]) == .complete)
    pair.carry(from: pair.server, to: pair.client)
    #expect(plaintext(of: pair.client).0 == [8])
  }

  @Test func aKeyUpdateIsAnswered() throws {
    let pair = try EnginePair(authority)
    _ = pair.shakeHands()
    #expect(SSL_key_update(pair.client.ssl, Int32(SSL_KEY_UPDATE_REQUESTED)) == 1)
    #expect(pair.client.write([1]) == .complete)
    pair.carry(from: pair.client, to: pair.server)
    #expect(plaintext(of: pair.server) == ([1], .incomplete))
    #expect(pair.server.write([2]) == .complete)
    #expect(pair.carry(from: pair.server, to: pair.client) > 23, "the update and the byte")
    #expect(plaintext(of: pair.client) == ([2], .incomplete))
  }

  @Test func aStaleErrorOfAnotherConnectionChangesNothing() throws {
    let pair = try EnginePair(authority)
    let other = try TLSContext(authority.coordinator)
    func spoil() { #expect(SSL_CTX_use_certificate_file(other.handle, "/none", 1) != 1) }
    spoil()
    #expect(pair.client.handshake() == .incomplete)
    pair.carry(from: pair.client, to: pair.server)
    spoil()
    #expect(pair.server.handshake() == .incomplete)
    #expect(pair.shakeHands() == (.complete, .complete))
    spoil()
    #expect(plaintext(of: pair.client) == ([], .incomplete))
    spoil()
    #expect(pair.client.write([1]) == .complete)
    OpenSSLErrors.clear()
  }

  @Test func aBitFlippedAnywhereIsFoundAndToldToTheOtherSide() throws {
    let sent = noise(5000)
    for position in stride(from: 0, to: 5000, by: 167) {
      let pair = try EnginePair(authority)
      _ = pair.shakeHands()
      #expect(pair.client.write(sent) == .complete)
      pair.carry(from: pair.client, to: pair.server) {
        $0[position] ^= UInt8(1 << (position % 8))
      }
      let (received, end) = plaintext(of: pair.server)
      #expect(received.isEmpty)
      // A changed length may ask for bytes that do not come.
      if position >= 5 {
        guard case .failed(.corruptStream) = end else {
          Issue.record("byte \(position): \(end)")
          continue
        }
        pair.carry(from: pair.server, to: pair.client)
        guard case (_, .failed(.refusedByPeer)) = plaintext(of: pair.client) else {
          Issue.record("byte \(position): no alert")
          continue
        }
      }
    }
  }

  @Test func aBitFlippedInTheHandshakeIsFound() throws {
    var failures = 0
    for position in stride(from: 0, to: 2000, by: 61) {
      let pair = try EnginePair(authority)
      _ = pair.client.handshake()
      pair.carry(from: pair.client, to: pair.server)
      _ = pair.server.handshake()
      var wasFlipped = false
      pair.carry(from: pair.server, to: pair.client) { bytes in
        guard position < bytes.count else { return }
        bytes[position] ^= 0x10
        wasFlipped = true
      }
      let steps = pair.shakeHands()
      if wasFlipped {
        #expect(steps != (.complete, .complete), "byte \(position)")
        failures += 1
      }
    }
    #expect(failures > 10)
  }

  @Test func garbageFailsAndCrashesNothing() throws {
    for seed in 1...200 as ClosedRange<UInt64> {
      let engine = try TLSEngine(context: TLSContext(authority.coordinator), host: "")
      noise(600, seed: seed).withUnsafeBytes { engine.receive($0) }
      guard case .failed(.handshakeFailed) = engine.handshake() else {
        Issue.record("seed \(seed)")
        continue
      }
    }
  }

  @Test func plainHTTPIsCalledByItsName() throws {
    let engine = try TLSEngine(context: TLSContext(authority.coordinator), host: "")
    Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8).withUnsafeBytes { engine.receive($0) }
    #expect(engine.handshake() == .failed(.handshakeFailed("http request")))
  }

  @Test func anEngineFreesItsSSLObject() throws {
    weak var engine: TLSEngine?
    do {
      let pair = try EnginePair(authority)
      _ = pair.shakeHands()
      engine = pair.client
    }
    #expect(engine == nil)
  }
}
