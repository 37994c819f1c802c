// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Digests
internal import FoundationEssentials
public import Models
public import Rounds
public import Training
public import Updates

/// What everybody in a run must agree on: it is hashed, stored, and sent to each worker.
///
/// Paths, ports and whatever else differs between machines is not part of it, so that the same
/// plan in one process and over a network ends with the same bits.
public struct RunPlan: Hashable, Codable, Sendable {
  /// The run's name.
  public var run: RunID
  /// Where all of the run's randomness starts.
  public var seed: UInt64
  /// The shape of the adapter; its frozen factors are made from its own seed.
  public var adapter: AdapterConfiguration
  /// How a row of data becomes a prompt and a completion; nil when its columns are called that.
  public var data: DataPlan?
  /// How a worker trains in a round.
  public var training: TrainingPlan
  /// How updates travel, and what the coordinator does with their mean.
  public var updates: UpdatePlan
  /// When rounds open and close, and how many versions there will be.
  public var rounds: RoundRules
  /// In what precision frozen weights are multiplied; nil for what is fastest on each machine and
  /// precise enough for the training.
  public var compute: ComputeMode?
  /// The fewer bits that all make of the weights of linear layers; nil for as many as are stored.
  public var quantization: Quantization?
  /// The most bytes that a worker's step of training may take, unless the worker says another limit;
  /// nil for as many as are useful.
  public var workerMemory: Int?

  /// A plan of all its parts.
  public init(
    run: RunID, seed: UInt64, adapter: AdapterConfiguration, data: DataPlan?,
    training: TrainingPlan, updates: UpdatePlan, rounds: RoundRules,
    compute: ComputeMode? = nil, quantization: Quantization? = nil, workerMemory: Int? = nil
  ) {
    self.run = run
    self.seed = seed
    self.adapter = adapter
    self.data = data
    self.training = training
    self.updates = updates
    self.rounds = rounds
    self.compute = compute
    self.quantization = quantization
    self.workerMemory = workerMemory
  }

  /// The plan as JSON with sorted keys: equal plans have equal bytes.
  public func canonicalBytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }

  /// A plan from its canonical bytes.
  public init(canonicalBytes bytes: [UInt8]) throws {
    do {
      self = try JSONDecoder().decode(RunPlan.self, from: Data(bytes))
    } catch {
      throw FederationError.unreadablePlan("\(error)")
    }
  }

  /// The SHA-256 of the canonical bytes.
  public func digest() throws -> Digest { Digest(of: try canonicalBytes()) }
}

/// How updates travel up and down, and what the coordinator does with their mean.
public struct UpdatePlan: Hashable, Codable, Sendable {
  /// The codec of what workers send once the first versions are made.
  public var up: UpdateCodec
  /// The codec of what workers send while the version is below `openingVersionCount`: most of
  /// what there is to learn at first does not fit a sparse update.
  public var opening: UpdateCodec
  /// How many versions the opening lasts.
  public var openingVersionCount: Int
  /// The codec of what the coordinator sends.
  public var down: UpdateCodec
  /// What the coordinator does with the mean of a round's updates.
  public var server: ServerOptimizerRule
  /// How the steps travel that were taken along directions.
  public var steps: StepTravel

  /// An update plan of all its parts.
  public init(
    up: UpdateCodec, opening: UpdateCodec, openingVersionCount: Int, down: UpdateCodec,
    server: ServerOptimizerRule, steps: StepTravel = .asChanges
  ) {
    self.steps = steps
    self.up = up
    self.opening = opening
    self.openingVersionCount = openingVersionCount
    self.down = down
    self.server = server
  }

  /// The codec of an update that is learned from `version`.
  public func upCodec(from version: Int) -> UpdateCodec {
    version < openingVersionCount ? opening : up
  }
}

/// How steps along directions travel, of workers that learn by losses alone.
public enum StepTravel: String, Codable, Sendable {
  /// By the change of the adapter that they make, in the codecs of changes.
  case asChanges = "changes"
  /// As they are, from the workers; what is made of them is sent in the codec of changes.
  case up
  /// As they are, both ways: a version is the list of all its contributions' steps.
  case upAndDown = "up-and-down"
}

/// How a row of data becomes a prompt and a completion.
public struct DataPlan: Hashable, Codable, Sendable {
  /// The prompt's template, with the names of columns in braces.
  public var prompt: String
  /// The completion's template.
  public var completion: String

  /// A plan of both.
  public init(prompt: String, completion: String) {
    self.prompt = prompt
    self.completion = completion
  }
}
