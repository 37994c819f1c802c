// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

extension AdaptedModel {
  /// The adapter as PEFT keeps it, A and B of each adapted layer.
  ///
  /// - Precondition: the adapter has this layout.
  public func exported(_ adapter: ParameterVector) -> PEFTAdapter {
    precondition(adapter.layout == layout, "an adapter of another layout than the model's")
    return PEFTAdapter(
      modules: modules.map { placed in
        let module = placed.module
        let bCount = module.outputWidth * module.rank
        let a = blocks[module.layer].a(of: placed, adapter.values).elements
        return PEFTAdapter.Module(
          name: module.name, rank: module.rank, scale: module.scale, a: a,
          b: Array(adapter.values[placed.bOffset..<(placed.bOffset + bCount)]),
          inputWidth: module.inputWidth, outputWidth: module.outputWidth)
      }, fanInFanOut: base.configuration.architecture.storesInputsFirst)
  }
}

extension PEFTAdapter {
  /// The adapter's modules as layers of a model, in canonical order.
  ///
  /// - Throws: if one is unknown, there twice, of another shape, or not finite.
  func matched(
    to configuration: ModelConfiguration
  ) throws(ModelError) -> [(module: AdapterModule, factors: PEFTAdapter.Module)] {
    var byName: [String: PEFTAdapter.Module] = [:]
    for module in modules {
      if byName.updateValue(module, forKey: module.name) != nil {
        throw .repeatedModule(module.name)
      }
    }
    var matched: [(module: AdapterModule, factors: PEFTAdapter.Module)] = []
    for layer in 0..<configuration.layerCount {
      for linear in configuration.linearLayers {
        let name = "\(configuration.block(layer)).\(linear.path)"
        guard let factors = byName.removeValue(forKey: name) else { continue }
        let module = AdapterModule(
          layer: layer, linear, rank: factors.rank, scale: factors.scale, in: configuration)
        try module.check(factors)
        matched.append((module, factors))
      }
    }
    if let unknown = byName.keys.min() { throw .unknownModule(unknown) }
    return matched
  }
}

extension AdapterModule {
  /// Checks that PEFT's factors are made for this layer.
  fileprivate func check(_ factors: PEFTAdapter.Module) throws(ModelError) {
    let (expected, found) = (
      [outputWidth, inputWidth], [factors.outputWidth, factors.inputWidth]
    )
    guard expected == found, factors.rank > 0 else {
      throw .wrongShape(module: name, expected: expected, found: found)
    }
    guard
      factors.scale.isFinite, Kernels.areFinite(factors.a), Kernels.areFinite(factors.b)
    else {
      throw .notFinite(module: name)
    }
  }
}
