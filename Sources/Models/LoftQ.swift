// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Randomness
internal import Tensors

/// An adapter that begins with what its model's weights lost in fewer bits: of each adapted layer,
/// scale B A is about the product of such a rank nearest to that.
///
/// Y. Li et al., "LoftQ: LoRA-Fine-Tuning-Aware Quantization for Large Language Models", 2023: one turn
/// of algorithm 1, as is PEFT's default. More turns would quantise other weights than the checkpoint's,
/// and the adapter would fit no base that another program could make.
///
/// A pure function of its arguments, to the bit, on every machine: nobody needs to be sent it.
public struct LoftQ: Sendable {
  /// A, [rank, inputs], and B, [outputs, rank].
  struct Factors: Hashable, Sendable {
    var a: [Float]
    var b: [Float]
  }

  private let factors: [String: Factors]

  /// What adapters of `lora` begin with on the model in `checkpoint`, if the weights of its linear layers
  /// are `quantization`.
  ///
  /// - Precondition: the targets are layers of the model.
  /// - Complexity: some few products of each of their weights with `lora.rank` vectors and a few more.
  /// - Throws: if a tensor is missing or has a value that is not finite.
  public init(
    of checkpoint: Checkpoint, _ lora: LoRAConfiguration, _ quantization: Quantization
  ) throws(CheckpointError) {
    var factors: [String: Factors] = [:]
    for module in lora.modules(of: checkpoint.configuration) {
      let lost = try checkpoint.quantizationError(of: "\(module.name).weight", in: quantization)
      factors[module.name] = Factors(
        of: lost, isTransposed: checkpoint.configuration.architecture.storesInputsFirst, module,
        seed: lora.seed)
    }
    self.factors = factors
  }

  /// What the adapter of a module begins with.
  subscript(module: AdapterModule) -> Factors {
    guard let factors = factors[module.name] else { preconditionFailure("nothing of \(module)") }
    return factors
  }
}

extension LoftQ.Factors {
  /// The factors for `lost`, which has a row for each input if it is transposed, else for each output.
  ///
  /// What is left of the rank where less was lost begins as ever: that row of A from the seed, that
  /// column of B zero.
  fileprivate init(of lost: [Float], isTransposed: Bool, _ module: AdapterModule, seed: UInt64) {
    let svd = TruncatedSVD(
      of: lost, rows: isTransposed ? module.inputWidth : module.outputWidth, rank: module.rank,
      stream: RandomStream(Seed(seed).derived("loftq")))
    a = module.initialA(seed: seed)
    b = [Float](repeating: 0, count: module.outputWidth * module.rank)
    let (outputs, inputs) = isTransposed ? (svd.right, svd.left) : (svd.left, svd.right)
    let negligible = 1e-6 * (svd.values.first ?? 0)
    for (index, value) in svd.values.enumerated() where value > negligible {
      let root = value.squareRoot()
      for (input, element) in inputs[index].enumerated() {
        a[index * module.inputWidth + input] = Float(root * element)
      }
      for (output, element) in outputs[index].enumerated() {
        b[output * module.rank + index] = Float(root * element / Double(module.scale))
      }
    }
  }
}
