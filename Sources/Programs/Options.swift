// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
internal import Foundation
public import Logging
public import RunFiles

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

/// The number of processors that may be used.
public var processorCount: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
