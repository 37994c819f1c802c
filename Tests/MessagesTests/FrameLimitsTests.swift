// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Rounds
import Testing

@Suite struct FrameLimitsTests {
  @Test func aLongFrameIsRefusedByItsHeader() throws {
    for (type, limit) in [(UInt8(1), 4096), (2, 4096), (4, 4096), (200, 65_536)] {
      var reader = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 0))
      #expect(
        throws: MessageError.frameTooLong(type: type, byteCount: limit + 1, limit: limit)
      ) {
        try reader.messages(in: frameHeader(type, byteCount: UInt32(limit + 1)))
      }
      var patient = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 0))
      #expect(try patient.messages(in: frameHeader(type, byteCount: UInt32(limit))).isEmpty)
    }
  }

  @Test func theLongestLengthIsRefusedByItsHeader() {
    for type in [UInt8(32), 34, 255] {
      var reader = EitherReader.coordinator(limits: .peer(maximumPayloadByteCount: .max))
      #expect(throws: MessageError.self) {
        try reader.messages(in: frameHeader(type, byteCount: .max))
      }
    }
  }

  @Test func aWelcomeMayBeLargerThanOtherMessages() throws {
    let largest = (1 << 20) + 4096
    var reader = EitherReader.coordinator(limits: .peer(maximumPayloadByteCount: 0))
    #expect(
      throws: MessageError.frameTooLong(type: 32, byteCount: largest + 1, limit: largest)
    ) { try reader.messages(in: frameHeader(32, byteCount: UInt32(largest + 1))) }
  }

  @Test func aStrangerGetsSmallFramesOnly() {
    var reader = EitherReader.worker(limits: .stranger)
    #expect(throws: MessageError.frameTooLong(type: 200, byteCount: 4097, limit: 4096)) {
      try reader.messages(in: frameHeader(200, byteCount: 4097))
    }
  }

  @Test func aStrangerGetsNoPayload() throws {
    var reader = EitherReader.worker(limits: .stranger)
    let bytes = try Sample.all[2].message.bytes()
    #expect(throws: MessageError.payloadTooLong(byteCount: 5, limit: 0)) {
      try reader.messages(in: bytes)
    }
  }

  @Test func aLongPayloadIsRefusedWhenItIsAnnounced() throws {
    for byteCount in [101, 1 << 40, UInt64(Int.max), UInt64(Int.max) + 1, .max] {
      var reader = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
      #expect(throws: MessageError.payloadTooLong(byteCount: byteCount, limit: 100)) {
        try reader.messages(in: announcement(ofByteCount: byteCount))
      }
    }
    var reader = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
    #expect(try reader.messages(in: announcement(ofByteCount: 100)).isEmpty)
  }

  @Test func theLargestConfigurationIsTaken() throws {
    let largest = welcome(configurationByteCount: Welcome.maximumConfigurationByteCount)
    var reader = largest.reader()
    #expect(try reader.messages(in: try largest.bytes()) == [largest])
    #expect(throws: MessageError.self) {
      try welcome(configurationByteCount: Welcome.maximumConfigurationByteCount + 1).bytes()
    }
  }

  private func welcome(configurationByteCount: Int) -> EitherMessage {
    let configuration = [UInt8](repeating: 32, count: configurationByteCount)
    return .coordinator(
      .welcome(
        Welcome(
          run: Sample.run, configuration: configuration,
          configurationDigest: Digest(of: configuration), layout: digest(3),
          heartbeatInterval: .seconds(5), silenceLimit: .seconds(15))))
  }

  private func announcement(ofByteCount byteCount: UInt64) -> [UInt8] {
    let body = ProtobufBytes {
      $0.message(3) {
        $0.bytes(1, digest(1).bytes)
        $0.number(2, byteCount)
      }
      $0.number(4, 1)
    }
    return frame(2, body.bytes)
  }
}
