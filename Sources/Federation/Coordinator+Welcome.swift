// SPDX-License-Identifier: Apache-2.0
internal import Messages
internal import Rounds
internal import Tensors

// What every kind of coordinator says to who comes.

extension Coordinator.Identity {
  /// Why a worker cannot take part; nil if it can.
  func refusal(of hello: Hello) -> Refusal? {
    // Schemas may differ within a version: proto/README.md says how.
    if hello.protocolVersion != Schema.protocolVersion {
      return Refusal(
        code: .protocolVersion,
        reason: "this worker speaks version \(hello.protocolVersion) of the protocol, the "
          + "coordinator version \(Schema.protocolVersion); install the same tern on both",
        retryable: false)
    }
    if hello.model != model {
      return Refusal(
        code: .model,
        reason: "this worker has model \(hello.model), the coordinator has model "
          + "\(model); give both the same checkpoint",
        retryable: false)
    }
    return nil
  }

  /// The answer to a worker that takes part.
  func welcome(to run: RunID) -> Welcome {
    Welcome(
      run: run, configuration: planBytes, configurationDigest: planDigest, layout: layout.digest,
      heartbeatInterval: heartbeatInterval, silenceLimit: silenceLimit)
  }
}

extension Coordinator {
  /// What becomes of a connection whose worker cannot take part.
  static func turningAway(
    _ worker: WorkerID, on connection: ConnectionID, with refusal: Refusal
  ) -> [Output] {
    [
      .report(.refused(name: worker.rawValue, reason: refusal.reason)),
      .send(connection, .refused(refusal)), .close(connection, reason: refusal.reason),
    ]
  }

  /// What becomes of a connection when its worker has a newer one.
  static func replacing(
    _ connection: ConnectionID, of worker: WorkerID, from address: String
  ) -> [Output] {
    let reason = "a newer connection of \(worker) from \(address) took its place"
    return [
      .send(connection, .refused(Refusal(code: .replaced, reason: reason, retryable: false))),
      .close(connection, reason: reason), .report(.left(worker, reason: reason)),
    ]
  }
}
