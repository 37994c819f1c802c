// SPDX-License-Identifier: Apache-2.0
import Digests
import Messages
import Testing

/// A body that breaks one rule, and the field that the error names.
struct BadBody: Sendable, CustomTestStringConvertible {
  let type: UInt8
  let field: String
  let body: [UInt8]

  /// What `fill` adds to a good body: a later field of the same number replaces an earlier one.
  init(
    _ type: UInt8, _ field: String, _ good: (inout ProtobufBytes) -> Void = { _ in },
    _ fill: (inout ProtobufBytes) -> Void
  ) {
    self.type = type
    self.field = field
    self.body = ProtobufBytes(good).bytes + ProtobufBytes(fill).bytes
  }

  var testDescription: String { field }
}

/// The fields that a message needs to be taken.
private enum Good {
  static func hello(_ body: inout ProtobufBytes) {
    body.number(1, 1)
    body.bytes(2, digest(1).bytes)
    body.bytes(4, digest(2).bytes)
    body.number(9, 4)
    body.number(10, 400)
  }

  static func enrolment(_ body: inout ProtobufBytes) {
    body.bytes(1, Array(repeating: 7, count: 32))
    body.bytes(2, [1])
  }

  static func grant(_ body: inout ProtobufBytes) {
    body.bytes(1, [1])
    body.bytes(2, [1])
  }

  static func contribution(_ body: inout ProtobufBytes) {
    body.message(3) {
      $0.bytes(1, digest(1).bytes)
      $0.number(2, 5)
    }
    body.number(4, 1)
  }

  static func losses(_ body: inout ProtobufBytes) {
    body.bytes(4, Array(repeating: 0, count: 16))
    body.number(5, 1)
  }

  static func task(_ body: inout ProtobufBytes) { body.number(4, 1) }

  static func welcome(_ body: inout ProtobufBytes) {
    body.text(1, "demo")
    body.bytes(3, digest(1).bytes)
    body.bytes(4, digest(2).bytes)
    body.number(5, 5_000_000_000)
    body.number(6, 15_000_000_000)
  }

  static func delivery(_ body: inout ProtobufBytes) {
    body.number(1, 7)
    body.bytes(3, digest(1).bytes)
    body.message(4) { $0.bytes(1, digest(2).bytes) }
  }
}

@Suite struct FieldTests {
  private static let answers: [BadBody] = [
    BadBody(6, "losses.step", Good.losses) { $0.number(1, 1 << 32) },
    BadBody(6, "losses.base_version", Good.losses) { $0.number(2, tooLarge) },
    BadBody(6, "losses.example_count", Good.losses) { $0.number(5, 0) },
    BadBody(6, "losses.example_count", Good.losses) { $0.number(5, tooLarge) },
    BadBody(6, "losses.token_count", Good.losses) { $0.number(6, tooLarge) },
    BadBody(6, "losses.state", Good.losses) { $0.bytes(7, [1]) },
    BadBody(6, "losses.losses") { $0.number(5, 1) },
    BadBody(6, "losses.losses") {
      $0.number(5, 1)
      $0.bytes(4, Array(repeating: 0, count: 1_044_480 + 8))
    },
  ]

  private static let tasks: [BadBody] = [
    BadBody(39, "step_task.step", Good.task) { $0.number(1, 1 << 32) },
    BadBody(39, "step_task.base_version", Good.task) { $0.number(2, tooLarge) },
    BadBody(39, "step_task.query_count", Good.task) { $0.number(4, 0) },
    BadBody(39, "step_task.query_count", Good.task) {
      $0.number(3, 1 << 31)
      $0.number(4, 1 << 31 + 1)
    },
    BadBody(39, "step_task.remaining", Good.task) { $0.number(5, tooLong) },
    BadBody(39, "step_task.signs", Good.task) { $0.number(8, 3) },
    BadBody(39, "step_task.signs", Good.task) { $0.number(8, .max) },
    BadBody(39, "step_task.commits", Good.task) { $0.bytes(6, []) },
    BadBody(39, "step_task.history.state", Good.task) { $0.message(7) { _ in } },
    BadBody(39, "step_task.payload", Good.task) { $0.message(7) { $0.bytes(3, digest(1).bytes) } },
    BadBody(39, "step_task.history.version", Good.task) {
      $0.message(7) {
        Good.delivery(&$0)
        $0.number(1, tooLarge)
      }
    },
    BadBody(39, "step_task.history.base_version", Good.task) {
      $0.message(7) {
        Good.delivery(&$0)
        $0.number(2, 7)
      }
    },
  ]

