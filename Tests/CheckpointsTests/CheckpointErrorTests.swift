// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Testing

@Suite struct CheckpointErrorTests {
  @Test(arguments: [
    (
      CheckpointError.unreadable(path: "/m", reason: "Permission denied"),
      "cannot read /m: Permission denied"
    ),
    (.unwritable(path: "/m", reason: "No space left"), "cannot write /m: No space left"),
    (.missing(path: "/m", what: "tensor 'a'"), "/m has no tensor 'a'"),
    (
      .truncated(path: "/m", what: "the header", needed: 9, available: 2),
      "/m ends too early: the header needs 9 bytes, 2 are left; fetch the file again"
    ),
    (.malformed(path: "/m", what: "an odd thing"), "/m is malformed: an odd thing"),
    (
      .unsupported(path: "/m", what: "the type 'x'", supported: "a, b"),
      "/m asks for the type 'x', which is not supported; supported: a, b"
    ),
    (
      .wrongShape(tensor: "a", expected: [2, 3], found: [3]),
      "tensor a has shape [3], the configuration asks for [2, 3]"
    ),
    (
      .notFloats(tensor: "a", type: "I64"),
      "tensor a has type I64, which is not read as floats; convert it to F32, F16 or BF16"
    ),
    (
      .notFinite(tensor: "a", index: 7),
      "tensor a is infinite or not a number at element 7; the checkpoint is damaged"
    ),
  ])
  func everyErrorIsOneLineThatSaysWhatAndWhere(error: CheckpointError, line: String) {
    #expect(error.description == line)
  }
}
