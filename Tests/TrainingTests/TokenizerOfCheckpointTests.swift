// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import FoundationEssentials
import Models
import Testing
import Tokenization

@testable import Training

struct TokenizerOfCheckpointTests {
  @Test func theFoldersTokenizerIsTaken() throws {
    let tiny = try TinyModel()
    let json = try Data(contentsOf: URL(filePath: "\(tiny.folder)/tokenizer.json"))
    let direct = try Tokenizer(json: Array(json))
    let text = "To be, or not to be:\n that is 12 é"
    #expect(tiny.tokenizer.ids(of: text) == direct.ids(of: text))
    #expect(tiny.tokenizer.vocabularySize == tiny.base.configuration.vocabularySize)
  }

  @Test func whatTheConfigurationAddsIsAdded() throws {
    try withCopy { folder in
      let path = "\(folder)/tokenizer_config.json"
      let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
      let changed = text.replacing(
        #""bos_token":"#, with: #""add_bos_token": true, "bos_token":"#)
      try Data(changed.utf8).write(to: URL(filePath: path))
      let tokenizer = try Tokenizer(checkpoint: Checkpoint(path: folder))
      let plain = try TinyModel().tokenizer
      #expect(tokenizer.ids(of: "to be") == [1] + plain.ids(of: "to be"))

      try FileManager.default.removeItem(atPath: path)
      let without = try Tokenizer(checkpoint: Checkpoint(path: folder))
      #expect(without.ids(of: "to be") == plain.ids(of: "to be"))
    }
  }

  @Test func theTokenThatBeginsATextIsWhatTheFileSays() throws {
    let plain = try TinyModel("gpt2").tokenizer.ids(of: "to be")
    #expect(try TinyModel("opt").tokenizer.ids(of: "to be") == [2] + plain)
    #expect(try TinyModel("opt").tokenizer.text(of: [2]) == "</s>")
  }

  @Test func aMissingOrDamagedTokenizerIsRefused() throws {
    try withCopy { folder in
      let path = "\(folder)/tokenizer.json"
      try Data("{".utf8).write(to: URL(filePath: path))
      #expect(throws: TokenizationError.self) {
        try Tokenizer(checkpoint: Checkpoint(path: folder))
      }
      try FileManager.default.removeItem(atPath: path)
      #expect(throws: CheckpointError.self) {
        try Tokenizer(checkpoint: Checkpoint(path: folder))
      }
    }
  }

  /// Gives `body` a copy of a tiny model's folder that it may change.
  private func withCopy(_ body: (String) throws -> Void) throws {
    let copy = FileManager.default.temporaryDirectory.path + "/" + UUID().uuidString
    try FileManager.default.copyItem(atPath: TinyModel().folder, toPath: copy)
    defer { try? FileManager.default.removeItem(atPath: copy) }
    try body(copy)
  }
}
