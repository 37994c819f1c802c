// SPDX-License-Identifier: Apache-2.0

/// A promise that was not kept.
struct Breach: Error, CustomStringConvertible {
  /// One line: what should have been, and what was.
  let description: String

  init(_ description: String) { self.description = description }
}

/// The first promise that `body` did not keep, in one line; nil if it kept all.
func firstBreach(in body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}

/// Throws unless `holds`.
func require(_ holds: Bool, _ otherwise: @autoclosure () -> String) throws {
  if !holds { throw Breach(otherwise()) }
}
