// SPDX-License-Identifier: Apache-2.0
public import Digests

/// A commit that is a step along directions: what is journalled, what travels, and what a replica
/// applies.
public struct DirectionCommit: Hashable, Sendable {
  /// The version that it makes.
  public let version: Int
  /// The link of the version before it: whoever has another does not follow.
  public let previous: Link
  /// What is done to the adapter.
  public let step: DirectionStep
  /// The digest of the adapter afterwards, at versions where replicas are compared; nil at others.
  public let state: Digest?

  /// A commit by its parts.
  public init(version: Int, previous: Link, step: DirectionStep, state: Digest? = nil) {
    self.version = version
    self.previous = previous
    self.step = step
    self.state = state
  }

  /// The first bytes of the digest that stands for all commits so far: enough to tell histories apart
  /// that came about by accident.
  public struct Link: Hashable, Sendable {
    static let byteCount = 8
    let bytes: [UInt8]

    /// The link that a digest begins with.
    public init(_ digest: Digest) { bytes = Array(digest.bytes.prefix(Self.byteCount)) }

    fileprivate init(bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }
  }

  /// The commit as it travels and as it is journalled: its record.
  ///
  ///     record = varint version, 8 bytes link of the version before, step,
  ///              32 bytes digest of the adapter or nothing
  public var record: [UInt8] {
    var record: [UInt8] = []
    record.append(varint: UInt64(version))
    return record + previous.bytes + step.bytes + (state?.bytes ?? [])
  }

  /// The commit in `record`, which may be anything at all.
  ///
  /// - Throws: unless it is well formed, with nothing after its end.
  public init(record: [UInt8]) throws(UpdateError) {
    var reader = ByteReader(record[...])
    guard let version = Int(exactly: try reader.varint()), version > 0 else {
      throw .directions("the version")
    }
    try reader.require(Link.byteCount)
    let previous = Link(bytes: reader.bytes(Link.byteCount))
    let step = try DirectionStep(&reader)
    var state: Digest?
    if reader.remaining == Digest.byteCount {
      state = Digest(bytes: Array(reader.bytes(Digest.byteCount)))
    }
    guard reader.remaining == 0 else { throw .trailingBytes(reader.remaining) }
    self.init(version: version, previous: previous, step: step, state: state)
  }
}

/// All commits of a run so far, in one digest.
public struct CommitChain: Hashable, Sendable {
  /// The version of the last commit.
  public private(set) var version: Int
  /// The SHA-256 of the digest before the last commit and of its record.
  public private(set) var digest: Digest

  /// The commits up to `version`, by their digest.
  public init(version: Int, digest: Digest) {
    self.version = version
    self.digest = digest
  }

  /// No commits yet, of the run with this plan and adapter.
  public init(plan: Digest, adapter: Digest) {
    self.init(version: 0, digest: Digest(of: plan.bytes + adapter.bytes))
  }

  /// What the next commit must name.
  public var link: DirectionCommit.Link { DirectionCommit.Link(digest) }

  /// Whether `commit` is the next one.
  public func isFollowed(by commit: DirectionCommit) -> Bool {
    commit.version == version + 1 && commit.previous == link
  }

  /// Adds a commit with its record.
  ///
  /// - Precondition: it is the next one.
  public mutating func append(_ commit: DirectionCommit, record: [UInt8]) {
    precondition(isFollowed(by: commit), "commit \(commit.version) after \(version)")
    version = commit.version
    digest = Digest(of: digest.bytes + record)
  }
}

/// After every so many versions replicas are compared.
public let comparedVersionInterval = 50
