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
  /// How many newcomers a server talks to at once; more are asked to come later.
  public var newcomerLimit = 16
  /// How long a newcomer may take to say what it wants.
  public var enrolmentTimeout = Duration.seconds(10)
  /// How often a server looks whether its certificate or the registry has changed: other processes
  /// change them, and a revocation is to take effect at once.
  public var registryInterval = Duration.milliseconds(200)
  /// How long a worker waits for the answer to a renewal, and before it tries again.
  public var renewalTimeout = Duration.seconds(30)
  /// The bytes of a payload in one frame.
  public var chunkByteCount = 256 << 10

  /// The defaults.
  public init() {}
}
