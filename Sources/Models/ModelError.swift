// SPDX-License-Identifier: Apache-2.0

/// Why an adapter does not fit a model, or a computation not into memory.
public enum ModelError: Error, Equatable, Sendable {
  /// The adapter changes a layer that the model does not have, or that Tern does not adapt.
  case unknownModule(String)
  /// An adapter to be learned is to change what is no linear layer of the model's blocks.
  case unknownTarget(String, family: String, known: [String])
  /// An adapter to be learned is of a form that the family's layers cannot have.
  case unsupportedForm(String, family: String)
  /// An adapter to be learned is to change more weights of a layer than there are.
  case tooManyWeights(module: String, wanted: Int, count: Int)
  /// The adapter has two entries for one layer.
  case repeatedModule(String)
  /// The adapter's factors do not fit the layer; shapes are outputs, inputs.
  case wrongShape(module: String, expected: [Int], found: [Int])
  /// The adapter changes one weight twice.
  case repeatedPlace(module: String, row: Int, column: Int)
  /// A factor of the adapter, or its scale, is infinite or not a number.
  case notFinite(module: String)
  /// Even with every block computed twice, more memory is needed than may be used; in bytes.
  case memory(budget: Int, least: Int)
}

extension ModelError: CustomStringConvertible {
  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unknownModule(let name):
      "the adapter changes '\(name)', which this model does not have or which cannot be adapted; "
        + "adaptable are the linear layers of its blocks"
    case .unknownTarget(let name, let family, let known):
      "the targets name '\(name)', which is no layer of its own in a model of the family \(family); "
        + "its layers are \(known.joined(separator: ", "))"
    case .unsupportedForm(let form, let family):
      "adapters of form '\(form)' are not for models of the family \(family), whose matrices PEFT's "
        + "SHiRA cannot change; use form lora or scales"
    case .tooManyWeights(let module, let wanted, let count):
      "the adapter is to change \(wanted) weights of each '\(module)', which has \(count); "
        + "choose a smaller rank"
    case .repeatedModule(let name):
      "the adapter changes '\(name)' twice; keep one of the entries"
    case .wrongShape(let module, let expected, let found):
      "the adapter is made for a '\(module)' of shape \(found), this model's has \(expected); "
        + "use the model that it was trained on"
    case .repeatedPlace(let module, let row, let column):
      "the adapter changes the weight of '\(module)' in row \(row) and column \(column) twice; "
        + "it is damaged"
    case .notFinite(let module):
      "the adapter of '\(module)' is infinite or not a number; it is damaged"
    case .memory(let budget, let least):
      "a memory of \(budget / megabyte) MB is too small, \(least / megabyte + 1) MB is the least; "
        + "allow more, or use smaller batches or a model in fewer bits"
    }
  }
}

private let megabyte = 1_000_000
