// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Federation
internal import Glibc
public import Logging
internal import Messages
internal import NIOCore
internal import Rounds

/// Makes a worker's folder from an invitation: the key is made here, and never leaves.
///
/// The folder holds `worker.pem`, `worker.key` and `authority.pem`, as one that was issued, and
/// `joined`, which says by which invitation. While the certificate is not there yet, the key is in
/// `joining.key`: whoever is interrupted goes on with the same one.
public struct Joining: Sendable {
  /// The invitation.
  public let invitation: Invitation
  /// The worker's folder.
  public let folder: String

  /// What joining with `invitation` leaves in `folder`.
  public init(_ invitation: Invitation, folder: String) {
    self.invitation = invitation
    self.folder = folder
  }

  /// What a connection needs.
  public var credentials: Credentials { Credentials(workerFolder: folder) }

  /// Whether this invitation was used in this folder before, and the certificate still holds.
  ///
  /// - Throws: when it has expired meanwhile, or the folder is another worker's.
  public func isDone() throws(NetworkError) -> Bool {
    guard exists("worker.pem") else { return false }
    let name = try CertificateSummary(path: credentials.certificatePath).name
    guard name == invitation.name.rawValue else {
      throw .folderOfAnother(path: folder, name: name, invited: invitation.name.rawValue)
    }
    guard exists("joined"), try readSmallFile("\(folder)/joined") == mark else { return false }
    do {
      _ = try TLSContext(credentials)
      return true
    } catch .keyMismatch where exists("joining.key") {
      // Interrupted between the certificate and its key.
      return false
    }
  }

  /// Asks the coordinator for a certificate, once, and puts it into the folder.
  ///
  /// - Throws: `NetworkError.enrolmentRefused` with the coordinator's reason; what went wrong on the
  ///   way, which trying again may mend.
  public func join(settings: NetworkSettings = .init(), logger: Logger) async throws {
    let key = try pendingKey()
    let context = try TLSContext(pinnedTo: invitation.authority)
    let place = try Place(host: invitation.host, port: invitation.port)
    let request = Enrolment(
      secret: invitation.secret, request: try SigningRequest.der(for: key),
      software: softwareVersion)
    let connection = try await place.connect(context, settings: settings)
    let answer = try await within(settings.enrolmentTimeout) {
      try await connection.run { peer, bytes in
        guard peer.isNewcomer else { throw NetworkError.noEnrolment }
        let session = connection.session(
          name: peer.name, reader: MessageReader<EnrolmentAnswer>(),
          writer: MessageWriter<Enrolment>(), bytes: bytes, logger: logger, failureLevel: .debug
        ) { _ in false }
        try await session.send(request)
        var incoming = session.incoming.makeAsyncIterator()
        return try await incoming.next()
      }
    }
    switch answer {
    case .granted(let grant): try install(grant, key)
    case .refused(let refusal):
      throw NetworkError.enrolmentRefused(
        reason: refusal.reason, isRetryable: refusal.retryable)
    case nil: throw NetworkError.truncated
    }
  }

  /// The key that a certificate is asked for: on the disk before anybody hears of it.
  private func pendingKey() throws(NetworkError) -> PrivateKey {
    let path = "\(folder)/joining.key"
    if exists("joining.key") { return try PrivateKey(path: path) }
    try makeFolders(above: "\(path)")
    let key = try PrivateKey()
    try replaceFile(path, with: key.pem())
    return key
  }

  /// The key comes last: until then the next try finds it, and asks for the same again.
  private func install(_ grant: Grant, _ key: PrivateKey) throws(NetworkError) {
    let authority = try Certificate(der: grant.authority)
    guard authority.fingerprint == invitation.authority else {
      throw .unusableCertificate("another authority signed it")
    }
    let certificate = try Certificate(der: grant.certificate)
    try credentials.check(certificate, key: key, authority: authority)
    guard certificate.commonName == invitation.name.rawValue else {
      throw .unusableCertificate("it is for '\(certificate.commonName ?? "")'")
    }
    try replaceFile("\(folder)/joined", with: mark)
    try replaceFile(credentials.authorityPath, with: authority.pem())
    try replaceFile(credentials.certificatePath, with: certificate.pem())
    guard rename("\(folder)/joining.key", credentials.keyPath) == 0 else {
      throw .unwritable(path: credentials.keyPath, reason: systemReason())
    }
  }

  private var mark: [UInt8] { Array("\(invitation.secretDigest)\n".utf8) }

  private func exists(_ name: String) -> Bool { access("\(folder)/\(name)", F_OK) == 0 }
}

/// Runs `body`, and cancels it when it takes longer than `limit`.
func within<Result: Sendable>(
  _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: limit)
      throw NetworkError.enrolmentTimeout(limit)
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() else { throw CancellationError() }
    return result
  }
}
