// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Rounds

/// What a run is: fixed when it is created.
public struct RunRecord: Equatable, Sendable {
  /// Its name.
  public let id: RunID
  /// When it was created.
  public let created: RunTime
  /// The effective configuration, as its owner writes it.
  public let configuration: [UInt8]
  /// The digest of the base model.
  public let model: Digest
  /// The adapter's layout, as its owner writes it.
  public let layout: [UInt8]
  /// The version of the program that created it.
  public let software: String

  /// A run by what it is made of.
  public init(
    id: RunID, created: RunTime, configuration: [UInt8], model: Digest, layout: [UInt8],
    software: String
  ) {
    self.id = id
    self.created = created
    self.configuration = configuration
    self.model = model
    self.layout = layout
    self.software = software
  }

  /// The digest of the configuration.
  public var configurationDigest: Digest { Digest(of: configuration) }
  /// The digest of the layout.
  public var layoutDigest: Digest { Digest(of: layout) }
}

/// A step from one version to the next, as the store remembers it forever.
public struct Commit: Equatable, Sendable {
  /// The version that was made.
  public let version: Int
  /// The round that made it.
  public let round: Int
  /// When it was made.
  public let time: RunTime
  /// What it was made of, in the order of the workers.
  public let contributions: [Contribution]
  /// The digest of the adapter's values.
  public let adapter: Digest
  /// The payload by which the workers follow, if one was stored.
  public let broadcast: Digest?

  /// A commit by its parts.
  public init(
    version: Int, round: Int, time: RunTime, contributions: [Contribution], adapter: Digest,
    broadcast: Digest?
  ) {
    self.version = version
    self.round = round
    self.time = time
    self.contributions = contributions
    self.adapter = adapter
    self.broadcast = broadcast
  }
}

/// Everything that a coordinator needs to go on from a version.
public struct Snapshot: Equatable, Sendable {
  /// The version.
  public let version: Int
  /// The coordinator's state, as it wrote it.
  public let state: [UInt8]
  /// The engine, after the event that made the version.
  public let engine: RoundEngine
  /// The last journalled event that the engine has taken into account.
  public let sequence: Int
}

/// An event as the journal holds it.
public struct JournalEntry: Equatable, Sendable {
  /// Its place: 1, 2, 3, ...
  public let sequence: Int
  /// When it happened.
  public let time: RunTime
  /// What happened.
  public let event: RoundEngine.Event
}

/// A line of the run's metrics.
public struct Metric: Equatable, Sendable {
  /// When it was noted.
  public let time: RunTime
  /// A JSON object.
  public let json: String
}

/// A run as a list shows it.
public struct RunSummary: Equatable, Sendable {
  /// The folder it lives in.
  public let folder: String
  /// What it is, or why that cannot be read.
  public let contents: Result<Contents, RunError>

  /// What a list shows of a run that can be read.
  public struct Contents: Equatable, Sendable {
    /// The run's name.
    public let id: RunID
    /// When it was created.
    public let created: RunTime
    /// The version of the program that created it.
    public let software: String
    /// How many versions were made.
    public let version: Int
    /// How many versions the run makes.
    public let versionCount: Int
    /// When something last happened.
    public let lastEvent: RunTime
    /// How it ended; nil while it goes on.
    public let outcome: RoundEngine.Outcome?
  }
}
