// SPDX-License-Identifier: Apache-2.0

/// What a worker says to the coordinator.
public enum WorkerMessage: Hashable, Sendable {
  /// The first message of a connection: who this is and what it can do.
  case hello(Hello)
  /// The answer to an assignment.
  case contribution(Upload)
  /// The answer to a step's task.
  case losses(LossReport)
  /// This worker cannot answer the assignment of `round`, or the task of a step.
  case failed(round: Int, reason: String)
  /// This worker lives.
  case heartbeat(WorkerHeartbeat)
  /// This worker leaves and will not come back by itself.
  case farewell(reason: String)
  /// This worker's certificate is to be followed by a new one for the key of `request`, a
  /// PKCS#10 request in DER form.
  case renewal(request: [UInt8])
}

/// A sign of life of a worker, with what it is doing.
public struct WorkerHeartbeat: Hashable, Sendable {
  /// How far local training is.
  public struct Activity: Hashable, Sendable {
    /// The round that is trained for.
    public let round: Int
    /// Steps done.
    public let step: Int
    /// Steps in all; at least `step`.
    public let stepCount: Int

    /// `step` of `stepCount` steps of `round` are done.
    public init(round: Int, step: Int, stepCount: Int) {
      self.round = round
      self.step = step
      self.stepCount = stepCount
    }
  }

  /// The number of the beat on this connection.
  public let sequence: UInt64
  /// What the worker is training; nil when it waits.
  public let activity: Activity?

  /// Beat number `sequence`.
  public init(sequence: UInt64, activity: Activity? = nil) {
    self.sequence = sequence
    self.activity = activity
  }
}