  private static let tooLarge: UInt64 = 1 << 53
  private static let tooLong: UInt64 = 367 * 86_400 * 1_000_000_000

  private static let hellos: [BadBody] = [
    BadBody(1, "hello.schema") { _ in },
    BadBody(1, "hello.model") { $0.bytes(2, digest(1).bytes) },
    BadBody(1, "hello.schema", Good.hello) { $0.bytes(2, Array(repeating: 1, count: 31)) },
    BadBody(1, "hello.model", Good.hello) { $0.bytes(4, Array(repeating: 1, count: 33)) },
    BadBody(1, "hello.layout", Good.hello) { $0.bytes(5, [1]) },
    BadBody(1, "hello.held_version", Good.hello) { $0.number(6, tooLarge) },
    BadBody(1, "hello.held_version", Good.hello) { $0.number(6, .max) },
    BadBody(1, "hello.held_state", Good.hello) { $0.bytes(7, [1, 2]) },
    BadBody(1, "hello.data", Good.hello) { $0.bytes(12, Array(repeating: 1, count: 31)) },
    BadBody(1, "hello.core_count", Good.hello) { $0.number(9, 0) },
    BadBody(1, "hello.core_count", Good.hello) { $0.number(9, 65_537) },
    BadBody(1, "hello.example_count", Good.hello) { $0.number(10, tooLarge) },
    BadBody(1, "hello.software", Good.hello) { $0.text(3, String(repeating: "x", count: 257)) },
    BadBody(1, "hello.software", Good.hello) { $0.bytes(3, [0xC3]) },
    BadBody(1, "hello.software", Good.hello) { $0.text(3, "a\u{1B}[2Jb") },
  ]

  private static let otherWorkerMessages: [BadBody] = [
    BadBody(2, "contribution.payload") { _ in },
    BadBody(2, "contribution.payload.digest") { $0.message(3) { $0.number(2, 5) } },
    BadBody(2, "contribution.round", Good.contribution) { $0.number(1, tooLarge) },
    BadBody(2, "contribution.round", Good.contribution) { $0.number(1, .max) },
    BadBody(2, "contribution.base_version", Good.contribution) { $0.number(2, tooLarge) },
    BadBody(2, "contribution.example_count", Good.contribution) { $0.number(4, 0) },
    BadBody(2, "contribution.example_count", Good.contribution) { $0.number(4, tooLarge) },
    BadBody(2, "contribution.loss", Good.contribution) { $0.double(5, .nan) },
    BadBody(2, "contribution.loss", Good.contribution) { $0.double(5, .infinity) },
    BadBody(2, "contribution.loss", Good.contribution) { $0.double(5, -.infinity) },
    BadBody(2, "contribution.token_count", Good.contribution) { $0.number(6, tooLarge) },
    BadBody(2, "contribution.duration", Good.contribution) { $0.number(7, tooLong) },
    BadBody(2, "contribution.duration", Good.contribution) { $0.number(7, .max) },
    BadBody(3, "failure.round") { $0.number(1, tooLarge) },
    BadBody(3, "failure.reason") { $0.text(2, String(repeating: "x", count: 1025)) },
    BadBody(3, "failure.reason") { $0.bytes(2, [0x61, 0xFF]) },
    BadBody(3, "failure.reason") { $0.text(2, "two\nlines") },
    BadBody(3, "failure.reason") { $0.text(2, "two\u{2028}lines") },
    BadBody(3, "failure.reason") { $0.text(2, "\u{9B}2J") },
    BadBody(4, "worker_heartbeat.activity.round") { $0.message(2) { $0.number(1, .max) } },
    BadBody(4, "worker_heartbeat.activity.step_count") { $0.message(2) { $0.number(3, .max) } },
    BadBody(4, "worker_heartbeat.activity.step") {
      $0.message(2) {
        $0.number(2, 5)
        $0.number(3, 4)
      }
    },
    BadBody(5, "farewell.reason") { $0.bytes(1, [0x80]) },
  ]

