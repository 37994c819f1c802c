// SPDX-License-Identifier: Apache-2.0
internal import Randomness
internal import Tensors
internal import Updates

/// The ternary codec at 5 %: size against entropy, and speed on one core.
enum CodecBenchmark {
  private static let codec = UpdateCodec.ternary(density: 0.05)

  static func run() throws -> [Measurement] {
    // Both factors at rank 16 of a large model; then what the demo sends.
    try measurements(
      "8B, rank 16, A and B", DecoderWidths.large.layout(rank: 16, both: true), bound: true)
      + measurements(
        "135M, rank 8, B", DecoderWidths.small.layout(rank: 8, both: false), bound: false)
  }

  private static func measurements(
    _ name: String, _ layout: ParameterLayout, bound: Bool
  ) throws -> [Measurement] {
    let delta = normalVector(layout)
    let kept = try codec.keptCount(of: layout.count)
    guard let threshold = topThreshold(of: delta, keeping: kept) else { return [] }
    let payload = try codec.encode(delta, seed: Seed(1)).payload
    let summary = try UpdateSummary(of: payload)
    var mean = WeightedMean(layout: layout)

    func rate(
      _ what: String, atLeast: Double? = nil, _ body: () throws -> Any
    ) throws -> Measurement {
      let seconds = try medianSeconds(body)
      return Measurement(
        name: "\(name): \(what)", value: Double(layout.count) / seconds / 1e6,
        unit: "million parameters/s", atLeast: bound ? atLeast : nil)
    }
    return [
      Measurement(
        name: "\(name): parameters", value: Double(layout.count), unit: "parameters"),
      Measurement(name: "\(name): size", value: Double(payload.count), unit: "bytes"),
      Measurement(
        name: "\(name): bits", value: summary.bitsPerParameter, unit: "bits/parameter"),
      Measurement(
        name: "\(name): size over entropy", value: summary.sizeOverEntropy ?? 0,
        unit: "times", atMost: bound ? 1.02 : nil),
      Measurement(
        name: "\(name): size over entropy, without frame",
        value: Double(summary.contentByteCount * 8) / summary.entropyBitCount, unit: "times"),
      try rate("select the top 5 %") { topThreshold(of: delta, keeping: kept) as Any },
      try rate("encode what is selected", atLeast: 400) {
        TernaryUpdate(delta, above: threshold, keptCount: kept).payload()
      },
      try rate("decode to signs", atLeast: 800) {
        try TernaryUpdate(payload: payload, layout: layout)
      },
      try rate("decode and add to a mean", atLeast: 800) {
        try mean.add(payload: payload, codec: codec, weight: 3)
      },
      try rate("decode to a new vector") { try codec.decode(payload, layout: layout) },
      try rate("select, encode and expand") { try codec.encode(delta, seed: Seed(1)) },
    ]
  }

  private static func topThreshold(
    of delta: ParameterVector, keeping kept: Int
  ) -> MagnitudeThreshold? {
    delta.values.withUnsafeBufferPointer { MagnitudeThreshold(keeping: kept, of: $0) }
  }

  /// Nearly normal values, each tensor with its own spread, as after training.
  private static func normalVector(_ layout: ParameterLayout) -> ParameterVector {
    var vector = ParameterVector(zerosOf: layout)
    var stream = RandomStream(Seed(7))
    for entry in layout.entries {
      let spread = Float(0.5 + stream.unit())
      for index in entry.range {
        let word = stream.next()
        let fields = (word & 0x1F_FFFF) + (word >> 21 & 0x1F_FFFF) + (word >> 42 & 0x1F_FFFF)
        vector.values[index] = spread * (Float(fields) * 0x1p-21 - 1.5)
      }
    }
    return vector
  }
}
