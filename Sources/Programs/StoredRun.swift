// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Digests
internal import Federation
internal import Foundation
internal import Models
internal import Rounds
internal import Runs
internal import Training

/// A run as its folder has it, read without disturbing whoever serves it.
public struct StoredRun: Encodable, Sendable {
  /// A version, as it was committed.
  public struct Version: Encodable, Sendable {
    let version: Int
    let round: Int
    let time: String
    let adapter: String
    let workers: [String]
  }

  /// The run's name.
  public let run: String
  /// Its folder.
  public let folder: String
  /// How many commits it has.
  public let version: Int
  /// How many it will have.
  public let versionCount: Int
  /// Whether it goes on, or how it ended.
  public let status: String
  /// When something last happened, in UTC.
  public let lastEvent: String
  /// Its commits; none in a run by steps.
  public let versions: [Version]
  /// How long the records of the commits are in a run by steps; 0 in others.
  public let stepByteCount: Int

  /// The run in `folder`.
  public init(folder: String) throws {
    try self.init(RunStore.openReadOnly(folder: folder), folder: folder)
  }

  private init(_ store: RunStore, folder: String) throws {
    let summary = try store.summary()
    run = summary.id.rawValue
    self.folder = folder
    version = summary.version
    versionCount = summary.versionCount
    status = summary.outcome.map { "\($0)" } ?? "not finished"
    lastEvent = dateText(summary.lastEvent)
    versions = try store.commits().map { commit in
      Version(
        version: commit.version, round: commit.round, time: dateText(commit.time),
        adapter: "\(commit.adapter)", workers: commit.contributions.map(\.worker.rawValue))
    }
    stepByteCount = try store.stepRecords(after: 0).reduce(0) { $0 + $1.count }
  }

  /// The runs whose folders are in `folder`, by name.
  ///
  /// A folder that holds a run which cannot be read is an error that says why.
  public static func all(in folder: String) throws -> [StoredRun] {
    guard FileManager.default.fileExists(atPath: folder) else {
      throw InputError("there is no folder \(folder); name the folder of run folders with --runs")
    }
    return try RunStore.list(in: folder).map { entry in
      _ = try entry.contents.get()
      return try StoredRun(folder: entry.folder)
    }
  }

  /// The run as a person reads it.
  public var text: String {
    let head = """
      run       \(run)
      version   \(version) of \(versionCount)
      status    \(status)
      last      \(lastEvent)
      """ + (stepByteCount > 0 ? "\nlog       \(byteText(stepByteCount))" : "")
    return
      ([head]
      + versions.map { version in
        "\(version.version)\t\(version.time)\t\(version.adapter.prefix(8))\t"
          + version.workers.joined(separator: ", ")
      }).joined(separator: "\n")
  }

  /// The run made again from its log alone.
  ///
  /// - Throws: when it is none by steps, and when the log leads elsewhere than the run did.
  public func replay() throws -> Replay {
    let store = try RunStore.openReadOnly(folder: folder)
    let plan = try RunPlan(canonicalBytes: store.record.configuration)
    guard plan.training.isBySteps else {
      throw InputError(
        "run \(run) exchanged updates, whose payloads are not kept; only a run by steps "
          + "(training.parallel) can be replayed")
    }
    return Replay(run: run, try StepReplay(store, fromStart: true))
  }

  /// What a replay came to.
  public struct Replay: Encodable, Sendable {
    let run: String
    let version: Int
    let adapter: String
    let terms: Int
    let comparedVersions: Int
    let comparedSnapshot: Int?

    init(run: String, _ replay: StepReplay) {
      self.run = run
      version = replay.version
      adapter = "\(replay.digest)"
      terms = replay.termCount
      comparedVersions = replay.comparedVersions.count
      comparedSnapshot = replay.comparedSnapshot
    }

    /// The replay as a person reads it.
    public var text: String {
      """
      run       \(run)
      version   \(version), from \(terms) coefficients
      adapter   \(adapter)
      compared  \(comparedVersions) versions\(comparedSnapshot.map { " and the snapshot of version \($0)" } ?? ""): the same bits
      """
    }
  }

  /// Writes the adapter, as it was committed last, as a PEFT folder.
  ///
  /// - Parameter model: the checkpoint, when it is not where the run found it.
  public func export(to output: String, model: String?) throws {
    let store = try RunStore.openReadOnly(folder: folder)
    let committed = try committedAdapter(in: store)
    let path = try model ?? RunOrigin(folder: folder).model()
    let loaded = try LoadedModel(path: path)
    guard loaded.checkpoint.digest() == store.record.model else {
      throw InputError("\(path) is not the model of run \(run); give that one with --model")
    }
    let adapted = try loaded.adapted(by: committed.plan)
    try loaded.write(committed.adapter, of: adapted, to: output)
  }
}
