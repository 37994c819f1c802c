// SPDX-License-Identifier: Apache-2.0

/// How much a reader takes from the other side.
public struct FrameLimits: Hashable, Sendable {
  /// The longest body of a frame.
  public var maximumFrameByteCount: Int
  /// The longest payload; 0 for none.
  public var maximumPayloadByteCount: Int

  /// The limits of one reader.
  public init(maximumFrameByteCount: Int, maximumPayloadByteCount: Int) {
    self.maximumFrameByteCount = maximumFrameByteCount
    self.maximumPayloadByteCount = maximumPayloadByteCount
  }

  /// For a worker that has not been welcomed: a small message, and no payload.
  public static let stranger = FrameLimits(
    maximumFrameByteCount: WireLimit.smallBodyByteCount, maximumPayloadByteCount: 0)

  /// For the other side of an established connection, and for a coordinator from the start.
  public static func peer(maximumPayloadByteCount: Int) -> FrameLimits {
    FrameLimits(
      maximumFrameByteCount: WireLimit.largestBodyByteCount,
      maximumPayloadByteCount: maximumPayloadByteCount)
  }
}

/// The limits that belong to the protocol, whatever a reader would take.
enum WireLimit {
  /// Bodies of messages without a configuration.
  static let smallBodyByteCount = 4096
  /// A welcome: a configuration and a small message.
  static let largestBodyByteCount = Welcome.maximumConfigurationByteCount + smallBodyByteCount
  /// Bodies of a step's task and of its answer.
  static let stepBodyByteCount = 1 << 20
  /// Steps and queries, as they are counted in a direction's address.
  static let directionNumber = Int(UInt32.max)
  /// Bodies of frames that a reader does not know and skips.
  static let skippedBodyByteCount = 64 << 10
  /// The bytes of a payload in one chunk.
  static let chunkByteCount = 1 << 20
  /// A reason, in UTF-8.
  static let reasonByteCount = 1024
  /// The name of a program, in UTF-8.
  static let softwareByteCount = 256
  /// A signing request: one of a 4096-bit RSA key has 1.2 kB.
  static let requestByteCount = 2048
  /// A certificate, two of which fit into a small body.
  static let certificateByteCount = 1920
  /// Rounds, versions and counts: integers that a Double and JSON hold exactly.
  static let number = 1 << 53 - 1
  /// The processors of a machine.
  static let coreCount = 1 << 16
  /// Durations: a year.
  static let duration = Duration.seconds(366 * 86_400)
  /// What a side may be asked to beat at most.
  static let shortestHeartbeatInterval = Duration.milliseconds(1)
}
