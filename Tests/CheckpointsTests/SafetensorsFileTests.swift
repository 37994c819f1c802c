// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Checkpoints

@Suite struct SafetensorsFileTests {
  /// The error with which a file is refused; nil if it is not.
  private func refusal(_ bytes: [UInt8]) -> CheckpointError? {
    do throws(CheckpointError) {
      _ = try SafetensorsFile(bytes: bytes, named: "test")
      return nil
    } catch {
      return error
    }
  }

  private func refusal(_ header: String, _ dataCount: Int) -> String {
    refusal(safetensors(header, [UInt8](repeating: 0, count: dataCount)))?.description ?? "accepted"
  }

  @Test func plainTypesAreReadAsFloats() throws {
    let header = """
      {"__metadata__": {"format": "pt"},
       "f": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
       "h": {"dtype": "F16", "shape": [1, 2], "data_offsets": [8, 12]},
       "b": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [12, 16]},
       "scalar": {"dtype": "F32", "shape": [], "data_offsets": [16, 20]},
       "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [20, 20]},
       "i": {"dtype": "I64", "shape": [1], "data_offsets": [20, 28]}}
      """
    let data =
      bytes([1.5, -2]) + bytes(Float16(0.25).bitPattern) + bytes(Float16(-65504).bitPattern)
      + bytes(UInt16(0x3F80)) + bytes(UInt16(0xC000)) + bytes([7]) + bytes(Int64(-3))
    let file = try SafetensorsFile(bytes: safetensors(header, data))
    #expect(file.metadata == ["format": "pt"])
    #expect(try file.floats(of: "f") == [1.5, -2])
    #expect(try file.floats(of: "h") == [0.25, -65504])
    #expect(try file.floats(of: "b") == [1, -2])
    #expect(try file.floats(of: "scalar") == [7])
    #expect(try file.floats(of: "none") == [])
    #expect(file.tensors["h"]?.shape == [1, 2])
    #expect(try file.bytes(of: "i") == bytes(Int64(-3)))
    #expect(throws: CheckpointError.notFloats(tensor: "i", type: "I64")) {
      try file.floats(of: "i")
    }
    #expect(throws: CheckpointError.missing(path: "safetensors data", what: "tensor 'x'")) {
      try file.floats(of: "x")
    }
  }

  @Test func pyTorchsFilesAreRead() throws {
    let file = try SafetensorsFile(path: fixture("qwen2") + "/model.safetensors")
    #expect(file.metadata["format"] == "pt")
    #expect(file.tensors["model.embed_tokens.weight"]?.shape == [512, 64])
    #expect(try file.floats(of: "model.layers.2.self_attn.k_proj.bias").count == 32)
  }

  @Test func whatIsWrittenReadsTheSame() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/out.safetensors"
    let values: [Float] = [0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1, 2]
    try SafetensorsFile.write(
      tensors: [("z", [2, 3], values), ("a \"quoted\"", [], [4]), ("empty", [0], [])],
      metadata: ["format": "pt", "a": "b"], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(try file.floats(of: "z").map(\.bitPattern) == values.map(\.bitPattern))
    #expect(try file.floats(of: "a \"quoted\"") == [4])
    #expect(file.tensors.count == 3)
    #expect(file.metadata == ["format": "pt", "a": "b"])
    #expect(try fileBytes(path)[0].isMultiple(of: 8))
    #expect(try folder.names() == ["out.safetensors"])
  }

  @Test func aFileThatCannotBeWrittenLeavesNothing() throws {
    let folder = try TemporaryFolder()
    let target = folder.path + "/folder"
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    #expect(throws: CheckpointError.self) {
      try SafetensorsFile.write(tensors: [("a", [1], [1])], metadata: [:], to: target)
    }
    #expect(throws: CheckpointError.self) {
      try SafetensorsFile.write(tensors: [("a", [1], [1])], metadata: [:], to: "/nowhere/x/y")
    }
    #expect(try folder.names() == ["folder"])
  }

  @Test func everyTruncationIsRefused() throws {
    let header = #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#
    let whole = safetensors(header, bytes([1, 2, 3]))
    #expect(refusal(whole) == nil)
    for length in 0..<whole.count {
      #expect(refusal(Array(whole[..<length])) != nil, "\(length) bytes")
    }
    #expect(refusal(whole + [0]) != nil)
  }

  @Test func everyFlippedByteIsRefusedOrReadsWithinTheFile() throws {
    let header = #"{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#
    let whole = safetensors(header, bytes([1, 2]))
    for index in whole.indices {
      for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] as [UInt8] {
        var damaged = whole
        damaged[index] ^= flip
        guard let file = try? SafetensorsFile(bytes: damaged) else { continue }
        for name in file.tensors.keys { _ = try? file.floats(of: name) }
      }
    }
  }

  @Test func randomBytesNeverCrash() {
    for salt in 0..<500 {
      let noise = pseudoRandomBytes(200, salt: UInt32(salt))
      _ = refusal(noise)
      _ = refusal(bytes(UInt64(150)) + noise)
    }
  }

  @Test func aHeaderLongerThanTheFileIsRefused() {
    #expect(
      refusal(bytes(UInt64(1000)) + [0x7B, 0x7D])
        == .truncated(path: "test", what: "the header", needed: 1000, available: 2))
    for size in [100_000_001, UInt64.max, 1 << 63] {
      guard case .malformed = refusal(bytes(size) + [0x7B, 0x7D]) else {
        Issue.record("a header of \(size) bytes")
        continue
      }
    }
  }

  @Test(arguments: [
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
      6, "overlaps"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      4, "overlaps"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
      12, "gap"
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "gap"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8, "after the last"),
    ("{}", 1, "after the last"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      8, "second time"
    ),
    (#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4, "'F31'"),
    (#"{"a":{"dtype":"Q4_0","shape":[32],"data_offsets":[0,18]}}"#, 18, "'Q4_0'"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8, "needs 4 bytes"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4, "data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "data_offsets"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, 4,
      "data_offsets"
    ),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "no shape"),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "no shape"),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4,
      "impossible"
    ),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, 0, "impossible"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "ends too early"),
    (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "no dtype"),
    (#"{"a":3}"#, 0, "no dtype"),
    (#"{"__metadata__":{"a":1}}"#, 0, "no string"),
    (#"{"__metadata__":[]}"#, 0, "no object"),
    ("[]", 0, "no JSON object"),
  ])
  func hostileHeadersAreRefusedByName(header: String, dataCount: Int, words: String) {
    let found = refusal(header, dataCount)
    #expect(found.contains(words), "\(found)")
  }

  @Test func emptyTensorsMayShareAPlace() {
    let header = """
      {"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
       "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
       "c":{"dtype":"F32","shape":[2,0],"data_offsets":[4,4]}}
      """
    #expect(refusal(header, 4) == "accepted")
  }

  @Test func filesThatAreNoFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: CheckpointError.self) { try SafetensorsFile(path: folder.path) }
    #expect(throws: CheckpointError.self) { try SafetensorsFile(path: folder.path + "/absent") }
    #expect(throws: CheckpointError.self) { try SafetensorsFile(path: "/dev/zero") }
    let empty = try folder.write("", to: "empty")
    #expect(
      throws: CheckpointError.truncated(
        path: empty, what: "the header's length", needed: 8, available: 0)
    ) { try SafetensorsFile(path: empty) }
  }
}
