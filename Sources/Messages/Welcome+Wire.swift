// SPDX-License-Identifier: Apache-2.0
internal import CMessages
internal import Digests
internal import Rounds

extension Welcome {
  private static var fields: WireFields { WireFields(message: "welcome") }

  private func check() throws(MessageError) {
    guard configuration.count <= Self.maximumConfigurationByteCount else {
      throw Self.fields.invalid(
        "configuration",
        "has \(configuration.count) bytes, expected at most \(Self.maximumConfigurationByteCount)")
    }
    try Self.fields.check(
      "heartbeat_interval", heartbeatInterval,
      in: WireLimit.shortestHeartbeatInterval...WireLimit.duration)
    try Self.fields.check(
      "silence_limit", silenceLimit, in: heartbeatInterval...WireLimit.duration)
  }

  func packed() throws(MessageError) -> PackedMessage {
    try check()
    return PackedMessage(
      .welcome,
      packedBody { arena in
        Tern__Welcome.made {
          $0.run = arena.text(run.rawValue)
          $0.configuration = arena.data(configuration)
          $0.configuration_digest = arena.data(configurationDigest.bytes)
          $0.layout = arena.data(layout.bytes)
          $0.heartbeat_interval = UInt64(heartbeatInterval.wholeNanoseconds)
          $0.silence_limit = UInt64(silenceLimit.wholeNanoseconds)
        }
      })
  }

  init(_ body: ArraySlice<UInt8>) throws(MessageError) {
    self = try withUnpacked(Tern__Welcome.self, body, named: "welcome") {
      (welcome) throws(MessageError) in
      guard let run = RunID(rawValue: try Self.fields.text("run", welcome.run)) else {
        throw Self.fields.invalid("run", "is no name of a run")
      }
      return Welcome(
        run: run, configuration: array(welcome.configuration),
        configurationDigest: try Self.fields.digest(
          "configuration_digest", welcome.configuration_digest),
        layout: try Self.fields.digest("layout", welcome.layout),
        heartbeatInterval: duration(welcome.heartbeat_interval),
        silenceLimit: duration(welcome.silence_limit))
    }
    try check()
  }
}
