// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Randomness
import Testing

@Suite struct HostileBytesTests {
  /// A message that was read has the payload that was announced, whatever happened on the way.
  private func expectWholePayloads(_ messages: [EitherMessage], _ comment: Comment) {
    for case (let payload, let digest?) in messages.compactMap(\.payload) {
      #expect(Digest(of: payload) == digest, comment)
    }
  }

  @Test(arguments: Sample.all) func aFlippedBitIsRefusedOrGivesAnotherMessage(sample: Sample) throws
  {
    let bytes = try sample.message.bytes()
    for bit in 0..<(8 * bytes.count) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      var reader = sample.message.reader()
      do {
        let messages = try reader.messages(in: damaged)
        expectWholePayloads(messages, "bit \(bit)")
        // What is read can be written again: it keeps the rules that the writer checks.
        for message in messages { _ = try message.bytes() }
      } catch let error as MessageError {
        #expect(throws: error) { try reader.next() }
      }
    }
  }

  @Test(arguments: Sample.all) func aCutBodyIsRefusedOrGivesAnotherMessage(sample: Sample) throws {
    let head = try sample.message.frames()[0]
    for count in 0..<(head.count - 5) {
      var reader = sample.message.reader()
      let cut = frame(head[4], Array(head[5...].prefix(count)))
      do {
        for message in try reader.messages(in: cut) { _ = try message.bytes() }
      } catch let error as MessageError {
        #expect(throws: error) { try reader.next() }
      }
    }
  }

  @Test(arguments: [EitherReader.worker, EitherReader.coordinator])
  func randomBytesDoNoHarm(make: @Sendable (FrameLimits) -> EitherReader) {
    var refusals = 0
    for seed in 0..<500 as Range<UInt64> {
      var reader = make(.peer(maximumPayloadByteCount: 1 << 16))
      let noise = randomBytes(200, seed: seed)
      do { _ = try reader.messages(in: noise) } catch { refusals += 1 }
    }
    // A random length is within the limits once in 4096 times, a random type known more often.
    #expect(refusals > 490)
  }

  @Test(arguments: [1, 2, 3, 4, 5, 16, 32, 33, 34, 35, 36, 37, 38, 48, 128, 160] as [UInt8])
  func randomBodiesDoNoHarm(type: UInt8) {
    for seed in 0..<300 as Range<UInt64> {
      var stream = RandomStream(Seed(seed))
      let noise = randomBytes(stream.integer(below: 60), seed: seed)
      var reader = EitherReader.of(type, limits: .peer(maximumPayloadByteCount: 1 << 16))
      do {
        let messages = try reader.messages(in: frame(type, noise))
        for message in messages { _ = try message.bytes() }
      } catch {
        #expect(throws: MessageError.self) { try reader.next() }
      }
    }
  }

  @Test(arguments: Sample.all) func randomBytesInAMessageDoNoHarm(sample: Sample) throws {
    let bytes = try sample.message.bytes()
    var stream = RandomStream(Seed(7))
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0...stream.integer(below: 4) {
        damaged[stream.integer(below: bytes.count)] = UInt8(truncatingIfNeeded: stream.next())
      }
      var reader = sample.message.reader()
      if let messages = try? reader.messages(in: damaged) {
        expectWholePayloads(messages, "\(hex(damaged))")
      }
    }
  }

  @Test func aBodyOfManySmallUnknownFieldsIsTaken() throws {
    var body = ProtobufBytes { $0.number(1, 77) }
    while body.bytes.count < 4090 { body.number(15, 1) }
    var reader = EitherReader.coordinator(limits: .stranger)
    #expect(
      try reader.messages(in: frame(38, body.bytes)) == [.coordinator(.heartbeat(sequence: 77))])
  }

  @Test func bytesOfAnotherProtocolAreRefused() {
    let hello: [UInt8] = Array("GET / HTTP/1.1\r\n".utf8)
    var reader = EitherReader.worker(limits: .stranger)
    #expect(throws: MessageError.self) { try reader.messages(in: hello) }
  }
}
