// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
internal import Checkpoints
internal import Federation
internal import Glibc
internal import Models
internal import Network
internal import Rounds
internal import RunFiles
internal import Runs
internal import Tokenization
internal import Training
internal import Updates

/// How a program ends when it does not end well; documented in the README.
public enum ProgramExit {
  /// The run ended without its last version.
  public static let runFailed = ExitCode(1)
  /// A file, a model, data or a setting was not as it must be.
  public static let badInput = ExitCode(2)
  /// The other side refused this one, or was not who it should be.
  public static let refused = ExitCode(3)
  /// The disk, the network or the system failed.
  public static let system = ExitCode(4)
}

/// Runs `body`; an error becomes one line on the standard error and an exit code.
public func reportingErrors(_ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch let code as ExitCode {
    throw code
  } catch let error as CleanExit {
    throw error
  } catch let error as ValidationError {
    throw error
  } catch is CancellationError {
    throw ExitCode(130)
  } catch {
    printError("error: \(oneLine(error))")
    throw exitCode(of: error)
  }
}

/// Writes a line to the standard error.
public func printError(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

private func oneLine(_ error: any Error) -> String {
  "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
}

private func exitCode(of error: any Error) -> ExitCode {
  switch error {
  case CheckpointError.unwritable: ProgramExit.system
  case is RunFileError, is CheckpointError, is TokenizationError, is TrainingError, is UpdateError,
    is ModelError, is RoundError, is InputError:
    ProgramExit.badInput
  case let error as FederationError:
    switch error {
    case .refused: ProgramExit.refused
    case .runFailed: ProgramExit.runFailed
    case .damagedState: ProgramExit.badInput
    default: ProgramExit.system
    }
  case .differentRun as RunError, .missing as RunError: ProgramExit.badInput
  case let error as NetworkError:
    error.isAboutFiles
      ? ProgramExit.badInput : error.isRefusal ? ProgramExit.refused : ProgramExit.system
  default: ProgramExit.system
  }
}

/// What a program was given and cannot use.
public struct InputError: Error, CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public let description: String

  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}
