// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Testing

@testable import Models

@Suite struct SparsePlacesTests {
  /// The matrix as a checkpoint stores it, in the place of one of a tiny model's.
  private func stored(_ values: [Float], columns: Int) throws -> StoredMatrix {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tern-places-\(UUID().uuidString)").path()
    try FileManager.default.copyItem(
      atPath: "\(GoldenModel.folder)/llama-gqa-tied", toPath: folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (path, replaced) = ("\(folder)/model.safetensors", "model.layers.0.mlp.up_proj.weight")
    let file = try SafetensorsFile(path: path)
    let tensors = try file.tensors.map { name, info in
      let isReplaced = name == replaced
      #expect(!isReplaced || info.shape == [values.count / columns, columns])
      return (
        name: name, shape: info.shape, values: isReplaced ? values : try file.floats(of: name)
      )
    }
    try SafetensorsFile.write(tensors: tensors, metadata: [:], to: path)
    return try Checkpoint(path: folder).matrix(replaced)
  }

  private func flat(_ places: SparsePlaces, columns: Int) -> [Int] {
    places.rowStarts.indices.dropLast().flatMap { row in
      places.columns[places.rowStarts[row]..<places.rowStarts[row + 1]].map {
        row * columns + Int($0)
      }
    }
  }

  @Test func theyAreThoseThatSortingFinds() throws {
    // Zeros of both signs, equal magnitudes, subnormal and large numbers.
    var values: [Float] = [
      0, -0, 1, -1, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 3e38, 0.5, -0.5, 0.5,
    ]
    values += (values.count..<(160 * 64)).map { Float(($0 * 37) % 2311 - 1155) / 7 }
    let matrix = try stored(values, columns: 64)
    let order = values.indices.sorted { (abs(values[$0]), $0) < (abs(values[$1]), $1) }
    for count in [0, 1, 2, 3, 4, 5, 100, 101, 102, 5119, 5120, 10_237, 10_239, 10_240] {
      let places = SparsePlaces(ofSmallest: count, in: matrix)
      #expect(places.count == count && places.rowStarts.count == 161)
      #expect(flat(places, columns: 64) == order.prefix(count).sorted(), "\(count)")
    }
  }
}