  private static let welcomes: [BadBody] = [
    BadBody(32, "welcome.run") { _ in },
    BadBody(32, "welcome.run", Good.welcome) { $0.text(1, "../etc") },
    BadBody(32, "welcome.run", Good.welcome) { $0.text(1, String(repeating: "x", count: 65)) },
    BadBody(32, "welcome.configuration", Good.welcome) {
      $0.bytes(2, Array(repeating: 32, count: 1 + (1 << 20)))
    },
    BadBody(32, "welcome.configuration_digest", Good.welcome) { $0.bytes(3, []) },
    BadBody(32, "welcome.layout", Good.welcome) { $0.bytes(4, [1, 2, 3]) },
    BadBody(32, "welcome.heartbeat_interval", Good.welcome) { $0.number(5, 0) },
    BadBody(32, "welcome.heartbeat_interval", Good.welcome) { $0.number(5, 999_999) },
    BadBody(32, "welcome.heartbeat_interval", Good.welcome) { $0.number(5, tooLong) },
    BadBody(32, "welcome.silence_limit", Good.welcome) { $0.number(6, 4_999_999_999) },
    BadBody(32, "welcome.silence_limit", Good.welcome) { $0.number(6, .max) },
  ]

  private static let otherCoordinatorMessages: [BadBody] = [
    BadBody(33, "refusal.reason") { $0.bytes(2, [0xED, 0xA0, 0x80]) },
    BadBody(34, "assignment.round") { $0.number(1, tooLarge) },
    BadBody(34, "assignment.base_version") { $0.number(2, tooLarge) },
    BadBody(34, "assignment.remaining") { $0.number(3, tooLong) },
    BadBody(34, "assignment.accepted.payload") { $0.message(4) { $0.number(1, 1) } },
    BadBody(34, "assignment.accepted.version") {
      $0.message(4) {
        $0.number(1, tooLarge)
        $0.bytes(2, digest(1).bytes)
      }
    },
    BadBody(34, "assignment.adapter.state") { $0.message(5) { _ in } },
    BadBody(34, "assignment.payload") { $0.message(5) { $0.bytes(3, digest(1).bytes) } },
    BadBody(34, "assignment.payload.digest") {
      $0.message(5) {
        Good.delivery(&$0)
        $0.message(4) { $0.bytes(1, [1]) }
      }
    },
    BadBody(34, "assignment.adapter.version") {
      $0.message(5) {
        Good.delivery(&$0)
        $0.number(1, tooLarge)
      }
    },
    BadBody(34, "assignment.adapter.base_version") {
      $0.message(5) {
        Good.delivery(&$0)
        $0.number(2, 7)
      }
    },
    BadBody(34, "assignment.adapter.base_version") {
      $0.message(5) {
        Good.delivery(&$0)
        $0.number(2, .max)
      }
    },
    BadBody(35, "receipt.payload") { _ in },
    BadBody(35, "receipt.round") {
      $0.number(1, .max)
      $0.bytes(2, digest(1).bytes)
    },
    BadBody(35, "receipt.refusal") {
      $0.bytes(2, digest(1).bytes)
      $0.bytes(3, [0xFF])
    },
    BadBody(36, "release.round") { $0.number(1, tooLarge) },
    BadBody(36, "release.reason") { $0.text(2, "a\tb") },
    BadBody(37, "finish.state") { $0.number(1, 1) },
    BadBody(37, "finish.version") {
      $0.number(1, .max)
      $0.bytes(2, digest(1).bytes)
    },
    BadBody(37, "finish.failure") {
      $0.bytes(2, digest(1).bytes)
      $0.text(3, "\r")
    },
  ]

