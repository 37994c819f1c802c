// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials
internal import Glibc

/// Measures what Tern promises about speed and size: `tern-performance COMMAND [--format json]`.
@main
struct Performance {
  /// The benchmarks, by the word that asks for them.
  static let benchmarks: [(name: String, run: @Sendable () throws -> [Measurement])] = [
    ("codec", CodecBenchmark.run), ("directions", DirectionBenchmark.run),
  ]

  static func main() throws {
    var arguments = CommandLine.arguments.dropFirst()
    let name = arguments.popFirst()
    let benchmark = benchmarks.first { $0.name == name }
    guard let benchmark, arguments.isEmpty || Array(arguments) == ["--format", "json"] else {
      let names = benchmarks.map(\.name).joined(separator: "|")
      print("usage: tern-performance \(names) [--format json]")
      exit(64)
    }
    let measurements = try benchmark.run()
    if arguments.isEmpty {
      printTable(measurements)
    } else {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(measurements), as: UTF8.self))
    }
    exit(measurements.allSatisfy { $0.isMet != false } ? 0 : 1)
  }

  private static func printTable(_ measurements: [Measurement]) {
    let width = measurements.map(\.name.count).max() ?? 0
    for measurement in measurements {
      let name = measurement.name + String(repeating: " ", count: width - measurement.name.count)
      print("\(name)  \(measurement.text)")
    }
  }
}
