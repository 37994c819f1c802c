// SPDX-License-Identifier: Apache-2.0

/// A LoRA adapter as PEFT keeps it: a folder of `adapter_config.json` and
/// `adapter_model.safetensors`.
public struct PEFTAdapter: Sendable, Equatable {
  /// The two factors of one adapted linear layer: it computes `W x + scale B (A x)`.
  public struct Module: Sendable, Equatable {
    /// The layer's path in the model, as in `model.layers.0.self_attn.q_proj`.
    public var name: String
    /// The rank: rows of A, columns of B.
    public var rank: Int
    /// What the product is multiplied with: alpha / rank, or alpha / sqrt(rank).
    public var scale: Float
    /// A, [rank, inputWidth], row-major.
    public var a: [Float]
    /// B, [outputWidth, rank], row-major.
    public var b: [Float]
    /// The width of the layer's input.
    public var inputWidth: Int
    /// The width of the layer's output.
    public var outputWidth: Int

    /// One adapted layer.
    ///
    /// - Precondition: A and B have the sizes that rank and widths say.
    public init(
      name: String, rank: Int, scale: Float, a: [Float], b: [Float], inputWidth: Int,
      outputWidth: Int
    ) {
      precondition(
        a.count == rank * inputWidth && b.count == outputWidth * rank,
        "\(name): \(a.count) and \(b.count) values for rank \(rank) of [\(outputWidth), \(inputWidth)]"
      )
      self.name = name
      self.rank = rank
      self.scale = scale
      self.a = a
      self.b = b
      self.inputWidth = inputWidth
      self.outputWidth = outputWidth
    }
  }

  /// The adapted layers, sorted by name when read from a folder.
  public var modules: [Module]
  /// The name or path of the model that it was trained on, if known.
  public var baseModel: String?
  /// Whether that model stores its matrices as [inputs, outputs], as GPT-2 does.
  ///
  /// PEFT then transposes what it adds to them. A and B lie the same way for all models.
  public var fanInFanOut: Bool

  /// An adapter of the given layers.
  public init(modules: [Module], baseModel: String? = nil, fanInFanOut: Bool = false) {
    self.modules = modules
    self.baseModel = baseModel
    self.fanInFanOut = fanInFanOut
  }
}
