// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Checkpoints

@Suite struct GGUFFileTests {
  private func open(_ builder: GGUFBuilder) throws(CheckpointError) -> GGUFFile {
    try open(builder.build())
  }

  private func open(_ bytes: [UInt8]) throws(CheckpointError) -> GGUFFile {
    try GGUFFile(FileContents(bytes: bytes, named: "test"))
  }

  /// What the file is refused with, in words.
  private func refusal(_ builder: GGUFBuilder) -> String {
    do throws(CheckpointError) {
      _ = try open(builder)
      return "accepted"
    } catch {
      return error.description
    }
  }

  /// A file with one value of every kind and two tensors.
  private var sample: GGUFBuilder {
    var builder = GGUFBuilder()
    builder.set("text", "héllo")
    builder.set("whole", UInt32(7))
    builder.set("number", Float(0.5))
    builder.set("yes", true)
    builder.set("texts", ["a", "", "çé"])
    builder.set("numbers", [1, -2, 3] as [Int32])
    builder.values.append(("long", 10, bytes(UInt64(1) << 40)))
    builder.values.append(("negative", 11, bytes(Int64(-5))))
    builder.values.append(("double", 12, bytes((0.25).bitPattern)))
    builder.values.append(("small", 0, [255]))
    builder.values.append(("signed", 1, [255]))
    builder.values.append(("u16", 2, bytes(UInt16(65535))))
    builder.values.append(("i16", 3, bytes(Int16(-2))))
    builder.values.append(("i32", 5, bytes(Int32(-3))))
    builder.add("one", [2, 3], [0, 1, 2, 3, 4, 5])
    builder.tensors.append(
      .init(name: "two", extents: [32, 2], type: 8, data: pseudoRandomBytes(68, salt: 9)))
    return builder
  }

  @Test func hostileTensorsAreRefusedByName() {
    func expect(_ words: String, _ change: (inout GGUFBuilder.Tensor) -> Void) {
      var builder = GGUFBuilder()
      builder.add("only", [8], [Float](repeating: 1, count: 8))
      change(&builder.tensors[0])
      #expect(refusal(builder).contains(words), "\(refusal(builder))")
    }
    expect("ends too early") { $0.offset = 32 }
    expect("at the offset 4") { $0.offset = 4 }
    expect("the offset 18446744073709551584") { $0.offset = .max - 31 }
    expect("at the offset 9223372036854775776") { $0.offset = UInt64(Int.max) & ~31 }
    expect("the type Q5_K of tensor 'only'") { $0.type = 13 }
    expect("the type number 4 of tensor 'only'") { $0.type = 4 }
    expect("0 extents") { $0.extents = [] }
    expect("5 extents") { $0.extents = [1, 1, 1, 1, 1] }
    expect("an extent of 0") { $0.extents = [0] }
    expect("an extent of 18446744073709551615") { $0.extents = [.max] }
    expect("tensor 'only' of F32") { $0.extents = [1 << 40, 1 << 40] }
    expect("tensor 'only' of F32") { $0.extents = [1 << 62] }
    expect("ends too early") { $0.extents = [1 << 40] }
    expect("tensor 'only' of Q8_0 [8]") { $0.type = 8 }
    expect("tensor 'only' of Q4_K [2, 128]") { tensor in
      tensor.type = 12
      tensor.extents = [128, 2]
    }
  }

  @Test func tensorsMayNotOverlapOrRepeat() {
    var builder = GGUFBuilder()
    builder.add("a", [16], [Float](repeating: 1, count: 16))
    builder.add("b", [8], [Float](repeating: 1, count: 8))
    builder.tensors[1].offset = 32
    #expect(refusal(builder).contains("overlap"))
    builder.tensors[1].offset = nil
    #expect(refusal(builder) == "accepted")
    builder.tensors[1].name = "a"
    #expect(refusal(builder).contains("'a' occurs twice"))
  }
}
