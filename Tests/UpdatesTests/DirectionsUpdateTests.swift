// SPDX-License-Identifier: Apache-2.0
import Digests
import Files
import Randomness
import Tensors
import Testing

@testable import Updates

@Suite struct DirectionsUpdateTests {
  private let layout = ParameterLayout([
    ("a.lora_A.weight", [3, 7]), ("a.lora_B.weight", [50, 3]), ("c.lora_B.weight", [2]),
  ])
  private let key: UInt64 = 0x0102_0304_0506_0708

  private func rules(
    _ rule: UpdateRule = .sgd, steps: Int = 3, queries: Int = 4, source: DirectionSource = .own,
    distribution: Directions.Distribution = .rademacher
  ) -> WalkRules {
    WalkRules(
      source: source, distribution: distribution, rule: rule,
      moved: MovedTensors(TensorSelection(of: layout) { $0.name.contains("lora_B") }),
      stepCount: steps,
      queryCount: queries)
  }

  /// A walk from version 2 of three steps of four queries.
  private func walk(rate: Float? = nil, seed: UInt64 = 1, key: UInt64? = nil) -> Walk {
    var stream = RandomStream(Seed(seed))
    return Walk(
      key: key ?? self.key,
      steps: (6..<9).map { step in
        DirectionStep(
          step: step,
          terms: (0..<4).map {
            DirectionTerm(query: $0, coefficient: stream.uniform(bound: 0.1))
          }, rate: rate)
      })
  }

  private func payload(_ walks: [Walk], layout other: ParameterLayout? = nil) -> Payload {
    Payload(DirectionsUpdate(walks: walks).payload(for: other ?? layout))
  }

  private func read(
    _ payload: Payload, _ rules: WalkRules? = nil, version: Int = 2
  ) throws(UpdateError) -> Walk {
    try (rules ?? self.rules()).walk(in: payload, along: key, from: version, layout: layout)
  }

