// SPDX-License-Identifier: Apache-2.0
public import Models
internal import Randomness
internal import Tensors
public import Updates

/// What an update costs on its way: turned into bytes, back into values, and into the mean of several.
public struct CodecBenchmark: Sendable {
  /// What was measured; times are processor time, and half of the steps took no more.
  public struct Report: Encodable, Sendable {
    /// The codec, with its density if it has one.
    public var codec: String
    /// How many parameters an update has.
    public var parameters: Int
    /// How many updates a mean is of.
    public var senders: Int
    /// How many steps were measured.
    public var steps: Int
    /// The bytes of an update.
    public var bytes: Int
    /// The bits that it takes for each parameter.
    public var bitsPerParameter: Double
    /// Its size against the entropy of its symbols; nil without symbols.
    public var sizeOverEntropy: Double?
    /// What the sender computes: it adds what earlier updates left out, encodes, and keeps the rest.
    public var encodeProcessorSecondsMedian: Double
    /// What makes a vector of the bytes.
    public var decodeProcessorSecondsMedian: Double
    /// What makes the mean of all senders' bytes.
    public var meanProcessorSecondsMedian: Double
    /// Parameters encoded in a second of processor time, in millions.
    public var encodedMillionsPerSecond: Double
    /// Parameters decoded in a second of processor time, in millions.
    public var decodedMillionsPerSecond: Double
    /// Parameters of all senders that came into the mean in a second of processor time, in millions.
    public var averagedMillionsPerSecond: Double
  }

  private let codec: UpdateCodec
  private let model: AdaptedModel
  private let senderCount: Int

  /// A benchmark of `codec` on updates of a base's adapter.
  ///
  /// - Precondition: there are senders.
  public init(
    _ codec: UpdateCodec, base: DecoderModel, lora: LoRAConfiguration, senderCount: Int
  ) {
    precondition(senderCount > 0, "a mean of \(senderCount) updates")
    self.codec = codec
    self.senderCount = senderCount
    model = AdaptedModel(base: base, lora: lora)
  }

  /// Measures `stepCount` steps after one that is not counted; each has updates of its own.
  ///
  /// - Precondition: there is a step.
  public func run(stepCount: Int) throws -> Report {
    precondition(stepCount > 0, "a benchmark of no steps")
    var feedback = (0..<senderCount).map { _ in ErrorFeedback(layout: model.layout) }
    var (encode, decode, mean) = (Times(), Times(), Times())
    var sent: [[UInt8]] = []
    for step in 0...stepCount {
      let deltas = (0..<senderCount).map { delta(step: step, sender: $0) }
      sent = try encode.measure(each: senderCount) {
        try deltas.indices.map { sender in
          try feedback[sender].compress(
            deltas[sender], with: codec, seed: Seed(UInt64(step * senderCount + sender))
          ).payload
        }
      }
      try decode.measure { _ = try codec.decode(sent[0], layout: model.layout) }
      try mean.measure {
        var sum = WeightedMean(layout: model.layout)
        for payload in sent { try sum.add(payload: payload, codec: codec, weight: 1) }
        _ = sum.combined()
      }
    }
    return try report(sent[0], encode.median, decode.median, mean.median, stepCount: stepCount)
  }

  private func report(
    _ payload: [UInt8], _ encode: Double, _ decode: Double, _ mean: Double, stepCount: Int
  ) throws -> Report {
    let summary = try UpdateSummary(of: payload, layout: model.layout)
    let millions = Double(model.layout.count) / 1e6
    return Report(
      codec: "\(codec)", parameters: model.layout.count, senders: senderCount, steps: stepCount,
      bytes: payload.count, bitsPerParameter: summary.bitsPerParameter,
      sizeOverEntropy: codec == .dense ? nil : summary.sizeOverEntropy,
      encodeProcessorSecondsMedian: encode, decodeProcessorSecondsMedian: decode,
      meanProcessorSecondsMedian: mean, encodedMillionsPerSecond: millions / encode,
      decodedMillionsPerSecond: millions / decode,
      averagedMillionsPerSecond: Double(senderCount) * millions / mean)
  }

  /// Normal values whose spread differs between tensors, as after training.
  private func delta(step: Int, sender: Int) -> ParameterVector {
    let direction = Directions(of: Seed(1), distribution: .gaussian)
      .direction(step: UInt32(step), query: UInt32(sender))
    var stream = RandomStream(Seed(2))
    var delta = ParameterVector(zerosOf: model.layout)
    for entry in model.layout.entries {
      delta.add(direction, times: Float(0.5 + stream.unit()) * 1e-3, in: entry.range)
    }
    return delta
  }
}

/// Processor time of the same thing, again and again.
private struct Times {
  private var seconds: [Double] = []

  /// Takes the time of `body`, which does it `count` times.
  mutating func measure<Result>(
    each count: Int = 1, _ body: () throws -> Result
  ) rethrows -> Result {
    let begin = processorSeconds()
    let result = try body()
    seconds.append((processorSeconds() - begin) / Double(count))
    return result
  }

  /// The median of all but the first.
  var median: Double { seconds.dropFirst().sorted()[(seconds.count - 1) / 2] }
}
