// SPDX-License-Identifier: Apache-2.0
internal import Digests
public import Files
internal import FoundationEssentials
internal import GRDB
public import Rounds
internal import Synchronization

/// All that a run must not forget: what it is, its journal, payloads, commits and snapshots.
///
/// What a method wrote is on the disk when it returns. Each method is one transaction: after
/// kill -9 at any byte the store holds everything of a call or nothing of it. Calls from several
/// threads are taken one after the other.
public final class RunStore: Sendable {
  /// Where a store lives.
  public enum Location: Equatable, Sendable {
    /// In a folder of its own, in the file `run.sqlite`.
    case folder(String)
    /// In memory, for simulations and tests: forgotten with the value.
    case memory
  }

  /// What the run is.
  public let record: RunRecord
  /// The folder, or "memory", for messages.
  public let path: String

  let database: any DatabaseWriter
  /// The files of large payloads; nil in memory.
  let files: PayloadFolder?
  private let lock: FolderLock?
  private let writingTime = Mutex(Duration.zero)

  private init(
    _ record: RunRecord, path: String, database: any DatabaseWriter, files: PayloadFolder?,
    lock: FolderLock?
  ) {
    self.record = record
    self.path = path
    self.database = database
    self.files = files
    self.lock = lock
  }

  /// Creates a run that starts with `engine` and `state` as its version 0, or opens the same run.
  ///
  /// A run is the same if its name, configuration, model and layout are; then the store goes on
  /// with what it holds, and `engine` and `state` are not looked at.
  /// - Parameter state: What to go on from, and the payloads that it names.
  /// - Throws: `differentRun` if another run is there, `inUse` if another coordinator has it open.
  public static func create(
    _ record: RunRecord, engine: RoundEngine, at location: Location,
    state: (RunStore) throws -> (bytes: [UInt8], vectors: [Payload])
  ) throws -> RunStore {
    try create(record, at: location) { try $0.begin(with: engine, state($0)) }
  }

  /// Creates a run with what `begin` writes, or opens the same run.
  static func create(
    _ record: RunRecord, at location: Location, begin: (RunStore) throws -> Void
  ) throws -> RunStore {
    if case .folder(let folder) = location { try makeFolder(folder) }
    let (path, database, files, lock) = try connect(location)
    let existing: RunRecord?
    do {
      try RunSchema.migrator.migrate(database)
      existing = try database.read(RunRecord.fetch)
      if let existing { try existing.check(isSameAs: record, path: path) }
    } catch {
      throw RunError(error, path: path)
    }
    let store = RunStore(
      existing ?? record, path: path, database: database, files: files, lock: lock)
    try store.removeUnknownFiles()
    if existing == nil { try begin(store) }
    if case .folder(let folder) = location { try synchronizeFolder(folder) }
    return store
  }

  private func begin(
    with engine: RoundEngine, _ state: (bytes: [UInt8], vectors: [Payload])
  ) throws(RunError) {
    try keep(state.vectors, durably: true)
    try write { connection in
      try record.insert(connection, versionCount: engine.rules.versionCount)
      for vector in state.vectors {
        try insertPayload(connection, vector, for: .state(version: 0))
      }
      try Self.insertSnapshot(
        connection, version: 0, sequence: 0, engine: engine, state: state.bytes)
    }
  }

  /// Opens the run in `folder` to go on with it.
  ///
  /// - Throws: `missing` if there is none, `inUse` if another coordinator has it open.
  public static func open(folder: String) throws(RunError) -> RunStore {
    try requireFile(in: folder)
    let (path, database, files, lock) = try connect(.folder(folder))
    let record: RunRecord?
    do {
      try RunSchema.migrator.migrate(database)
      record = try database.read(RunRecord.fetch)
    } catch {
      throw RunError(error, path: path)
    }
    guard let record else { throw .missing(path: path) }
    let store = RunStore(record, path: path, database: database, files: files, lock: lock)
    try store.removeUnknownFiles()
    return store
  }

