// SPDX-License-Identifier: Apache-2.0
internal import Models
public import Tensors
public import Updates

extension ZerothOrderTraining {
  /// The tensors of `layout` that are perturbed and learned, in any step; nil for all.
  public func selection(of layout: ParameterLayout) -> TensorSelection? {
    factors == .both ? nil : TensorSelection(of: layout, where: isMoved)
  }

  /// The tensors of `layout` that each step perturbs and learns.
  ///
  /// Of L layers, the l-th from 0 belongs to block floor(l n / L) of n. With a subspace of r ranks, the
  /// s-th part of its steps moves columns r s to r (s + 1) of each tensor, as far as there are some.
  public func moved(of layout: ParameterLayout) -> MovedTensors {
    let blocks = blocks(of: layout)
    guard let subspace else { return MovedTensors(inTurn: blocks) }
    let rank = ranks(of: layout).min() ?? 0
    let stages = stride(from: 0, to: rank, by: subspace.rank).map { first in
      blocks.map { block in
        TensorSelection(
          isSelected: block?.isSelected ?? layout.entries.map { _ in true },
          columns: first..<min(rank, first + subspace.rank))
      }
    }
    return MovedTensors(inStages: stages, ofSteps: subspace.stepCount)
  }

  /// The tensors of each block; nil for all.
  private func blocks(of layout: ParameterLayout) -> [TensorSelection?] {
    guard blockCount > 1 else { return [selection(of: layout)] }
    let layers = layout.entries.map(\.layer)
    let ordered = Set(layers.compactMap(\.self)).sorted()
    let blocks = Dictionary(
      uniqueKeysWithValues: ordered.enumerated().map { ($1, $0 * blockCount / ordered.count) })
    return (0..<blockCount).map { block in
      TensorSelection(
        isSelected: zip(layout.entries, layers).map { entry, layer in
          isMoved(entry) && layer.flatMap { blocks[$0] } ?? 0 == block
        })
    }
  }

  /// The ranks of the tensors that are moved, each once.
  func ranks(of layout: ParameterLayout) -> Set<Int> {
    Set(layout.entries.filter(isMoved).map { $0.shape.last ?? 1 })
  }

  func isMoved(_ entry: ParameterLayout.Entry) -> Bool {
    factors == .both || !entry.name.hasSuffix(".lora_A.weight")
  }

  /// How many values of an adapter of `layout` a step perturbs and learns, on average.
  public func movedCount(of layout: ParameterLayout) -> Int {
    let count = layout.entries.filter(isMoved).reduce(0) { sum, entry in
      let rank = entry.shape.last ?? 1
      return sum + entry.count / rank * min(rank, subspace?.rank ?? rank)
    }
    return max(1, count / blockCount)
  }
}

extension ParameterLayout.Entry {
  /// The layer that the tensor belongs to, as its name says: the first number in it, as in
  /// `model.layers.12.mlp.up_proj.lora_B.weight`; nil without one.
  var layer: Int? {
    name.split(separator: ".").lazy.compactMap { Int($0) }.first
  }
}
