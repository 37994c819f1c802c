// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct AdamWTests {
  private let settings = AdamW.Settings(beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1)

  @Test func followsThePaper() {
    var parameters = noise(37, "parameters")
    var optimizer = AdamW(settings: settings, count: 37)
    var plain = parameters.map(Double.init)
    var (m, v) = ([Double](repeating: 0, count: 37), [Double](repeating: 0, count: 37))
    var (power1, power2) = (1.0, 1.0)
    for step in 1...5 {
      let gradient = noise(37, "gradient \(step)")
      optimizer.step(&parameters, gradient: gradient, learningRate: 0.01)
      power1 *= 0.8
      power2 *= 0.95
      for (index, g) in gradient.map(Double.init).enumerated() {
        m[index] = 0.8 * m[index] + 0.2 * g
        v[index] = 0.95 * v[index] + 0.05 * g * g
        let direction = m[index] / (1 - power1) / ((v[index] / (1 - power2)).squareRoot() + 1e-6)
        plain[index] = plain[index] * (1 - 0.01 * 0.1) - 0.01 * direction
      }
      #expect(relativeError(parameters, plain.map { Float($0) }) < 1e-6)
    }
    #expect(optimizer.stepCount == 5)
  }

  @Test func decayAloneShrinksParameters() {
    var parameters: [Float] = [2, -4]
    var optimizer = AdamW(settings: settings, count: 2)
    optimizer.step(&parameters, gradient: [0, 0], learningRate: 0.5)
    #expect(parameters == [2 * 0.95, -4 * 0.95])
  }

  @Test func firstStepIsTheLearningRateWhateverTheGradient() {
    var parameters = [Float](repeating: 0, count: 3)
    var optimizer = AdamW(count: 3)
    optimizer.step(&parameters, gradient: [1e-3, -5, 0], learningRate: 0.1)
    #expect(relativeError(parameters, [-0.1, 0.1, 0]) < 1e-4)
  }

  @Test func vectorsAreSteppedLikeTheirValues() {
    let layout = ParameterLayout([(name: "a", shape: [2, 3])])
    var vector = ParameterVector(layout: layout, values: noise(6, "parameters"))
    var values = vector.values
    let gradient = ParameterVector(layout: layout, values: noise(6, "gradient"))
    var (one, two) = (AdamW(settings: settings, count: 6), AdamW(settings: settings, count: 6))
    one.step(&vector, gradient: gradient, learningRate: 0.1)
    two.step(&values, gradient: gradient.values, learningRate: 0.1)
    #expect(vector.values == values)
  }
}
