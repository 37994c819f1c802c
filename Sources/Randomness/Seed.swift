// SPDX-License-Identifier: Apache-2.0

/// Where a stream of random numbers starts; every use derives its own from the run's.
///
/// Two uses with different labels or indices never share a stream.
public struct Seed: Hashable, Codable, Sendable {
  /// The key of the streams.
  public let value: UInt64

  /// A seed with a given key.
  public init(_ value: UInt64) { self.value = value }

  /// The seed for one use: `label` names what for, `index` which one.
  public func derived(_ label: String, _ index: UInt64 = 0) -> Seed {
    // FNV-1a turns the label into a stream number; Philox mixes it with the key and the index.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in label.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    let words = Philox(key: value).block(index, stream: hash)
    return Seed(UInt64(words[1]) << 32 | UInt64(words[0]))
  }
}
