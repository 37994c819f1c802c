// SPDX-License-Identifier: Apache-2.0
internal import CMessages
public import Digests

/// The schema of the messages, `proto/tern.proto`, that this program was built with.
public enum Schema {
  /// The version of the protocol; sides of different versions do not talk.
  public static let protocolVersion = 3

  /// The digest of the schema without its comments and blank space.
  public static let digest: Digest = {
    guard let digest = Digest(hex: TERN_SCHEMA_DIGEST) else {
      preconditionFailure("the schema's digest is '\(TERN_SCHEMA_DIGEST)', not 64 digits")
    }
    return digest
  }()
}
