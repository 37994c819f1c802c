// SPDX-License-Identifier: Apache-2.0
internal import Federation
internal import Foundation
public import Logging
public import Network
internal import RunFiles

/// The command that a run was begun with, kept in its folder so that it can be served again.
public struct RunOrigin: Codable, Hashable, Sendable {
  /// The run file, as an absolute path.
  public let runFile: String
  /// The changes that were made to it.
  public let overrides: [String]

  /// The origin of a run of `runFile` with `overrides`.
  public init(runFile: String, overrides: [String]) {
    self.runFile = URL(filePath: runFile).standardizedFileURL.path
    self.overrides = overrides
  }

  /// The origin of the run in `folder`.
  public init(folder: String) throws {
    let path = Self.path(in: folder)
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError("there is no run in \(folder): \(path) is missing")
    }
    do {
      self = try decode(RunOrigin.self, from: data)
    } catch {
      throw InputError("\(path) is damaged; start the coordinator with its run file instead")
    }
  }

  /// The checkpoint that the run file names.
  func model() throws -> String { try RunFile(path: runFile, overrides: overrides).model }

  func write(to folder: String) throws {
    try Data(try json(self).utf8).write(to: URL(filePath: Self.path(in: folder)), options: .atomic)
  }

  private static func path(in folder: String) -> String { "\(folder)/origin.json" }
}

/// Serves the run of `origin` to workers over TLS, from its last commit if it has one.
///
/// - Parameter passphrase: that of the authority's key, if it has one.
public func serve(
  _ origin: RunOrigin, passphrase: Passphrase?, log: Logger
) async throws -> CoordinatorProgram.Result {
  raiseDescriptorLimit()
  keepMemoryFlat()
  let file = try RunFile(path: origin.runFile, overrides: origin.overrides)
  let folder = "\(file.coordinator.runs)/\(file.plan.run)"
  let server = try await makeServer(for: file, folder: folder, passphrase: passphrase, log: log)
  let program = try CoordinatorProgram(
    file: file, model: LoadedModel(path: file.model), log: log)
  let pool = ComputePool(threadCount: file.threadCount ?? processorCount)
  return try await program.run(over: server, pool: pool, refusals: server.refusals) {
    try origin.write(to: folder)
    // Whoever starts workers waits for this.
    try Data("\(file.coordinator.host):\(server.port)\n".utf8)
      .write(to: URL(filePath: "\(folder)/endpoint"), options: .atomic)
  }
}
