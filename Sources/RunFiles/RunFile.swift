// SPDX-License-Identifier: Apache-2.0
public import Federation
internal import FoundationEssentials
public import Training
internal import Yams

/// A run as its file describes it: the plan that everybody shares, and what this site adds.
///
/// Paths in the file are relative to the file's folder.
public struct RunFile: Sendable {
  /// What everybody in the run must agree on.
  public let plan: RunPlan
  /// The checkpoint: a folder or a GGUF file.
  public let model: String
  /// What versions are measured on, if anything.
  public let validation: Validation?
  /// Where and how the coordinator works.
  public let coordinator: CoordinatorSite
  /// The workers that `simulate` plays and `demo` starts.
  public let workers: [WorkerSite]
  /// How many threads compute.
  public let threadCount: Int?

  /// Data that versions are measured on.
  public struct Validation: Hashable, Sendable {
    /// A file of JSON lines.
    public let data: String
    /// After how many commits to measure again; 0 for the first and the last version only.
    public let every: Int
  }

  /// Where and how the coordinator works.
  public struct CoordinatorSite: Hashable, Sendable {
    /// The port when the run file names none.
    public static let defaultPort = 7070

    /// The address that it listens on.
    public let host: String
    /// The port; 0 lets the system choose.
    public let port: Int
    /// The folder with its certificate.
    public let certificates: String
    /// The folder of run folders.
    public let runs: String
    /// How often both sides send a heartbeat.
    public let heartbeat: Duration
  }

  /// A worker of this site.
  public struct WorkerSite: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// Its data: a file of JSON lines.
    public let data: String
    /// How it learns in a mixed run; nil where its memory decides.
    public let method: TrainingMethod?
  }

  /// Reads the file at `path`, with `overrides` of the form `a.b=c` put into it.
  ///
  /// - Throws: `RunFileError`, in one line.
  public init(path: String, overrides: [String] = []) throws(RunFileError) {
    guard let bytes = try? Data(contentsOf: URL(filePath: path)),
      let text = String(validating: bytes, as: UTF8.self)
    else { throw .unreadable(path: path, reason: "no such file, or not UTF-8") }
    let folder = URL(filePath: path).deletingLastPathComponent().path
    try self.init(yaml: text, path: path, folder: folder, overrides: overrides)
  }

  /// Reads the text of a file, which is named `path` in errors and whose paths begin in `folder`.
  ///
  /// - Throws: `RunFileError`, in one line.
  public init(
    yaml: String, path: String, folder: String, overrides: [String] = []
  ) throws(RunFileError) {
    var root: Node
    do {
      root = try compose(yaml: yaml) ?? Node.mapping(Node.Mapping([]))
    } catch {
      throw .notYAML(path: path, reason: oneLine("\(error)"))
    }
    for text in overrides { root = try override(root, with: text) }
    let file = try Section(
      root, path: "",
      known: [
        "run", "seed", "model", "adapter", "data", "training", "updates", "rounds", "validation",
        "coordinator", "workers", "threads", "compute", "quantize", "memory",
      ])
    plan = try file.plan()
    model = resolve(
      try file.required("model", "the checkpoint, a folder or a GGUF file"), in: folder)
    validation = try file.validation(in: folder)
    coordinator = try file.coordinatorSite(in: folder)
    workers = try file.workerSites(in: folder, for: plan.training)
    threadCount =
      file.has("threads") ? try file.integer("threads", 1, in: 1...1024) : nil
  }
}

/// `path` as seen from `folder`.
func resolve(_ path: String, in folder: String) -> String {
  path.hasPrefix("/") ? path : URL(filePath: folder).appending(path: path).path
}

private func oneLine(_ text: String) -> String {
  text.split(whereSeparator: \.isNewline).joined(separator: " ")
}