  private static let certificates: [BadBody] = [
    BadBody(16, "enrolment.secret") { $0.bytes(2, [1]) },
    BadBody(16, "enrolment.secret", Good.enrolment) { $0.bytes(1, Array(repeating: 7, count: 31)) },
    BadBody(16, "enrolment.secret", Good.enrolment) { $0.bytes(1, Array(repeating: 7, count: 33)) },
    BadBody(16, "enrolment.request", Good.enrolment) { $0.bytes(2, []) },
    BadBody(16, "enrolment.request", Good.enrolment) {
      $0.bytes(2, Array(repeating: 1, count: 2049))
    },
    BadBody(16, "enrolment.software", Good.enrolment) { $0.text(3, "a\nb") },
    BadBody(48, "grant.certificate", Good.grant) { $0.bytes(1, []) },
    BadBody(48, "grant.certificate", Good.grant) { $0.bytes(1, Array(repeating: 1, count: 1921)) },
    BadBody(48, "grant.authority") { $0.bytes(1, [1]) },
    BadBody(48, "grant.authority", Good.grant) { $0.bytes(2, Array(repeating: 1, count: 1921)) },
    BadBody(128, "renewal.request") { _ in },
    BadBody(128, "renewal.request") { $0.bytes(1, Array(repeating: 1, count: 2049)) },
    BadBody(160, "renewed.certificate") { $0.bytes(1, Array(repeating: 1, count: 1921)) },
    BadBody(160, "renewed.refusal") { $0.text(2, "a\tb") },
  ]

  @Test(arguments: certificates) func aBadFieldAboutCertificatesIsNamed(bad: BadBody) {
    expectRefusal(of: bad, by: .of(bad.type))
  }

  @Test(arguments: hellos + otherWorkerMessages + answers) func aWorkersBadFieldIsNamed(
    bad: BadBody
  ) {
    expectRefusal(of: bad, by: .worker(limits: .peer(maximumPayloadByteCount: 100)))
  }

  @Test(arguments: welcomes + otherCoordinatorMessages + tasks)
  func aCoordinatorsBadFieldIsNamed(bad: BadBody) {
    expectRefusal(of: bad, by: .coordinator(limits: .peer(maximumPayloadByteCount: 100)))
  }

  private func expectRefusal(of bad: BadBody, by reader: EitherReader) {
    var reader = reader
    let error = #expect(throws: MessageError.self) {
      try reader.messages(in: frame(bad.type, bad.body))
    }
    guard case .invalidField(let message, let field, let problem) = error else {
      Issue.record("\(String(describing: error)) is not about a field")
      return
    }
    #expect("\(message).\(field)" == bad.field)
    #expect(!problem.isEmpty)
  }

  @Test func theGoodBodiesAreGood() throws {
    var workers = EitherReader.worker(limits: .peer(maximumPayloadByteCount: 100))
    let hello = frame(1, ProtobufBytes(Good.hello).bytes)
    #expect(try workers.messages(in: hello).count == 1)
    #expect(try workers.messages(in: frame(2, ProtobufBytes(Good.contribution).bytes)).isEmpty)

    var coordinators = EitherReader.coordinator(limits: .peer(maximumPayloadByteCount: 100))
    let welcome = frame(32, ProtobufBytes(Good.welcome).bytes)
    #expect(try coordinators.messages(in: welcome).count == 1)
    // Announces a payload of no bytes, under a digest that is not that of no bytes.
    let assignment = ProtobufBytes { $0.message(5, Good.delivery) }
    #expect(throws: MessageError.self) {
      try coordinators.messages(in: frame(34, assignment.bytes))
    }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6, 16, 32, 33, 34, 35, 36, 37, 38, 39, 48, 128, 160] as [UInt8])
  func aBodyThatIsNoProtobufIsMalformed(type: UInt8) {
    var reader = EitherReader.of(type)
    let error = #expect(throws: MessageError.self) {
      try reader.messages(in: frame(type, [0x0A, 0x7F]))
    }
    guard case .malformed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aStringEndsAtItsFirstZero() throws {
    let body = ProtobufBytes { $0.text(1, "bye\0\u{1B}hidden") }
    var reader = EitherReader.worker(limits: .stranger)
    #expect(try reader.messages(in: frame(5, body.bytes)) == [.worker(.farewell(reason: "bye"))])
  }
}
