// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

/// An adapter to be learned of the weights themselves, on some projections of each block: it adds no
/// products, but changes what is multiplied.
///
/// Its gradient is not computed: it is learned by losses alone.
public struct WeightAdapterConfiguration: Hashable, Sendable {
  /// What of a matrix is learned.
  public enum Form: Hashable, Sendable {
    /// Values that are added to `rank` (inputs + outputs) of its weights, as many as a low-rank adapter
    /// of that rank has: to those that are smallest by magnitude in the checkpoint, whatever becomes of
    /// them, and of equal ones to the first.
    ///
    /// The mask is that of Y. Liu et al., "Sparse MeZO: Less Parameters for Better Performance in
    /// Zeroth-Order LLM Fine-Tuning", 2024, but does not move. PEFT calls such adapters SHiRA.
    case sparse(rank: Int)
    /// By how much more than 1 the weights are multiplied, for each `blockLength` that are stored side
    /// by side; the last block of a row may be shorter.
    ///
    /// S. Shang et al., "Fine-tuning Quantized Neural Networks with Zeroth-order Optimization" (QZO),
    /// 2025: where so many weights have a scale of their own in the file, these are the scales.
    case scales(blockLength: Int)
  }

  /// The block lengths that a run can have.
  public static let blockLengths = 1...65_536

  /// What of a matrix is learned.
  public let form: Form
  /// The adapted projections, each once, in canonical order; all of them are all that a model has.
  public let targets: [Projection]

  /// A configuration; `targets` are put into canonical order.
  ///
  /// - Precondition: the rank or the block's length is one that a run can have, and there is a target.
  public init(_ form: Form, targets: [Projection] = Projection.allCases) {
    precondition(form.isUsable && !targets.isEmpty, "\(form) of \(targets.count) projections")
    self.form = form
    self.targets = Projection.allCases.filter(targets.contains)
  }
}

extension WeightAdapterConfiguration.Form {
  fileprivate var isUsable: Bool {
    switch self {
    case .sparse(let rank): LoRAConfiguration.ranks.contains(rank)
    case .scales(let length): WeightAdapterConfiguration.blockLengths.contains(length)
    }
  }
}

extension WeightAdapterConfiguration {
  /// The adapted layers of a model: by block, then in canonical order.
  func layers(of configuration: ModelConfiguration) -> [(layer: Int, linear: LinearLayer)] {
    let linears = configuration.linearLayers(of: targets)
    return (0..<configuration.layerCount).flatMap { layer in linears.map { (layer, $0) } }
  }

  /// Refuses targets that a model does not have, or not as layers of their own, and values that its
  /// matrices have no place for.
  public func check(_ configuration: ModelConfiguration) throws(ModelError) {
    try configuration.check(targets: targets)
    guard case .sparse(let rank) = form else { return }
    guard !configuration.architecture.storesInputsFirst else {
      throw .unsupportedForm("sparse", family: configuration.family.rawValue)
    }
    for linear in configuration.linearLayers(of: targets) {
      let (wanted, count) = (
        rank * (linear.inputWidth + linear.outputWidth), linear.inputWidth * linear.outputWidth
      )
      guard wanted <= count else {
        throw .tooManyWeights(module: linear.path, wanted: wanted, count: count)
      }
    }
  }

  /// Where the learned tensors lie, known without loading any weights.
  ///
  /// - Precondition: the configuration was checked against the model's.
  public func layout(for configuration: ModelConfiguration) -> ParameterLayout {
    ParameterLayout(
      layers(of: configuration).map { layer, linear in
        let name = "base_model.model.\(configuration.block(layer)).\(linear.path)"
        switch form {
        case .sparse(let rank):
          return ("\(name).shira_weight", [rank * (linear.inputWidth + linear.outputWidth)])
        case .scales(let length):
          let shape = configuration.storedShape(of: linear)
          return ("\(name).scales", [shape.rows, (shape.columns + length - 1) / length])
        }
      })
  }
}

extension WeightAdapterConfiguration: Codable {
  private enum CodingKeys: String, CodingKey { case form, rank, blockLength, targets }

  /// Decodes a configuration, which may come from a stranger.
  ///
  /// - Throws: also for another form, a size that no run can have, and no targets.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let name = try values.decode(String.self, forKey: .form)
    let form: Form? =
      switch name {
      case "sparse": .sparse(rank: try values.decode(Int.self, forKey: .rank))
      case "scales": .scales(blockLength: try values.decode(Int.self, forKey: .blockLength))
      default: nil
      }
    let targets = try values.decode([Projection].self, forKey: .targets)
    guard let form, form.isUsable, !targets.isEmpty else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath,
          debugDescription: "an adapter of form '\(name)' and such a size, \(targets.count) targets"
        ))
    }
    self.init(form, targets: targets)
  }

  /// Writes the form, its size and the targets.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    switch form {
    case .sparse(let rank):
      try values.encode("sparse", forKey: .form)
      try values.encode(rank, forKey: .rank)
    case .scales(let length):
      try values.encode("scales", forKey: .form)
      try values.encode(length, forKey: .blockLength)
    }
    try values.encode(targets, forKey: .targets)
  }
}
