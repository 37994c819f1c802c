// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import Checkpoints
internal import Foundation
public import Logging
public import Models
public import Network
public import RunFiles
public import Training

extension ByteSize: ExpressibleByArgument {
  /// For the parser.
  public init?(argument: String) { self.init(argument) }
}

extension ComputeMode: ExpressibleByArgument {}

extension Quantization: ExpressibleByArgument {}

extension TrainingMethod: ExpressibleByArgument {}

/// The run file and what is changed in it.
public struct RunFileOptions: ParsableArguments {
  /// The run file.
  @Argument(help: "The run file (YAML).", completion: .file(extensions: ["yaml", "yml"]))
  public var runFile: String

  /// Changes to it.
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp("Change one key of the run file; may be repeated.", valueName: "a.b=c"))
  public var overrides: [String] = []

  /// For the parser.
  public init() {}

  /// The file with the changes in it.
  public func load() throws -> RunFile { try RunFile(path: runFile, overrides: overrides) }
}

/// What decrypts the authority's key.
public struct PassphraseOptions: ParsableArguments {
  /// A file with it.
  @Option(
    help: ArgumentHelp(
      "A file whose first line is the passphrase of the authority's key; without it the variable "
        + "TERN_PASSPHRASE counts.", valueName: "file"),
    completion: .file())
  public var passphraseFile: String?

  /// For the parser.
  public init() {}

  /// The passphrase; nil when none is given.
  public func passphrase() throws -> Passphrase? {
    if let passphraseFile { return try Passphrase(path: passphraseFile) }
    guard let text = ProcessInfo.processInfo.environment["TERN_PASSPHRASE"] else { return nil }
    guard let passphrase = Passphrase(text) else {
      throw InputError("TERN_PASSPHRASE is empty or longer than 1024 bytes; set or unset it")
    }
    return passphrase
  }
}

/// How much a program says on the standard error.
public struct LogOptions: ParsableArguments {
  /// The least level that is shown.
  @Option(help: "What to log: trace, debug, info, notice, warning, error, critical.")
  public var logLevel: Logger.Level = .notice

  /// For the parser.
  public init() {}

  /// A logger of that level.
  public func logger(_ label: String) -> Logger {
    var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = logLevel
    return logger
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// A time on the command line, as run files write them: `500ms`, `90s`, `10m` or `2h`.
public struct Interval: ExpressibleByArgument, Sendable {
  /// How long it is.
  public let duration: Duration
  /// As it was written.
  public let defaultValueDescription: String

  /// The time that `argument` says; nil when it says none.
  public init?(argument: String) {
    guard let duration = Duration(text: argument) else { return nil }
    self.duration = duration
    defaultValueDescription = argument
  }

  private init(_ duration: Duration, _ description: String) {
    self.duration = duration
    defaultValueDescription = description
  }

  /// Long enough to repair a machine and start it again.
  public static let hour = Interval(.seconds(3600), "1h")
}

/// The number of processors that may be used.
public var processorCount: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
