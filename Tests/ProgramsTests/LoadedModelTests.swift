// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Models
import Tensors
import Testing

@testable import Programs

/// What is made from a base once for a process.
@Suite struct LoadedModelTests {
  private let model: LoadedModel

  init() throws {
    let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
    model = try LoadedModel(path: folder + "/Fixtures/models/llama-gqa-tied")
  }

  @Test func basesAreMadeOnce() throws {
    let packed = try model.base(quantized: nil, computing: .bfloat16(.plain))
    #expect(try model.base(quantized: nil, computing: .bfloat16(.plain)) === packed)
    #expect(try model.base(quantized: nil, computing: .float32) !== packed)
    let small = try model.base(quantized: .nf4, computing: .bfloat16(.plain))
    #expect(small !== packed && small.arithmetic == packed.arithmetic)
  }

  /// Whose operands are packed in bfloat16 has no use for weights in bfloat16 beside them.
  @Test func packedWeightsAreNotHalvedBefore() throws {
    let packed = try model.base(quantized: nil, computing: .bfloat16(.plain))
    #expect(try model.base(quantized: .bf16, computing: .bfloat16(.plain)) === packed)
    let halved = try model.base(quantized: .bf16, computing: .bfloat16(nil))
    #expect(try model.base(quantized: nil, computing: .bfloat16(nil)) !== halved)
  }
}