  @Test func anUpdateIsGoldenAndComesBack() throws {
    let update = DirectionsUpdate(walks: [
      Walk(
        key: key,
        steps: [
          DirectionStep(step: 6, terms: [DirectionTerm(query: 1, coefficient: -0.5)]),
          DirectionStep(step: 300, terms: []),
        ]), Walk(key: .max, steps: []),
    ])
    let payload = update.payload(for: layout)
    #expect(
      payload
        == [UInt8](hex: "54524e44 01 00 0200") + layout.digest.bytes
        + [UInt8](hex: "0807060504030201 02000000 06 00 01 01 000000bf ac02 00 00")
        + [UInt8](hex: "ffffffffffffffff 00000000"))
    #expect(try DirectionsUpdate(payload, layout: layout) == update)
    #expect(try DirectionsUpdate.begins(Payload(payload)))
    #expect(try !DirectionsUpdate.begins(Payload(Array("TRNU".utf8))))
    #expect(try !DirectionsUpdate.begins(Payload([])))
  }

  @Test(arguments: [UpdateRule.sgd, .sign, .momentum(beta: 0.9), .adam()])
  func whatAWorkerWalkedIsReadAndReplayed(rule: UpdateRule) throws {
    let walk = walk(rate: rule.hasState ? 0.25 : nil)
    let payload = payload([walk])
    #expect(payload.byteCount < rules(rule).maximumPayloadByteCount)
    let rules = rules(rule)
    #expect(try read(payload, rules) == walk)
    var replica = ZerothOrderReplica(
      adapter: ParameterVector(zerosOf: layout), directions: Directions(key: key), rule: rule,
      moved: rules.moved)
    for step in walk.steps { replica.apply(step) }
    let change = rules.change(by: walk, layout: layout)
    #expect(change == replica.adapter && !change.isZero)
    #expect(change.values[layout.entries[0].range].allSatisfy { $0 == 0 }, "A is not moved")
    // What a rule keeps is not kept from one walk to the next.
    #expect(rules.change(by: walk, layout: layout) == change)
  }

  @Test func theLargestUpdateIsNoLongerThanItMayBe() {
    let steps = (0..<3).map { step in
      DirectionStep(
        step: .max - 2 + step,
        terms: (0..<4).map { DirectionTerm(query: .max - 3 + $0, coefficient: 1) }, rate: 1)
    }
    let payload = payload([Walk(key: key, steps: steps)])
    #expect(payload.byteCount <= rules(.adam()).maximumPayloadByteCount)
  }

  @Test func everyTruncationIsRefusedAndNothingMayFollow() throws {
    let bytes = try payload([walk()]).bytes()
    for count in bytes.indices {
      #expect(throws: UpdateError.self) { try read(Payload(Array(bytes.prefix(count)))) }
    }
    #expect(throws: UpdateError.trailingBytes(1)) { try read(Payload(bytes + [0])) }
  }

  @Test func everyFlippedBitIsRefusedOrHarmless() throws {
    let bytes = try payload([walk()]).bytes()
    let headers = DirectionsUpdate.headerByteCount + DirectionsUpdate.walkHeaderByteCount
    for bit in 0..<(bytes.count * 8) {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      guard let found = try? read(Payload(damaged)) else { continue }
      #expect(bit >= headers * 8, "bit \(bit) of the headers")
      #expect(found.steps.count == 3 && rules().change(by: found, layout: layout).isFinite)
    }
  }

  @Test func randomBytesAreRefused() throws {
    var stream = RandomStream(Seed(3))
    func random(_ count: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
    }
    let bytes = try payload([walk()]).bytes()
    for _ in 0..<2000 {
      let whole = random(Int(stream.next() % 200))
      #expect(throws: UpdateError.self) { try read(Payload(whole)) }
      let kept = 40 + Int(stream.next() % 40)
      let behind = Array(bytes.prefix(kept)) + random(bytes.count - kept)
      if let found = try? read(Payload(behind)) { #expect(found.key == key) }
    }
  }

  @Test func everyFieldOfTheHeadersIsChecked() throws {
    let bytes = try payload([walk()]).bytes()
    func expect(_ error: UpdateError, _ start: Int, _ replacement: [UInt8]) {
      #expect(throws: error) { try read(Payload(bytes.replacing(start, with: replacement))) }
    }
    expect(.magic, 3, Array("U".utf8))
    expect(.version(2), 4, [2])
    expect(.version(1), 5, [1])
    for walks in [[], [walk(), walk()]] {
      #expect(throws: UpdateError.walkCount(expected: 1, found: walks.count)) {
        try read(payload(walks), rules(steps: 3, queries: 9))
      }
    }
    expect(.trailingBytes(bytes.count - 40), 6, [0, 0])
    expect(.foreignDirections, 40, [9])
    expect(.directions("the number of steps"), 48, [0xFF, 0xFF, 0xFF, 0xFF])
    let other = ParameterLayout([("b", [1])])
    #expect(throws: UpdateError.layout(expected: layout.digest, found: other.digest)) {
      try read(payload([walk()], layout: other))
    }
  }

  @Test func whatTheVersionDoesNotAllowIsRefused() throws {
    let good = payload([walk()])
    for version in [0, 1, 3] {
      #expect(throws: UpdateError.directions("the step")) { try read(good, version: version) }
    }
    #expect(throws: UpdateError.directions("the step")) { try read(good, rules(steps: 2)) }
    #expect(throws: UpdateError.directions("a query")) { try read(good, rules(queries: 3)) }
    #expect(throws: UpdateError.directions("the rate")) { try read(good, rules(.adam())) }
    #expect(throws: UpdateError.directions("the rate")) {
      try read(payload([walk(rate: 1)]), rules(.sign))
    }
    let steps = walk().steps
    for disorder in [[steps[1], steps[0]], [steps[0], steps[0]]] {
      #expect(throws: UpdateError.directions("the step")) {
        try read(payload([Walk(key: key, steps: disorder)]))
      }
    }
    // Fewer than the plan's steps are a shorter walk.
    #expect(try read(payload([Walk(key: key, steps: [steps[1]])])).steps == [steps[1]])
  }

  @Test func whatIsTooLongIsRefusedBeforeItIsRead() throws {
    let rules = rules(steps: 3, queries: 1)
    let limit = rules.maximumPayloadByteCount
    let long = Payload(try payload([walk()]).bytes() + [UInt8](repeating: 0, count: limit))
    #expect(throws: UpdateError.sequenceLength(limit: limit, found: long.byteCount)) {
      try read(long, rules)
    }
  }

  @Test func coefficientsThatAreNotFiniteAreRefused() throws {
    for value in [Float.nan, .infinity, -.infinity] {
      let step = DirectionStep(step: 6, terms: [DirectionTerm(query: 0, coefficient: value)])
      #expect(throws: UpdateError.directions("a coefficient")) {
        try read(payload([Walk(key: key, steps: [step])]))
      }
    }
  }

  @Test(arguments: Directions.Distribution.allCases)
  func theMeanOfWalksIsThatOfTheirChanges(distribution: Directions.Distribution) throws {
    let rules = rules(distribution: distribution)
    let walks: [(walk: Walk, weight: Double)] = [
      (walk(), 10), (walk(seed: 2, key: 5), 30), (walk(seed: 3), 2.5),
    ]
    let mean = rules.mean(of: walks, rate: 0.5)
    let travelled = try DirectionsUpdate(mean.payload(for: layout), layout: layout)
    #expect(travelled == mean)
    var start = ParameterVector(zerosOf: layout)
    for index in start.values.indices { start.values[index] = Float(index) * 0.01 - 1 }
    var (here, there) = (start, start)
    try rules.follow(mean, &here)
    try rules.follow(travelled, &there)
    #expect(here == there && here != start)
    var expected = start
    for (walk, weight) in walks {
      expected.add(rules.change(by: walk, layout: layout), scaledBy: Float(0.5 * weight / 42.5))
    }
    for index in start.values.indices {
      #expect(abs(here.values[index] - expected.values[index]) < 1e-6)
    }
  }

  @Test func walksAlongTheSameDirectionsBecomeOne() throws {
    let (one, two) = (walk(), walk(seed: 2))
    // One query less, and a step that only one of them took.
    let short = Walk(
      key: key,
      steps: [
        DirectionStep(step: 5, terms: [DirectionTerm(query: 1, coefficient: 4)]),
        DirectionStep(step: 7, terms: Array(two.steps[1].terms.dropFirst())),
      ])
    let merged = Walk.merged([(one, 0.25), (short, -3)])
    #expect(merged.key == key && merged.steps.map(\.step) == [5, 6, 7, 8])
    #expect(merged.steps[0].terms == [DirectionTerm(query: 1, coefficient: -12)])
    for (index, step) in merged.steps.enumerated().dropFirst() {
      #expect(step.terms.map(\.query) == [0, 1, 2, 3])
      for (place, term) in step.terms.enumerated() {
        let ours = 0.25 * Double(one.steps[index - 1].terms[place].coefficient)
        let theirs =
          index == 2 && place > 0 ? -3 * Double(two.steps[1].terms[place].coefficient) : 0
        #expect(term.coefficient == Float(ours + theirs))
      }
    }
    let mean = rules(source: .shared).mean(of: [(one, 10), (two, 30)], rate: 0.5)
    #expect(mean.walks == [Walk.merged([(one, 0.5 * (10.0 / 40)), (two, 0.5 * (30.0 / 40))])])
    #expect(rules().mean(of: [(one, 10), (two, 30)], rate: 0.5).walks.count == 2)
  }

  @Test func aWalkAlongAPoolIsOneStepOfItsDirections() throws {
    let rules = rules(steps: 3, queries: 4, source: .pool(count: 30))
    func step(_ queries: some Sequence<UInt32>, number: UInt32 = 0) -> DirectionStep {
      DirectionStep(
        step: number, terms: queries.map { DirectionTerm(query: $0, coefficient: 1) })
    }
    func found(_ steps: DirectionStep...) throws(UpdateError) -> Walk {
      try read(payload([Walk(key: key, steps: steps)]), rules)
    }
    #expect(try found(step([0, 7, 29])).steps[0].terms.count == 3)
    #expect(try found().steps.isEmpty)
    #expect(throws: UpdateError.directions("a query")) { try found(step([7, 30])) }
    #expect(throws: UpdateError.directions("the step")) { try found(step([7], number: 6)) }
    #expect(throws: UpdateError.directions("the step")) { try found(step([7]), step([8])) }
    // Three steps evaluate twelve directions at the most.
    #expect(try found(step(0..<12)).steps[0].terms.count == 12)
    let longer = payload([Walk(key: key, steps: [step(0..<13)])])
    #expect(longer.byteCount <= rules.maximumPayloadByteCount)
    #expect(throws: UpdateError.directions("the number of terms")) { try read(longer, rules) }
    #expect(rules.maximumPoolByteCount > payload([Walk(key: key, steps: [step(0..<30)])]).byteCount)
    #expect(self.rules().maximumPoolByteCount == 0)
  }

  @Test func aVersionsWalksHaveNoRates() {
    var adapter = ParameterVector(zerosOf: layout)
    #expect(throws: UpdateError.directions("the rate")) {
      try rules().follow(DirectionsUpdate(walks: [walk(rate: 1)]), &adapter)
    }
  }
}
