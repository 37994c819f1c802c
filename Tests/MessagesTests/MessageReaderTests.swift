// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Randomness
import Testing

@Suite struct MessageReaderTests {
  @Test(arguments: Sample.all) func takesOneByteAtATime(sample: Sample) throws {
    var reader = sample.message.reader()
    let bytes = try sample.message.bytes()
    #expect(try reader.messages(in: bytes, pieceByteCount: 1) == [sample.message])
  }

  @Test(arguments: 1...40) func takesManyMessagesInPiecesOfAnySize(size: Int) throws {
    let messages = Sample.all.map(\.message).filter {
      if case .worker = $0 { true } else { false }
    }
    var reader = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
    let bytes = Array(try messages.map { try $0.bytes() }.joined())
    #expect(try reader.messages(in: bytes + bytes, pieceByteCount: size) == messages + messages)
  }

  @Test func takesABuffer() throws {
    let message = CoordinatorMessage.heartbeat(sequence: 7)
    let bytes = try EitherMessage.coordinator(message).bytes()
    var reader = MessageReader<CoordinatorMessage>(limits: .stranger)
    try bytes.withUnsafeBytes { try reader.feed($0) }
    #expect(try reader.next() == message)
    #expect(try reader.next() == nil)
  }

  @Test(arguments: Sample.all) func waitsForTheLastByte(sample: Sample) throws {
    let bytes = try sample.message.bytes()
    for count in bytes.indices {
      var reader = sample.message.reader()
      #expect(try reader.messages(in: Array(bytes.prefix(count))).isEmpty, "\(count) bytes")
      #expect(try reader.messages(in: Array(bytes.dropFirst(count))) == [sample.message])
    }
  }

  @Test func heartbeatsComeThroughBetweenChunks() throws {
    for (index, beat) in [
      (2, EitherMessage.worker(.heartbeat(WorkerHeartbeat(sequence: 5)))),
      (10, .coordinator(.heartbeat(sequence: 6))),
    ] {
      let message = Sample.all[index].message
      let frames = try message.frames(chunkByteCount: 2)
      #expect(frames.count == 4)
      let mixed = frames.joined(separator: try beat.bytes())
      var reader = message.reader()
      #expect(try reader.messages(in: Array(mixed)) == [beat, beat, beat, message])
    }
  }

  @Test func aHeartbeatIsNotHeldBackByAPayload() throws {
    let upload = Sample.all[2].message
    let frames = try upload.frames()
    var reader = upload.reader()
    let beat = EitherMessage.worker(.heartbeat(WorkerHeartbeat(sequence: 1)))
    #expect(try reader.messages(in: frames[0] + (try beat.bytes())) == [beat])
    #expect(try reader.messages(in: frames[1] + frames[2]) == [upload])
  }

  @Test(arguments: [UInt8(1), 2, 3, 5])
  func nothingElseInterruptsAPayload(type: UInt8) throws {
    let frames = try Sample.all[2].message.frames()
    var reader = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
    #expect(throws: MessageError.interruptedPayload(type: type)) {
      try reader.messages(in: frames[0] + frames[1] + frameHeader(type, byteCount: 9))
    }
  }

  @Test func framesOfTheOtherSideAreRefused() throws {
    for sample in Sample.all {
      let other =
        switch sample.message {
        case .worker: EitherReader.coordinator(limits: .peer(maximumPayloadByteCount: 100))
        case .coordinator: EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
        case .newcomer, .authority: EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
        }
      let bytes = try sample.message.bytes()
      var reader = other
      #expect(throws: MessageError.unexpectedFrame(type: bytes[4])) {
        try reader.messages(in: bytes)
      }
    }
  }

  @Test func unknownTypesBelow128AreRefusedAndTheOthersSkipped() throws {
    let message = EitherMessage.coordinator(.heartbeat(sequence: 1))
    let known = Set(Sample.all.map { bytes(hex: $0.golden)[4] } + [64])
    for type in (0...255 as ClosedRange<UInt8>) where !known.contains(type) {
      var reader = MessageReader<CoordinatorMessage>(limits: .peer(maximumPayloadByteCount: 0))
      try reader.feed(frame(type, [1, 2, 3]) + (try message.bytes()))
      if type < 128 {
        #expect(throws: MessageError.unexpectedFrame(type: type)) { try reader.next() }
      } else {
        #expect(try reader.next() == .heartbeat(sequence: 1))
        #expect(reader.skippedFrameCount == 1)
      }
    }
  }

  @Test func skippableFramesMayStandBetweenChunks() throws {
    let upload = Sample.all[2].message
    let mixed = try upload.frames().joined(separator: frame(200, [9]))
    var reader = upload.reader()
    #expect(try reader.messages(in: Array(mixed)) == [upload])
  }

  @Test func anErrorStays() throws {
    var reader = MessageReader<WorkerMessage>(from: EitherMessage.workerID, limits: .stranger)
    let good = try EitherMessage.worker(.heartbeat(WorkerHeartbeat(sequence: 1))).bytes()
    try reader.feed(good + frame(99, []) + good)
    #expect(try reader.next() == .heartbeat(WorkerHeartbeat(sequence: 1)))
    let error = MessageError.unexpectedFrame(type: 99)
    #expect(throws: error) { try reader.next() }
    #expect(throws: error) { try reader.next() }
    #expect(throws: error) { try reader.feed(good) }
  }

  @Test func limitsApplyToWhatIsNotReadYet() throws {
    let (hello, upload) = (Sample.all[0].message, Sample.all[2].message)
    var reader = MessageReader<WorkerMessage>(from: EitherMessage.workerID, limits: .stranger)
    try reader.feed((try hello.bytes()) + (try upload.bytes()))
    #expect(try reader.next().map(EitherMessage.worker) == hello)
    reader.limits = .peer(maximumPayloadByteCount: Sample.payload.count)
    #expect(try reader.next().map(EitherMessage.worker) == upload)
  }
}
