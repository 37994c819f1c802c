// SPDX-License-Identifier: Apache-2.0
import CMessages
import Testing

@testable import Messages

@Suite struct GoldenBytesTests {
  @Test(arguments: Sample.all) func writesTheGoldenBytes(sample: Sample) throws {
    #expect(hex(try sample.message.bytes()) == sample.golden)
  }

  @Test(arguments: Sample.all) func readsTheGoldenBytes(sample: Sample) throws {
    var reader = sample.message.reader()
    #expect(try reader.messages(in: bytes(hex: sample.golden)) == [sample.message])
  }

  @Test func frameTypesAreThoseOfTheSchema() {
    let schema: [(FrameType, Tern__Frame__Type)] = [
      (.hello, TERN__FRAME__TYPE__HELLO), (.contribution, TERN__FRAME__TYPE__CONTRIBUTION),
      (.failure, TERN__FRAME__TYPE__FAILURE),
      (.workerHeartbeat, TERN__FRAME__TYPE__WORKER_HEARTBEAT),
      (.farewell, TERN__FRAME__TYPE__FAREWELL), (.losses, TERN__FRAME__TYPE__LOSSES),
      (.enrolment, TERN__FRAME__TYPE__ENROLMENT),
      (.welcome, TERN__FRAME__TYPE__WELCOME),
      (.refusal, TERN__FRAME__TYPE__REFUSAL), (.assignment, TERN__FRAME__TYPE__ASSIGNMENT),
      (.receipt, TERN__FRAME__TYPE__RECEIPT), (.release, TERN__FRAME__TYPE__RELEASE),
      (.finish, TERN__FRAME__TYPE__FINISH),
      (.coordinatorHeartbeat, TERN__FRAME__TYPE__COORDINATOR_HEARTBEAT),
      (.stepTask, TERN__FRAME__TYPE__STEP_TASK),
      (.grant, TERN__FRAME__TYPE__GRANT), (.chunk, TERN__FRAME__TYPE__CHUNK),
      (.renewal, TERN__FRAME__TYPE__RENEWAL), (.renewed, TERN__FRAME__TYPE__RENEWED),
    ]
    for (type, number) in schema { #expect(UInt32(type.rawValue) == number.rawValue) }
    #expect(schema.map(\.0) == FrameType.allCases)
  }

  @Test func refusalCodesAreThoseOfTheSchema() {
    let schema: [(Refusal.Code, Tern__Refusal__Code)] = [
      (.other, TERN__REFUSAL__CODE__OTHER),
      (.protocolVersion, TERN__REFUSAL__CODE__PROTOCOL_VERSION),
      (.model, TERN__REFUSAL__CODE__MODEL), (.layout, TERN__REFUSAL__CODE__LAYOUT),
      (.identity, TERN__REFUSAL__CODE__IDENTITY), (.capacity, TERN__REFUSAL__CODE__CAPACITY),
      (.run, TERN__REFUSAL__CODE__RUN), (.replaced, TERN__REFUSAL__CODE__REPLACED),
      (.malformed, TERN__REFUSAL__CODE__MALFORMED),
      (.invitation, TERN__REFUSAL__CODE__INVITATION),
      (.certificate, TERN__REFUSAL__CODE__CERTIFICATE),
      (.authority, TERN__REFUSAL__CODE__AUTHORITY),
    ]
    for (code, number) in schema { #expect(code.rawValue == Int(number.rawValue)) }
    #expect(schema.map(\.0) == Refusal.Code.allCases)
  }

  @Test func thePayloadsDigestIsKnownWithoutThisProgram() {
    // `printf '\1\2\3\4\5' | sha256sum`
    let digest = "74f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25d5e5a3936ff3dcec60d0"
    #expect(Sample.withPayload.allSatisfy { $0.golden.contains(digest) })
    #expect(Sample.withPayload.count == 4)
  }
}
