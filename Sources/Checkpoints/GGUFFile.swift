// SPDX-License-Identifier: Apache-2.0

/// A GGUF file.
struct GGUFFile {
  /// Opens the file at `path`.
  init(path: String) throws(CheckpointError) {
    throw .unsupported(path: path, what: "a single file", supported: "Hugging Face folders")
  }
}

/// The model in a GGUF file.
struct GGUFModel {
  let configuration: ModelConfiguration
  let tensors: [String: StoredTensor]

  init(_ file: GGUFFile) throws(CheckpointError) {
    throw .unsupported(path: "", what: "a single file", supported: "Hugging Face folders")
  }
}

extension GGUFVocabulary {
  init(_ file: GGUFFile) throws(CheckpointError) {
    throw .unsupported(path: "", what: "a single file", supported: "Hugging Face folders")
  }
}
