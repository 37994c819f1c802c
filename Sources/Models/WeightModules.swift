// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Tensors

/// The layers whose weights an adapter changes, and where.
///
/// A pure function of the checkpoint and the configuration: nobody needs to be sent it.
public struct WeightModules: Sendable {
  let modules: [WeightModule]
  let layout: ParameterLayout

  /// The layers of `configuration` in the model of `checkpoint`.
  ///
  /// - Precondition: the configuration was checked against the model's.
  /// - Complexity: for a sparse adapter, reading all its targets' weights three times.
  /// - Throws: if a tensor is missing or has a value that is not finite.
  public init(
    of checkpoint: Checkpoint, _ configuration: WeightAdapterConfiguration
  ) throws(CheckpointError) {
    let model = checkpoint.configuration
    layout = configuration.layout(for: model)
    var modules: [WeightModule] = []
    for (place, entry) in zip(configuration.layers(of: model), layout.entries) {
      let name = "\(model.block(place.layer)).\(place.linear.path)"
      let form: WeightModule.Form =
        switch configuration.form {
        case .sparse:
          .sparse(
            SparsePlaces(
              ofSmallest: entry.count, in: try checkpoint.matrix("\(name).weight")))
        case .scales(let length): .scales(blockLength: length)
        }
      modules.append(
        WeightModule(
          layer: place.layer, linear: place.linear, name: name, form: form, range: entry.range))
    }
    self.modules = modules
  }

  /// Layers with a layout of their own.
  ///
  /// - Precondition: there is a tensor for each module, in order.
  init(_ modules: [WeightModule], layout: ParameterLayout) {
    precondition(modules.map(\.range) == layout.entries.map(\.range), "modules of another layout")
    self.modules = modules
    self.layout = layout
  }
}

/// One layer whose weights are changed.
struct WeightModule: Sendable {
  /// What is changed of the matrix as it is stored.
  enum Form: Hashable, Sendable {
    /// Values are added at some places.
    case sparse(SparsePlaces)
    /// Blocks of each row are multiplied by 1 and an excess.
    case scales(blockLength: Int)
  }

  /// The block's number.
  let layer: Int
  let linear: LinearLayer
  /// The linear layer's path in the model, as PEFT names it.
  let name: String
  let form: Form
  /// Where the values lie in the adapter.
  let range: Range<Int>
}
