// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Rounds
import Testing

@Suite struct PayloadTests {
  /// A contribution of 300 random bytes.
  private static let payload = randomBytes(300, seed: 1)
  private static let upload = upload(of: payload)

  private static func upload(of payload: [UInt8], as name: Digest? = nil, from offset: Int = 0)
    -> EitherMessage
  {
    .worker(
      .contribution(
        Upload(
          contribution: Contribution(
            round: 1, baseVersion: 0, worker: EitherMessage.workerID,
            payload: name ?? Digest(of: payload), exampleCount: 1),
          loss: 0, tokenCount: 0, duration: .zero,
          payload: name.map { Payload(payload, digest: $0) } ?? Payload(payload),
          offset: offset)))
  }

  /// A chunk frame as the wire wants it, unless told otherwise.
  private func chunk(_ range: Range<Int>, at offset: UInt64? = nil) -> [UInt8] {
    frame(64, bigEndian(offset ?? UInt64(range.lowerBound)) + Self.payload[range])
  }

  private func read(_ chunks: [[UInt8]]) throws -> [EitherMessage] {
    var reader = Self.upload.reader()
    let head = try Self.upload.frames()[0]
    return try reader.messages(in: head + Array(chunks.joined()))
  }

  @Test(arguments: [1, 7, 100, 150, 299, 300, 301, 1 << 20])
  func chunksOfAnySizeMakeThePayload(size: Int) throws {
    let frames = try Self.upload.frames(chunkByteCount: size)
    #expect(frames.count == 1 + (300 + size - 1) / size)
    var reader = Self.upload.reader()
    #expect(try reader.messages(in: Array(frames.joined())) == [Self.upload])
  }

  @Test func chunksMayDifferInSize() throws {
    #expect(try read([chunk(0..<1), chunk(1..<200), chunk(200..<300)]) == [Self.upload])
  }

  @Test func anEmptyPayloadHasNoChunks() throws {
    let empty = Self.upload(of: [])
    let frames = try empty.frames()
    #expect(frames.count == 1)
    var reader = empty.reader(limits: .peer(maximumPayloadByteCount: 0))
    #expect(try reader.messages(in: frames[0]) == [empty])
  }

  @Test func anEmptyPayloadHasItsDigestToo() throws {
    let wrong = Self.upload(of: [], as: digest(1))
    var reader = wrong.reader()
    let bytes = try wrong.bytes()
    #expect(
      throws: MessageError.damagedPayload(digest(1))
    ) { try reader.messages(in: bytes) }
  }

  @Test func aPayloadOfSeveralDefaultChunksArrives() throws {
    let large = Self.upload(of: randomBytes(3 * defaultChunkByteCount / 2, seed: 2))
    var reader = large.reader()
    let frames = try large.frames(chunkByteCount: defaultChunkByteCount)
    #expect(frames[1].count == 13 + 262_144)
    #expect(frames[2].count == 13 + 131_072)
    #expect(
      try reader.messages(in: Array(frames.joined()), pieceByteCount: 65_536) == [large])
  }

  @Test func chunksOutOfOrderAreRefused() {
    #expect(throws: MessageError.misplacedChunk(offset: 100, expected: 0)) {
      try read([chunk(100..<200), chunk(0..<100)])
    }
  }

  @Test func aRepeatedChunkIsRefused() {
    #expect(throws: MessageError.misplacedChunk(offset: 0, expected: 100)) {
      try read([chunk(0..<100), chunk(0..<100)])
    }
  }

  @Test(arguments: [1, 99, 101, UInt64(Int.max) + 5, .max])
  func aWrongOffsetIsRefused(offset: UInt64) {
    #expect(throws: MessageError.misplacedChunk(offset: offset, expected: 100)) {
      try read([chunk(0..<100), chunk(100..<200, at: offset)])
    }
  }

  @Test func aWrongDigestIsRefused() throws {
    let wrong = Self.upload(of: Self.payload, as: digest(9))
    var reader = wrong.reader()
    let bytes = try wrong.bytes(chunkByteCount: 100)
    #expect(
      throws: MessageError.damagedPayload(digest(9))
    ) { try reader.messages(in: bytes) }
  }

  @Test func aChunkPastTheEndIsRefused() throws {
    let short = Self.upload(of: Array(Self.payload.prefix(150)))
    var reader = short.reader()
    let bytes = try short.frames()[0] + chunk(0..<100) + chunk(100..<151)
    #expect(throws: MessageError.chunkPastEnd(end: 151, total: 150)) {
      try reader.messages(in: bytes)
    }
  }

  @Test func aChunkBehindACompletePayloadIsRefused() {
    #expect(throws: MessageError.unannouncedChunk) {
      try read([chunk(0..<300), chunk(0..<100)])
    }
  }

  @Test(arguments: 0...8) func aChunkWithoutBytesIsRefused(byteCount: Int) {
    #expect(throws: MessageError.emptyChunk) {
      try read([frame(64, Array(repeating: 0, count: byteCount))])
    }
  }

  @Test func aSecondPayloadWithinAPayloadIsRefused() throws {
    let head = try Self.upload.frames()[0]
    #expect(throws: MessageError.interruptedPayload(type: 2)) {
      try read([chunk(0..<100), head, chunk(100..<300)])
    }
  }

  @Test func whatIsThereAlreadyIsNotSentAgain() throws {
    let whole = try Self.upload.frames(chunkByteCount: 100)
    var reader = Self.upload.reader()
    let inbox = PayloadInbox()
    reader.inbox = inbox
    #expect(try reader.messages(in: Array(whole[0...2].joined())).isEmpty)
    let part = try #require(try inbox.part())
    #expect(part == PayloadInbox.Part(digest: Digest(of: Self.payload), byteCount: 200))
    // Another connection of the same sender goes on from there.
    let rest = Self.upload(of: Self.payload, from: part.byteCount)
    let frames = try rest.frames(chunkByteCount: 100)
    #expect(frames.count == 2)
    var next = rest.reader()
    next.inbox = inbox
    let messages = try next.messages(in: Array(frames.joined()))
    #expect(messages == [rest] && messages.first?.payload?.bytes == Self.payload)
  }

  @Test func aPartThatIsNotHereIsRefused() throws {
    let rest = Self.upload(of: Self.payload, from: 200)
    var reader = rest.reader()
    let bytes = try rest.bytes()
    #expect(throws: MessageError.self) { try reader.messages(in: bytes) }
    #expect(throws: MessageError.self) {
      try Self.upload(of: Self.payload, from: 301).bytes()
    }
  }

  @Test func aDamagedChunkNeverBecomesAMessage() throws {
    let frames = try Self.upload.frames(chunkByteCount: 100)
    let head = frames[0]
    let chunks = Array(frames.dropFirst().joined())
    for bit in 0..<(8 * chunks.count) {
      var damaged = chunks
      damaged[bit / 8] ^= 1 << (bit % 8)
      var reader = Self.upload.reader()
      let messages = (try? reader.messages(in: head + damaged)) ?? []
      #expect(messages.isEmpty, "bit \(bit)")
    }
  }
}
