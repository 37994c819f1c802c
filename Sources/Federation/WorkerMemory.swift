// SPDX-License-Identifier: Apache-2.0
package import Digests
internal import Files
package import Tensors
internal import Updates

/// What a worker must not forget between two rounds, nor when it is killed.
///
/// The residual belongs to one plan and layout. A message that was sent is kept, with the residual
/// as it will be if the message counts, until the worker learns whether it did: the coordinator
/// may ask for it again, and must then get the same bits.
package struct WorkerMemory: Equatable {
  /// A contribution whose fate is not known yet.
  package struct Pending: Equatable {
    let baseVersion: Int
    let exampleCount: Int
    let loss: Double
    let tokenCount: Int
    let nanoseconds: Int64
    let payload: Payload
    /// The residual if the contribution becomes part of the adapter.
    let residual: ParameterVector
  }

  /// The digest of the run's plan.
  let plan: Digest
  /// What earlier messages left out.
  var residual: ParameterVector
  var pending: Pending?

  init(plan: Digest, layout: ParameterLayout) {
    self.plan = plan
    self.residual = ParameterVector(zerosOf: layout)
  }

  /// Forgets everything: what is here is from another run of the same plan.
  mutating func reset() { self = WorkerMemory(plan: plan, layout: residual.layout) }

  /// The pending contribution became part of the adapter: what it left out remains.
  mutating func settle() {
    guard let pending else { return }
    residual = pending.residual
    self.pending = nil
  }

  /// The pending contribution did not count: all that it carried is still to be sent.
  mutating func restore(with codec: UpdateCodec) throws {
    guard let pending else { return }
    guard codec.needsResidual, try !DirectionsUpdate.begins(pending.payload) else {
      // What other machines of this worker never hear of must not count here either. Steps along
      // directions were right for the version that they were taken from, and are no residual.
      self.pending = nil
      return
    }
    var feedback = ErrorFeedback(residual: pending.residual)
    feedback.restore(try codec.decode(pending.payload, layout: residual.layout))
    residual = feedback.residual
    self.pending = nil
  }
}

extension WorkerMemory {
  private struct Header: Codable {
    struct Pending: Codable {
      var baseVersion: Int
      var exampleCount: Int
      var loss: Double
      var tokenCount: Int
      var nanoseconds: Int64
    }
    var plan: Digest
    var layout: Digest
    var pending: Pending?
  }

  /// A residual's bytes; none for one of zeros, which a worker that remembers nothing has.
  private static func part(_ residual: ParameterVector) -> [UInt8] {
    residual.isZero ? [] : floatBytes(residual.values)
  }

  /// The memory as bytes that know when they are damaged.
  package func encoded() throws -> [UInt8] {
    var header = Header(plan: plan, layout: residual.layout.digest, pending: nil)
    var parts = [Self.part(residual)]
    if let pending {
      header.pending = Header.Pending(
        baseVersion: pending.baseVersion, exampleCount: pending.exampleCount, loss: pending.loss,
        tokenCount: pending.tokenCount, nanoseconds: pending.nanoseconds)
      parts += [Self.part(pending.residual), try pending.payload.bytes()]
    }
    return try Archive(header: header, parts: parts).encoded()
  }

  /// The memory in `bytes`; nil when it is of another plan or layout and therefore of no use.
  package init?(
    decoding bytes: [UInt8], from place: String, plan: Digest, layout: ParameterLayout
  ) throws {
    let archive = try Archive<Header>(decoding: bytes, from: place)
    guard archive.header.plan == plan, archive.header.layout == layout.digest else { return nil }
    func vector(_ index: Int) throws -> ParameterVector {
      if archive.parts.indices.contains(index), archive.parts[index].isEmpty {
        return ParameterVector(zerosOf: layout)
      }
      guard archive.parts.indices.contains(index),
        let values = floats(from: archive.parts[index], count: layout.count)
      else { throw FederationError.damagedState("\(place) lacks part \(index)") }
      return ParameterVector(layout: layout, values: values)
    }
    self.plan = plan
    residual = try vector(0)
    guard let known = archive.header.pending else { return }
    guard archive.parts.count == 3 else {
      throw FederationError.damagedState("\(place) lacks its pending contribution")
    }
    pending = Pending(
      baseVersion: known.baseVersion, exampleCount: known.exampleCount, loss: known.loss,
      tokenCount: known.tokenCount, nanoseconds: known.nanoseconds,
      payload: Payload(archive.parts[2]),
      residual: try vector(1))
  }
}
