// SPDX-License-Identifier: Apache-2.0
/// A number of bytes as people write it: 800MB, 1.5GB, 2GiB.
public struct ByteSize: Hashable, Sendable {
  /// The number of bytes, at least one.
  public let byteCount: Int

  /// The size in `text`; nil unless it is a positive number with a unit.
  public init?(_ text: String) {
    let units = ["KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 1024, "MIB": 1_048_576, "GIB": 0x1p30]
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text.dropFirst(number.count).uppercased()
    guard let factor = units[unit], let value = Double(number) else { return nil }
    let count = (value * factor).rounded()
    guard count >= 1, count <= 0x1p60 else { return nil }
    byteCount = Int(count)
  }
}
