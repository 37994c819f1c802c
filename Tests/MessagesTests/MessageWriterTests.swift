// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Messages
import Rounds
import Testing

@Suite struct MessageWriterTests {
  private func roundTrip(_ message: EitherMessage) throws -> [EitherMessage] {
    var reader = message.reader()
    return try reader.messages(in: try message.bytes())
  }

  private func reasonAfterRoundTrip(_ reason: String) throws -> String? {
    guard
      case .worker(.farewell(let read)) = try roundTrip(.worker(.farewell(reason: reason))).first
    else { return nil }
    return read
  }

  private func hello(heldVersion: Int? = nil, coreCount: Int = 1, exampleCount: Int = 1)
    -> EitherMessage
  {
    .worker(
      .hello(
        Hello(
          software: "", model: digest(1), layout: nil, heldVersion: heldVersion,
          heldState: nil, memoryByteCount: .max, coreCount: coreCount,
          exampleCount: exampleCount)))
  }

  private func upload(
    round: Int = 1, exampleCount: Int = 1, loss: Double = 1, tokenCount: Int = 1,
    duration: Duration = .seconds(1)
  ) -> EitherMessage {
    .worker(
      .contribution(
        Upload(
          contribution: Contribution(
            round: round, baseVersion: 0, worker: EitherMessage.workerID,
            payload: Digest(of: []), exampleCount: exampleCount),
          loss: loss, tokenCount: tokenCount, duration: duration, payload: Payload([]))))
  }

  private func assignment(
    remaining: Duration = .zero, version: Int = 1, base: Int? = nil
  ) -> EitherMessage {
    .coordinator(
      .assignment(
        AssignmentMessage(
          round: 1, baseVersion: 0, remaining: remaining, accepted: nil,
          adapter: AdapterDelivery(
            version: version, baseVersion: base, state: digest(1), payload: Payload([])))))
  }

  private func welcome(interval: Duration, silence: Duration) -> EitherMessage {
    .coordinator(
      .welcome(
        Welcome(
          run: Sample.run, configuration: [], configurationDigest: digest(1),
          layout: digest(2), heartbeatInterval: interval, silenceLimit: silence)))
  }

  @Test func extremeValuesComeBack() throws {
    let largest = (1 << 53) - 1
    let year = Duration.seconds(366 * 86_400)
    for message in [
      hello(heldVersion: 0, coreCount: 65_536, exampleCount: largest),
      hello(heldVersion: largest, exampleCount: 0),
      upload(round: largest, exampleCount: largest, loss: -.greatestFiniteMagnitude),
      upload(round: 0, loss: .leastNonzeroMagnitude, tokenCount: largest, duration: year),
      upload(loss: 0, tokenCount: 0, duration: .nanoseconds(1)),
      assignment(remaining: year, version: largest, base: largest - 1),
      welcome(interval: .milliseconds(1), silence: .milliseconds(1)),
      welcome(interval: year, silence: year),
      .worker(.heartbeat(WorkerHeartbeat(sequence: .max))),
      .worker(.failed(round: 0, reason: "")),
      .coordinator(.receipt(Receipt(round: 0, payload: digest(0), refusal: ""))),
      .coordinator(.finished(Finished(version: 0, state: digest(0), outcome: ""))),
    ] {
      #expect(try roundTrip(message) == [message])
    }
  }

