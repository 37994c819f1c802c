// SPDX-License-Identifier: Apache-2.0
public import Tensors

/// An update as it travels, and as its receiver will see it.
public struct EncodedUpdate: Hashable, Sendable {
  /// The bytes to send.
  public let payload: [UInt8]

  /// What decoding `payload` gives, bit for bit.
  public let decoded: ParameterVector
}
