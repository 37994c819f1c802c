// SPDX-License-Identifier: Apache-2.0
import Messages
import Testing

@Suite struct EvolutionTests {
  /// Fields of a later version, of every wire type.
  private static let unknown = ProtobufBytes {
    $0.number(1000, 5)
    $0.double(1001, 2)
    $0.text(1002, "later")
    $0.message(1003) { $0.number(1, 1) }
  }

  @Test(arguments: Sample.all) func unknownFieldsAreSkipped(sample: Sample) throws {
    var frames = try sample.message.frames()
    frames[0] = frame(frames[0][4], Array(frames[0][5...]) + Self.unknown.bytes)
    var reader = sample.message.reader()
    #expect(try reader.messages(in: Array(frames.joined())) == [sample.message])
  }

  @Test func unknownFieldsInNestedMessagesAreSkipped() throws {
    let body = ProtobufBytes {
      $0.number(1, 300)
      $0.message(2) {
        $0.number(1, 9)
        $0.number(500, 9)
        $0.number(2, 3)
        $0.number(3, 4)
      }
    }
    var reader = EitherReader.worker(limits: .stranger)
    let activity = WorkerHeartbeat.Activity(round: 9, step: 3, stepCount: 4)
    #expect(
      try reader.messages(in: frame(4, body.bytes)) == [
        .worker(.heartbeat(WorkerHeartbeat(sequence: 300, activity: activity)))
      ])
  }

  @Test(arguments: [99, 100, UInt64(UInt32.max), .max])
  func unknownRefusalCodesAreOther(code: UInt64) throws {
    let body = ProtobufBytes {
      $0.number(1, code)
      $0.text(2, "later")
    }
    var reader = EitherReader.coordinator(limits: .stranger)
    #expect(
      try reader.messages(in: frame(33, body.bytes)) == [
        .coordinator(.refused(Refusal(code: .other, reason: "later", retryable: false)))
      ])
  }

  @Test(arguments: Refusal.Code.allCases)
  func knownRefusalCodesComeBack(code: Refusal.Code) throws {
    let message = EitherMessage.coordinator(
      .refused(Refusal(code: code, reason: "", retryable: false)))
    var reader = message.reader()
    #expect(try reader.messages(in: try message.bytes()) == [message])
  }

  @Test func anotherProtocolVersionCanStillBeRead() throws {
    let hello = Hello(
      protocolVersion: 2, software: "later", model: digest(1), layout: nil, heldVersion: nil,
      heldState: nil, memoryByteCount: 0, coreCount: 1, exampleCount: 1)
    #expect(hello.schema == Schema.digest)
    let message = EitherMessage.worker(.hello(hello))
    var reader = message.reader(limits: .stranger)
    #expect(try reader.messages(in: try message.bytes()) == [message])
  }
}
