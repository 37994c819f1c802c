// SPDX-License-Identifier: Apache-2.0

extension Duration {
  /// The time that `text` says, such as `500ms`, `90s`, `10m` or `2h`; nil when it says none.
  public init?(text: String) {
    let units: [(String, Double)] = [("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)]
    for (unit, seconds) in units where text.hasSuffix(unit) {
      guard let value = Double(text.dropLast(unit.count)), value >= 0, value * seconds < 1e9 else {
        continue
      }
      self = .milliseconds(Int64((value * seconds * 1000).rounded()))
      return
    }
    return nil
  }
}
