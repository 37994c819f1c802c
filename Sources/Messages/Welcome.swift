// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Rounds

/// The coordinator's answer to a hello that it accepts.
public struct Welcome: Hashable, Sendable {
  /// The largest configuration that a welcome carries: 1 MiB.
  public static let maximumConfigurationByteCount = 1 << 20

  /// The run the worker takes part in.
  public let run: RunID
  /// What the worker needs to know of the run: canonical JSON.
  public let configuration: [UInt8]
  /// The digest of `configuration`.
  public let configurationDigest: Digest
  /// The digest of the adapter's layout.
  public let layout: Digest
  /// How often each side beats; at least a millisecond.
  public let heartbeatInterval: Duration
  /// After how much silence the other side is dead; at least `heartbeatInterval`.
  public let silenceLimit: Duration

  /// A welcome to `run`.
  public init(
    run: RunID, configuration: [UInt8], configurationDigest: Digest, layout: Digest,
    heartbeatInterval: Duration, silenceLimit: Duration
  ) {
    self.run = run
    self.configuration = configuration
    self.configurationDigest = configurationDigest
    self.layout = layout
    self.heartbeatInterval = heartbeatInterval
    self.silenceLimit = silenceLimit
  }
}
