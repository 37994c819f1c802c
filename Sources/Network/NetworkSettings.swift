// SPDX-License-Identifier: Apache-2.0

/// How patient and how generous a side of a connection is.
public struct NetworkSettings: Hashable, Sendable {
  /// A connection whose handshake takes longer is cut, however many bytes it sends.
  public var handshakeTimeout = Duration.seconds(10)
  /// How long a try to connect may take.
  public var connectTimeout = Duration.seconds(10)
  /// How long the other side may take to hear the last words and close, too.
  public var lingerTimeout = Duration.seconds(1)
  /// How many connections a server holds at once; more are closed as they arrive.
  public var connectionLimit = 4096
  /// The bytes of a payload in one frame.
  public var chunkByteCount = 256 << 10

  /// The defaults.
  public init() {}
}
