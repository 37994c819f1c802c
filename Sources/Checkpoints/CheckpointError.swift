// SPDX-License-Identifier: Apache-2.0

/// What can be wrong with a file of weights, or with the folder around it.
public enum CheckpointError: Error, Equatable, Sendable {
  /// A file or folder cannot be opened or read; `reason` is the system's.
  case unreadable(path: String, reason: String)
  /// A file or folder cannot be written; `reason` is the system's.
  case unwritable(path: String, reason: String)
  /// Something that must be there is not: a file, a key, a tensor.
  case missing(path: String, what: String)
  /// The file ends before something that it promises.
  case truncated(path: String, what: String, needed: Int, available: Int)
  /// The file contradicts its format.
  case malformed(path: String, what: String)
  /// The file is sound, but asks for what Tern cannot do.
  case unsupported(path: String, what: String, supported: String)
  /// A tensor has another shape than the configuration asks for.
  case wrongShape(tensor: String, expected: [Int], found: [Int])
  /// A tensor's stored values are of a type that is not read as floats.
  case notFloats(tensor: String, type: String)
  /// A weight is infinite or not a number.
  case notFinite(tensor: String, index: Int)
}

extension CheckpointError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "cannot read \(path): \(reason)"
    case .unwritable(let path, let reason):
      "cannot write \(path): \(reason)"
    case .missing(let path, let what):
      "\(path) has no \(what)"
    case .truncated(let path, let what, let needed, let available):
      "\(path) ends too early: \(what) needs \(needed) bytes, \(available) are left; "
        + "fetch the file again"
    case .malformed(let path, let what):
      "\(path) is malformed: \(what)"
    case .unsupported(let path, let what, let supported):
      "\(path) asks for \(what), which is not supported; supported: \(supported)"
    case .wrongShape(let tensor, let expected, let found):
      "tensor \(tensor) has shape \(found), the configuration asks for \(expected)"
    case .notFloats(let tensor, let type):
      "tensor \(tensor) has type \(type), which is not read as floats; "
        + "convert it to F32, F16 or BF16"
    case .notFinite(let tensor, let index):
      "tensor \(tensor) is infinite or not a number at element \(index); "
        + "the checkpoint is damaged"
    }
  }
}
