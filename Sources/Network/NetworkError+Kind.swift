// SPDX-License-Identifier: Apache-2.0

extension NetworkError {
  /// Whether it is about a file, a name or a certificate of this side.
  public var isAboutFiles: Bool {
    switch self {
    case .unreadable, .unwritable, .alreadyExists, .malformed, .exposedKey, .encryptedKey,
      .wrongPassphrase, .noPassphrase, .passphraseNeeded, .damagedRegistry, .unknownWorker,
      .revokedWorker, .hostNotServed, .damagedInvitation, .folderOfAnother, .keyMismatch, .expired,
      .notYetValid, .wrongRole, .foreignCertificate, .workerName, .hostName,
      .noHostNames:
      true
    default: false
    }
  }

  /// Whether it is about a connection that may go better the next time.
  public var mayPass: Bool {
    switch self {
    case .cannotConnect, .handshakeTimeout, .closedDuringHandshake, .truncated, .connectionLost,
      .closed, .enrolmentTimeout, .refusedByPeer:
      true
    case .enrolmentRefused(_, let isRetryable): isRetryable
    default: false
    }
  }

  /// Whether one side refused to talk to the other.
  public var isRefusal: Bool {
    switch self {
    case .untrustedPeer, .certificateRefused, .noEnrolment: true
    case .enrolmentRefused(_, let isRetryable): !isRetryable
    default: false
    }
  }
}

extension TLSClient {
  /// A certificate that one side refused is refused again.
  public func isPermanent(_ error: any Error) -> Bool {
    guard let error = error as? NetworkError else { return false }
    return error.isRefusal || error.isAboutFiles
  }
}
