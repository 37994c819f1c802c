// SPDX-License-Identifier: Apache-2.0
//
// The addresses of several arrays at once. `body` is not called if one of them is empty; pointers
// are valid inside it alone.

func withPointers(
  to a: inout [Float], _ b: inout [Float], _ c: inout [Float], _ d: inout [Float],
  _ body: (
    UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>,
    UnsafeMutablePointer<Float>
  ) -> Void
) {
  a.withUnsafeMutableBufferPointer { a in
    b.withUnsafeMutableBufferPointer { b in
      c.withUnsafeMutableBufferPointer { c in
        d.withUnsafeMutableBufferPointer { d in
          guard
            let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress,
            let d = d.baseAddress
          else { return }
          body(a, b, c, d)
        }
      }
    }
  }
}

func withPointers(
  from a: [Float], _ b: [Float], _ c: [Float],
  _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>) -> Void
) {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      c.withUnsafeBufferPointer { c in
        guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
        body(a, b, c)
      }
    }
  }
}
