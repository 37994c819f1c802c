// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Tensors

private let layout = ParameterLayout([("tensor0", [4]), ("tensor1", [2])])
private let plan = Digest(of: Array("plan".utf8))

/// The checksum at the end is added here, or nothing behind it would ever be reached.
func decodeMemory(_ bytes: [UInt8]) {
  let archive = bytes + Digest(of: bytes).bytes
  let memory = accepted {
    try WorkerMemory(decoding: archive, from: "the memory", plan: plan, layout: layout)
  }
  if let memory = memory ?? nil {
    precondition(accepted { try memory.encoded() } != nil, "a memory that cannot be written")
  }
}
