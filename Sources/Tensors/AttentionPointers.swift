// SPDX-License-Identifier: Apache-2.0
//
// The addresses of several arrays at once, for the passes of Kernels+Attention.swift. `body` is
// not called if one of them is empty; pointers are valid inside it alone and are not kept.

/// What the forward left for the backward, [T, H] each.
struct KnownPointers {
  let maxima: UnsafePointer<Float>
  let reciprocals: UnsafePointer<Float>
  let dots: UnsafePointer<Float>
}

func withPointers(
  from maxima: [Float], _ reciprocals: [Float], _ dots: [Float], _ body: (KnownPointers) -> Void
) {
  maxima.withUnsafeBufferPointer { maxima in
    reciprocals.withUnsafeBufferPointer { reciprocals in
      dots.withUnsafeBufferPointer { dots in
        guard
          let maxima = maxima.baseAddress, let reciprocals = reciprocals.baseAddress,
          let dots = dots.baseAddress
        else { return }
        body(KnownPointers(maxima: maxima, reciprocals: reciprocals, dots: dots))
      }
    }
  }
}

func withPointers(
  to a: inout [Float], _ b: inout [Float], _ c: inout [Float],
  _ body: (
    UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>
  ) -> Void
) {
  a.withUnsafeMutableBufferPointer { a in
    b.withUnsafeMutableBufferPointer { b in
      c.withUnsafeMutableBufferPointer { c in
        guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
        body(a, b, c)
      }
    }
  }
}
