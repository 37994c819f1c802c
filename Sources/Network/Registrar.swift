// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Digests
public import Federation
internal import FoundationEssentials
internal import Messages
public import Rounds

/// Decides who gets a certificate, and whose holds no longer.
///
/// Needs the authority's folder, and for certificates its key; works on the disk, so call it off
/// the event loops.
public struct Registrar: Sendable {
  let folder: String
  private let passphrase: Passphrase?
  let registry: Registry

  /// The registrar of the authority in `folder`; the passphrase is that of its key, if it has one.
  ///
  /// - Throws: when the authority's certificate or registry cannot be read, or the passphrase is
  ///   wrong. A key that is not there, or encrypted without a passphrase, is no error until
  ///   something has to be signed.
  public init(folder: String, passphrase: Passphrase? = nil) throws(NetworkError) {
    self.folder = folder
    self.passphrase = passphrase
    registry = Registry(folder: folder)
    _ = try Certificate(path: "\(folder)/authority.pem")
    _ = try registry.read()
    if let passphrase, hasKey { _ = try Signer(folder: folder, passphrase) }
  }

  /// Why nothing can be signed here; nil when it can.
  public var signingObstacle: String? {
    guard hasKey else { return "the authority's key is kept elsewhere" }
    do throws(NetworkError) {
      _ = try Signer(folder: folder, passphrase)
      return nil
    } catch .passphraseNeeded {
      return "the authority's key is encrypted, and no passphrase was given"
    } catch {
      return "\(error)"
    }
  }

  private var hasKey: Bool { Registry.Stamp(path: "\(folder)/authority.key") != nil }

  /// Makes an invitation for the worker `name`, in the place of an earlier one that is not used.
  ///
  /// - Parameters:
  ///   - host: under what name or address the worker reaches the coordinator: one of those of the
  ///     coordinator's certificate, by default the first.
  ///   - duration: how long the invitation holds.
  ///   - validity: how long the worker's certificate holds.
  public func invite(
    _ name: String, host: String? = nil, port: Int, for duration: Duration = .seconds(86_400),
    validity: Duration = .seconds(30 * 86_400), at now: RunTime = .now
  ) throws(NetworkError) -> Invitation {
    guard let worker = WorkerID(rawValue: name) else { throw .workerName(name) }
    guard let authority = try Certificate(path: "\(folder)/authority.pem").fingerprint else {
      throw .malformed(path: "\(folder)/authority.pem", expected: "a certificate")
    }
    let invitation = Invitation(
      name: worker, host: try servedHost(host), port: port, authority: authority,
      expires: now + duration, secret: try randomSecret())
    let invited = RegistryContents.Invited(
      secret: invitation.secretDigest, name: name, expires: invitation.expires,
      validSeconds: Int(validity.components.seconds))
    try registry.change { $0.invite(invited, at: now) }
    return invitation
  }

  /// `host`, or the first of the names of the coordinator's certificate.
  private func servedHost(_ host: String?) throws(NetworkError) -> String {
    let path = Credentials(coordinatorFolder: folder).certificatePath
    let names = try Certificate(path: path).alternativeNames()
    guard let first = names.first else { throw .noHostNames }
    guard let host else { return first }
    guard names.contains(where: { $0.lowercased() == host.lowercased() }) else {
      throw .hostNotServed(host, names: names)
    }
    return host
  }

  /// Takes back all certificates and invitations of `name`; a new invitation lets it in again.
  public func revoke(_ name: String, at now: RunTime = .now) throws(NetworkError) {
    var isKnown = false
    try registry.change { isKnown = $0.revoke(name, at: now) }
    guard isKnown else { throw .unknownWorker(name) }
  }
}

// MARK: What a coordinator does for others

extension Registrar {
  /// Makes a newcomer a worker: the invitation is used, on the disk, when this returns.
  ///
  /// Who repeats the same request, since the answer was lost, gets the same answer.
  /// - Throws: `EnrolmentRefusal`, or what the disk or OpenSSL says.
  func enrol(_ enrolment: Enrolment, at now: RunTime = .now) throws -> Grant {
    let request = try SigningRequest(der: enrolment.request)
    return try registry.update { contents throws in
      guard let index = contents.indexOfInvitation(secret: Digest(of: enrolment.secret)) else {
        throw EnrolmentRefusal.unknownInvitation
      }
      let invited = contents.invitations[index]
      if let key = invited.usedWith, key != request.keyDigest {
        throw EnrolmentRefusal.usedInvitation(name: invited.name)
      }
      if invited.isWithdrawn { throw EnrolmentRefusal.withdrawnInvitation(name: invited.name) }
      if invited.expires < now {
        throw EnrolmentRefusal.expiredInvitation(name: invited.name, at: invited.expires.inWords)
      }
      let certificate = try certificate(
        of: invited.name, for: request, validity: .seconds(invited.validSeconds), in: &contents,
        at: now)
      contents.invitations[index].usedWith = request.keyDigest
      return Grant(
        certificate: Array(certificate.der),
        authority: try Certificate(path: "\(folder)/authority.pem").der())
    }
  }

  /// Follows the certificate with `serial` of the worker `name` by a new one that holds as long.
  ///
  /// - Throws: `EnrolmentRefusal`, or what the disk or OpenSSL says.
  func renew(
    _ name: String, serial: String, request: [UInt8], at now: RunTime = .now
  ) throws -> IssuedCertificate {
    let request = try SigningRequest(der: request)
    return try registry.update { contents throws in
      guard !contents.isRevoked(name: name, serial: serial) else {
        throw EnrolmentRefusal.revoked(name: name)
      }
      let validity = contents.certificate(serial: serial)?.validity ?? .seconds(30 * 86_400)
      return try certificate(
        of: name, for: request, validity: validity, in: &contents, at: now)
    }
  }

  /// The last certificate for the same key while it is fresh, else a new one.
  private func certificate(
    of name: String, for request: SigningRequest, validity: Duration,
    in contents: inout RegistryContents, at now: RunTime
  ) throws -> IssuedCertificate {
    if let issued = contents.certificate(of: name, key: request.keyDigest),
      issued.isFresh(at: now)
    {
      return issued
    }
    if let obstacle = signingObstacle { throw EnrolmentRefusal.authorityAway(obstacle) }
    let certificate = try CertificateTemplate(
      commonName: name, role: .worker, validity: .lasting(validity, from: now)
    ).signed(for: request, by: Signer(folder: folder, passphrase))
    let issued = try IssuedCertificate(certificate, at: now)
    contents.record(issued, at: now)
    return issued
  }
}