  /// Opens the run in `folder` to look at it, even while a coordinator has it open.
  ///
  /// Methods that write throw `inaccessible`.
  public static func openReadOnly(folder: String) throws(RunError) -> RunStore {
    try requireFile(in: folder)
    do {
      var configuration = Configuration()
      configuration.readonly = true
      configuration.busyMode = .timeout(5)
      let database = try DatabaseQueue(path: folder + "/run.sqlite", configuration: configuration)
      try checkFormat(database, path: folder)
      guard let record = try database.read(RunRecord.fetch) else {
        throw RunError.missing(path: folder)
      }
      return RunStore(
        record, path: folder, database: database, files: PayloadFolder(existingRun: folder),
        lock: nil)
    } catch {
      throw RunError(error, path: folder)
    }
  }
}

// MARK: - Connections

extension RunStore {
  private static func requireFile(in folder: String) throws(RunError) {
    guard FileManager.default.fileExists(atPath: folder + "/run.sqlite") else {
      throw .missing(path: folder)
    }
  }

  private static func connect(
    _ location: Location
  ) throws(RunError) -> (
    path: String, database: any DatabaseWriter, files: PayloadFolder?, lock: FolderLock?
  ) {
    switch location {
    case .memory:
      do {
        return ("memory", try DatabaseQueue(), nil, nil)
      } catch {
        throw RunError(error, path: "memory")
      }
    case .folder(let folder):
      let lock = try FolderLock(folder: folder)
      let files = try storing { () throws(FileError) in try PayloadFolder(run: folder) }
      do {
        return (folder, try durablePool(folder), files, lock)
      } catch {
        throw RunError(error, path: folder)
      }
    }
  }

  private static func durablePool(_ folder: String) throws -> DatabasePool {
    var configuration = Configuration()
    // Whoever else is there only reads, and may hold up a checkpoint for a moment.
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { connection in
      // What is written is hardly ever read again: the memory must not grow with the run.
      try connection.execute(sql: "PRAGMA cache_size = -256")
    }
    let pool = try DatabasePool(path: folder + "/run.sqlite", configuration: configuration)
    try pool.writeWithoutTransaction { connection in
      // GRDB sets NORMAL, which loses the last commits with the power.
      try connection.execute(sql: "PRAGMA synchronous = FULL")
      try connection.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
    }
    try checkFormat(pool, path: folder)
    return pool
  }

  private static func checkFormat(_ database: any DatabaseReader, path: String) throws {
    try database.read { connection in
      // GRDB has tables of its own, and makes them before ours.
      let tables =
        try Int.fetchOne(
          connection, sql: "SELECT count(*) FROM sqlite_master WHERE tbl_name NOT LIKE 'grdb%'")
        ?? 0
      let application = try Int.fetchOne(connection, sql: "PRAGMA application_id")
      guard tables == 0 || application == RunSchema.applicationID else {
        throw RunError.damaged(path: path, reason: "run.sqlite is not a run's store")
      }
      guard try !RunSchema.migrator.hasBeenSuperseded(connection) else {
        throw RunError.newerFormat(path: path)
      }
    }
  }
}

// MARK: - Transactions

extension RunStore {
  /// How long transactions and the syncing of files have taken since this was asked last.
  public func takeWritingTime() -> Duration {
    writingTime.withLock { time in
      defer { time = .zero }
      return time
    }
  }

  /// Notes how long `body` takes.
  func timingWrites<Value>(
    _ body: () throws(RunError) -> Value
  ) throws(RunError) -> Value {
    let begin = ContinuousClock.now
    defer {
      let spent = ContinuousClock.now - begin
      writingTime.withLock { $0 += spent }
    }
    return try body()
  }

  func write<Value>(_ body: (Database) throws -> Value) throws(RunError) -> Value {
    try timingWrites { () throws(RunError) in try writeUntimed(body) }
  }

  private func writeUntimed<Value>(
    _ body: (Database) throws -> Value
  ) throws(RunError) -> Value {
    do {
      return try database.write(body)
    } catch {
      throw RunError(error, path: path)
    }
  }

  func read<Value>(_ body: (Database) throws -> Value) throws(RunError) -> Value {
    do {
      return try database.read(body)
    } catch {
      throw RunError(error, path: path)
    }
  }
}