  @Test func whatTheOtherSideWouldRefuseIsNotWritten() {
    let tooLarge = 1 << 53
    for message in [
      hello(heldVersion: -1), hello(coreCount: 0), hello(coreCount: 65_537),
      hello(exampleCount: -1), hello(exampleCount: tooLarge),
      upload(round: -1), upload(round: .min), upload(exampleCount: 0), upload(exampleCount: -1),
      upload(loss: .nan), upload(loss: .infinity), upload(tokenCount: -1),
      upload(duration: .seconds(-1)), upload(duration: .seconds(Int64.max)),
      assignment(remaining: .seconds(Int64.max)), assignment(version: -1),
      assignment(version: 1, base: -1), assignment(version: 1, base: 1),
      welcome(interval: .zero, silence: .seconds(1)),
      welcome(interval: .seconds(2), silence: .seconds(1)),
      .worker(.failed(round: -1, reason: "")),
      .worker(
        .heartbeat(
          WorkerHeartbeat(
            sequence: 1, activity: WorkerHeartbeat.Activity(round: 1, step: 2, stepCount: 1)))),
      .worker(
        .heartbeat(
          WorkerHeartbeat(
            sequence: 1, activity: WorkerHeartbeat.Activity(round: 1, step: 0, stepCount: -1)))),
      .coordinator(.released(round: -1, reason: "")),
      .coordinator(.receipt(Receipt(round: -1, payload: digest(1)))),
      .coordinator(.finished(Finished(version: -1, state: digest(1)))),
    ] {
      let error = #expect(throws: MessageError.self, "\(message)") { try message.bytes() }
      guard case .invalidField = error else {
        Issue.record("\(String(describing: error)) is not about a field")
        continue
      }
    }
  }

  @Test func aDeadlineThatHasPassedLeavesNoTime() {
    let message = AssignmentMessage(
      round: 1, baseVersion: 0, remaining: .seconds(-3), accepted: nil, adapter: nil)
    #expect(message.remaining == .zero)
  }

  @Test func durationsAreCutToNanoseconds() throws {
    let exact = upload(duration: .nanoseconds(5))
    let finer = upload(
      duration: .nanoseconds(5) + Duration(secondsComponent: 0, attosecondsComponent: 7))
    #expect(try roundTrip(finer) == [exact])
  }

  @Test func theWorkersNameIsTheReaders() throws {
    let other = EitherMessage.worker("w2")
    var reader = MessageReader<WorkerMessage>(
      from: other, limits: .peer(maximumPayloadByteCount: 100))
    try reader.feed(try Sample.all[2].message.bytes())
    guard case .contribution(let upload) = try reader.next() else {
      Issue.record("no contribution")
      return
    }
    #expect(upload.contribution.worker == other)
  }

  @Test func theReasonBecomesOneLine() throws {
    #expect(try reasonAfterRoundTrip("a\nb\r\tc\0d\u{1B}e\u{2029}f") == "a b  c d e f")
    #expect(try reasonAfterRoundTrip("naïve “quotes” 🦆") == "naïve “quotes” 🦆")
  }

  @Test func aLongReasonIsCut() throws {
    let full = String(repeating: "x", count: 1024)
    #expect(try reasonAfterRoundTrip(full) == full)
    #expect(
      try reasonAfterRoundTrip(full + "y") == String(repeating: "x", count: 1021) + "…")
  }

  @Test(arguments: ["é", "€", "🦆"]) func aCutLeavesWholeCharacters(character: String) throws {
    let read = try #require(
      try reasonAfterRoundTrip("x" + String(repeating: character, count: 2000)))
    #expect(read.hasSuffix(character + "…"))
    #expect((1021...1024).contains(read.utf8.count))
  }

  @Test func theSoftwareIsCutToo() throws {
    let long = Hello(
      software: String(repeating: "s", count: 300), model: digest(1), layout: nil,
      heldVersion: nil, heldState: nil, memoryByteCount: 0, coreCount: 1, exampleCount: 1)
    guard case .worker(.hello(let read)) = try roundTrip(.worker(.hello(long))).first else {
      Issue.record("no hello")
      return
    }
    #expect(read.software == String(repeating: "s", count: 253) + "…")
  }

  @Test func framesCanBeMadeTwice() throws {
    let upload = Upload(
      contribution: Contribution(
        round: 1, baseVersion: 0, worker: EitherMessage.workerID,
        payload: Digest(of: [1, 2, 3]), exampleCount: 1),
      loss: 1, tokenCount: 1, duration: .zero, payload: Payload([1, 2, 3]))
    let frames = try MessageWriter<WorkerMessage>(chunkByteCount: 2).frames(
      for: .contribution(upload))
    #expect(try all(frames) == all(frames))
    #expect(try all(frames).count == 3)
  }
}
