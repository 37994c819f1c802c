// SPDX-License-Identifier: Apache-2.0
package import Files
package import Rounds
package import Tensors
internal import Updates

extension Coordinator {
  /// What a simulator looks at to see that all is well.
  package struct Inspection {
    /// The engine as it is now.
    package let engine: RoundEngine
    /// What the workers hold.
    package let replica: ParameterVector
    /// The last contribution of each worker that is part of the adapter.
    package let accepted: [WorkerID: Contribution]
    /// How many connections are remembered.
    package let sessionCount: Int
  }

  /// What is behind the coordinator's decisions.
  package var inspection: Inspection {
    Inspection(
      engine: engine, replica: server.replica, accepted: server.accepted,
      sessionCount: sessions.all.count)
  }
}

extension Worker {
  /// What a simulator looks at to see that all is well.
  package struct Inspection {
    /// What earlier messages left out.
    package let residual: ParameterVector
    /// The contribution whose fate is not known yet.
    package let pending: Pending?

    /// A contribution whose fate is not known yet.
    package struct Pending {
      /// The version it was learned from.
      package let baseVersion: Int
      /// The encoded update.
      package let payload: Payload
      /// The residual if the contribution becomes part of the adapter.
      package let residual: ParameterVector
    }
  }

  /// What is behind the worker's decisions.
  package var inspection: Inspection {
    Inspection(
      residual: memory.residual,
      pending: memory.pending.map {
        Inspection.Pending(
          baseVersion: $0.baseVersion, payload: $0.payload,
          residual: $0.residual)
      })
  }
}

extension StepCoordinator {
  /// What a simulator looks at to see that all is well.
  package struct Inspection {
    /// The engine as it is now.
    package let engine: StepEngine
  }

  /// What is behind the coordinator's decisions.
  package var inspection: Inspection { Inspection(engine: engine) }
}

extension StepWorker {
  /// Changes a bit of the replica, as a fault of memory would; false if it holds none of its own.
  package mutating func flipBit() -> Bool {
    guard held != nil else { return false }
    tamper()
    return true
  }
}
