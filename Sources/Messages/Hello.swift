// SPDX-License-Identifier: Apache-2.0
public import Digests
public import Files

/// A worker's first message: the versions it speaks, the model it holds, the machine it is.
///
/// Its name is not among them: that is what its certificate says.
public struct Hello: Hashable, Sendable {
  /// The version of the protocol; see `Schema.protocolVersion`.
  public let protocolVersion: Int
  /// The digest of the schema the worker was built with; see `Schema.digest`.
  public let schema: Digest
  /// The program's name and version, for the log.
  public let software: String
  /// The digest of the frozen model.
  public let model: Digest
  /// The digest of the adapter's layout, when the worker knows it from an earlier connection.
  public let layout: Digest?
  /// The version of the adapter that the worker still holds.
  public let heldVersion: Int?
  /// The digest of the adapter that the worker still holds.
  public let heldState: Digest?
  /// The memory of the machine.
  public let memoryByteCount: UInt64
  /// The processors of the machine; at least 1.
  public let coreCount: Int
  /// The examples the worker has to learn from; 0 when it cannot know before the welcome.
  public let exampleCount: Int
  /// What arrived of an adapter before a connection was lost.
  public let part: PayloadInbox.Part?
  /// The digest of the file that the worker learns from: equal where data are; nil if it is not told.
  public let data: Digest?

  /// A worker's introduction.
  public init(
    protocolVersion: Int = Schema.protocolVersion, schema: Digest = Schema.digest, software: String,
    model: Digest, layout: Digest?, heldVersion: Int?, heldState: Digest?,
    memoryByteCount: UInt64, coreCount: Int, exampleCount: Int, part: PayloadInbox.Part? = nil,
    data: Digest? = nil
  ) {
    self.protocolVersion = protocolVersion
    self.schema = schema
    self.software = software
    self.model = model
    self.layout = layout
    self.heldVersion = heldVersion
    self.heldState = heldState
    self.memoryByteCount = memoryByteCount
    self.coreCount = coreCount
    self.exampleCount = exampleCount
    self.part = part
    self.data = data
  }
}
