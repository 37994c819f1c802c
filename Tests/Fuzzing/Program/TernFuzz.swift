// SPDX-License-Identifier: Apache-2.0
import CFuzzer
import FuzzedDecoders
import Glibc

/// Feeds one decoder with what libFuzzer makes of a corpus; `make fuzz` builds and calls it.
///
/// The decoder is the value of TERN_FUZZ_DECODER; all arguments are libFuzzer's.
@main struct TernFuzz {
  static func main() {
    guard let name = getenv("TERN_FUZZ_DECODER").map({ String(cString: $0) }),
      Decoder(rawValue: name) != nil
    else {
      let names = Decoder.allCases.map(\.rawValue).joined(separator: " ")
      print("set TERN_FUZZ_DECODER to one of: \(names)")
      exit(2)
    }
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(LLVMFuzzerRunDriver(&count, &arguments) { testOneInput($0, $1) })
  }
}

private let decoder =
  getenv("TERN_FUZZ_DECODER").flatMap { Decoder(rawValue: String(cString: $0)) } ?? .data

/// libFuzzer's own main refers to this name; it is called from `main` above.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  decoder.decode(Array(UnsafeBufferPointer(start: data, count: count)))
  return 0
}
