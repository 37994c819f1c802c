// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Messages
internal import Rounds

extension Coordinator.Input {
  /// A number for the history.
  var code: Int {
    switch self {
    case .opened(let connection, _, _, _, _): connection.number << 4 | 1
    case .received(let connection, .contribution(let upload)):
      connection.number << 32 | upload.contribution.round & 0xFFFF << 8 | 2
    case .received(let connection, _): connection.number << 4 | 3
    case .closed(let connection, _): connection.number << 4 | 4
    case .woke: 5
    case .evaluated: 6
    case .stopped: 7
    }
  }

  /// A few words for the history.
  var text: String {
    switch self {
    case .opened(let connection, let worker, _, let hello, _):
      "\(connection.number): hello of \(worker), holding version "
        + (hello.heldVersion.map { "\($0)" } ?? "none")
    case .received(let connection, .contribution(let upload)):
      "\(connection.number): contribution of \(upload.contribution.worker) to round "
        + "\(upload.contribution.round) from version \(upload.contribution.baseVersion), "
        + "payload \(upload.contribution.payload.short)"
    case .received(let connection, .failed(let round, let reason)):
      "\(connection.number): failure in round \(round): \(reason)"
    case .received(let connection, .losses(let report)):
      "\(connection.number): losses of step \(report.step) at version \(report.baseVersion)"
    case .received(let connection, .heartbeat): "\(connection.number): heartbeat"
    case .received(let connection, .hello): "\(connection.number): a second hello"
    case .received(let connection, .farewell): "\(connection.number): farewell"
    case .received(let connection, .renewal): "\(connection.number): renewal"
    case .closed(let connection, let reason): "\(connection.number) closed: \(reason)"
    case .woke: "woke"
    case .evaluated(let version, _, _, _): "version \(version) is measured"
    case .stopped(let reason): "stop: \(reason)"
    }
  }

}

extension CoordinatorMessage {
  /// A few words for the history.
  var text: String {
    switch self {
    case .welcome: "welcome"
    case .refused(let refusal): "refused: \(refusal.reason)"
    case .assignment(let assignment):
      "round \(assignment.round) from version \(assignment.baseVersion), "
        + (assignment.adapter.map { "with \($0.baseVersion == nil ? "all" : "the change")" }
          ?? "which is there")
    case .step(let task):
      "step \(task.step) at version \(task.baseVersion), queries \(task.queries) \(task.signs), "
        + (task.history == nil ? "\(task.commits.count) commits" : "with a history")
    case .receipt(let receipt):
      "receipt of \(receipt.payload.short) in round \(receipt.round)"
        + (receipt.refusal.map { ", refused: \($0)" } ?? "")
    case .released(let round, let reason): "released from round \(round): \(reason)"
    case .finished(let finished): "finished with version \(finished.version)"
    case .heartbeat: "heartbeat"
    case .renewed: "renewed"
    }
  }
}
