// SPDX-License-Identifier: Apache-2.0
import Federation
import FoundationEssentials
import FuzzedDecoders
import Testing

/// Every input that ever mattered, through its decoder: none may stop the program.
@Suite struct CorpusTests {
  private static let corpora = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpora")

  private func inputs(of decoder: Decoder) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      atPath: Self.corpora.appending(path: decoder.rawValue).path
    ).sorted().map { Self.corpora.appending(path: "\(decoder.rawValue)/\($0)") }
  }

  @Test(arguments: Decoder.allCases) func everyInputIsReadOrRefused(decoder: Decoder) throws {
    let inputs = try inputs(of: decoder)
    #expect(!inputs.isEmpty)
    for input in inputs { decoder.decode([UInt8](try Data(contentsOf: input))) }
  }

  @Test(arguments: Decoder.allCases) func everyBeginningOfASmallInputIsReadOrRefused(
    decoder: Decoder
  ) throws {
    for input in try inputs(of: decoder) {
      let bytes = [UInt8](try Data(contentsOf: input))
      for count in stride(from: 0, to: min(bytes.count, 512), by: 7) {
        decoder.decode(Array(bytes.prefix(count)))
      }
    }
  }

  /// What begins with a plan that nobody reads finds nothing.
  @Test(arguments: ["canonical", "zeroth-order", "pool"])
  func plansAreWhatTheyAreToday(name: String) throws {
    let bytes = [UInt8](try Data(contentsOf: Self.corpora.appending(path: "plan/\(name)")))
    #expect(try RunPlan(canonicalBytes: bytes).canonicalBytes() == bytes)
  }

  @Test func everyCorpusBelongsToADecoder() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.corpora.path)
    #expect(Set(names) == Set(Decoder.allCases.map(\.rawValue)))
  }
}
