// SPDX-License-Identifier: Apache-2.0

/// What reads bytes that somebody else wrote: from a socket, from a file, from a store.
///
/// Each case has a folder of inputs of its name in `Corpora`.
public enum Decoder: String, CaseIterable, Sendable {
  /// What a coordinator reads: messages of a worker.
  case workerMessages = "worker-messages"
  /// What a worker reads: messages of a coordinator.
  case coordinatorMessages = "coordinator-messages"
  /// Payloads of updates, of every codec, and what `tern inspect` says of them.
  case updates
  /// Safetensors files.
  case safetensors
  /// GGUF files, with the model and the tokenizer in them.
  case gguf
  /// `config.json` and `model.safetensors`.
  case checkpoint
  /// `adapter_config.json` and `adapter_model.safetensors`.
  case adapter
  /// `tokenizer.json` and `tokenizer_config.json`.
  case tokenizer
  /// Files of JSON lines.
  case data
  /// Run files in YAML.
  case runFile = "run-file"
  /// The plan that a coordinator sends, in JSON.
  case plan
  /// What a worker keeps between two rounds.
  case memory
  /// Certificates and keys in PEM files.
  case certificates

  /// Lets the decoder read `bytes`, whatever they are; returning is all that is asked of it.
  ///
  /// What it accepts is used as the programs use it, and checked for agreement with itself.
  public func decode(_ bytes: [UInt8]) {
    switch self {
    case .workerMessages: decodeWorkerMessages(bytes)
    case .coordinatorMessages: decodeCoordinatorMessages(bytes)
    case .updates: decodeUpdates(bytes)
    case .safetensors: decodeSafetensors(bytes)
    case .gguf: decodeGGUF(bytes)
    case .checkpoint: decodeCheckpoint(bytes)
    case .adapter: decodeAdapter(bytes)
    case .tokenizer: decodeTokenizer(bytes)
    case .data: decodeData(bytes)
    case .runFile: decodeRunFile(bytes)
    case .plan: decodePlan(bytes)
    case .memory: decodeMemory(bytes)
    case .certificates: decodeCertificates(bytes)
    }
  }
}
