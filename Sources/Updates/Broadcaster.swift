// SPDX-License-Identifier: Apache-2.0
internal import Randomness
public import Tensors

/// The server's side of a compressed downlink: what its workers hold, as against what it has.
///
/// Each broadcast says how the adapter differs from the workers' replica. What compression leaves
/// out of one is in the difference that the next one begins with, so nothing is lost.
public struct Broadcaster: Hashable, Sendable {
  /// What every worker holds that has heard all broadcasts: the same bits.
  public private(set) var replica: ParameterVector

  /// A server whose workers hold `replica`.
  public init(replica: ParameterVector) { self.replica = replica }

  /// Encodes how `adapter` differs from the replica, and moves the replica by what is sent.
  ///
  /// What a codec that draws leaves out is in the next difference, so any one seed will do.
  /// A worker that adds the decoded update to its replica has the server's again.
  ///
  /// - Throws: as the codec does; the replica is what it was.
  /// - Precondition: the layouts are the same.
  public mutating func broadcast(
    _ adapter: ParameterVector, with codec: UpdateCodec
  ) throws(UpdateError) -> EncodedUpdate {
    var difference = adapter
    difference.add(replica, scaledBy: -1)
    let encoded = try codec.encode(difference, seed: Seed(0))
    replica.add(encoded.decoded)
    return encoded
  }
}
