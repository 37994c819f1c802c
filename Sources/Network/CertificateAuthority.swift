// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
public import Federation
public import Rounds

/// From when to when a certificate holds.
public struct Validity: Hashable, Sendable {
  /// The first moment.
  public let notBefore: RunTime
  /// The last moment.
  public let notAfter: RunTime

  /// The `dayCount` days after `start`.
  public init(from start: RunTime, dayCount: Int) {
    notBefore = start
    notAfter = start + .seconds(86_400 * dayCount)
  }

  /// `count` days from now on, and a little before.
  public static func days(_ count: Int) -> Validity { lasting(.seconds(86_400 * count)) }

  /// From `now` on for `duration`, and a tenth of that before, at most an hour: for machines whose
  /// clocks are slow.
  public static func lasting(_ duration: Duration, from now: RunTime = .now) -> Validity {
    let before = min(duration / 10, .seconds(3600))
    return Validity(notBefore: now + (.zero - before), notAfter: now + duration)
  }

  private init(notBefore: RunTime, notAfter: RunTime) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// Who may take part in a run: a folder with the key that signs all certificates.
///
/// The folder holds `authority.pem` and `authority.key`, `coordinator.pem` and `coordinator.key`,
/// the `registry.json` of who was invited and who has a certificate, and below `workers` one
/// folder for each worker whose certificate was made here, to be copied to its machine as it is.
public struct CertificateAuthority: Sendable {
  /// Where the authority's files are.
  public let folder: String
  private let passphrase: Passphrase?

  /// Opens what `create` made; the passphrase is that of the authority's key, if it has one.
  public init(folder: String, passphrase: Passphrase? = nil) throws(NetworkError) {
    self.init(in: folder, passphrase)
    _ = try signer()
  }

  private init(in folder: String, _ passphrase: Passphrase?) {
    self.folder = folder
    self.passphrase = passphrase
  }

  /// Makes an authority and its coordinator's certificate in `folder`, which must not exist or be
  /// empty.
  ///
  /// - Parameters:
  ///   - names: the DNS names and IP addresses under which workers reach the coordinator.
  ///   - passphrase: encrypts the authority's key.
  @discardableResult
  public static func create(
    in folder: String, names: [String], authority authorityValidity: Validity = .days(3650),
    coordinator coordinatorValidity: Validity = .days(365), passphrase: Passphrase? = nil
  ) throws(NetworkError) -> CertificateAuthority {
    guard !names.isEmpty else { throw .noHostNames }
    let authorityKey = try PrivateKey()
    let authority = try CertificateTemplate(
      commonName: "Tern authority", role: .authority, validity: authorityValidity
    ).signed(for: authorityKey, by: nil)
    let key = try PrivateKey()
    let coordinator = try CertificateTemplate(
      commonName: "coordinator", role: .coordinator, validity: coordinatorValidity,
      alternativeNames: try alternativeNames(names)
    ).signed(for: key, by: Signer(certificate: authority, key: authorityKey))
    try writeFolder(
      folder,
      files: [
        NewFile(
          name: "authority.key", bytes: try authorityKey.pem(passphrase: passphrase),
          isSecret: true),
        NewFile(name: "authority.pem", bytes: try authority.pem()),
        NewFile(name: "coordinator.key", bytes: try key.pem(), isSecret: true),
        NewFile(name: "coordinator.pem", bytes: try coordinator.pem()),
      ])
    return CertificateAuthority(in: folder, passphrase)
  }

  /// Makes a key and a certificate for the worker `name`.
  ///
  /// - Returns: The worker's folder; it holds all that the worker needs.
  @discardableResult
  public func issue(
    _ name: String, validity: Validity = .days(30)
  ) throws(NetworkError) -> String {
    guard let worker = WorkerID(rawValue: name) else { throw .workerName(name) }
    let signer = try signer()
    let key = try PrivateKey()
    let certificate = try CertificateTemplate(
      commonName: worker.rawValue, role: .worker, validity: validity
    ).signed(for: key, by: signer)
    let path = "\(folder)/workers/\(worker)"
    try writeFolder(
      path,
      files: [
        NewFile(name: "worker.key", bytes: try key.pem(), isSecret: true),
        NewFile(name: "worker.pem", bytes: try certificate.pem()),
        NewFile(name: "authority.pem", bytes: try signer.certificate.pem()),
      ])
    let issued = try IssuedCertificate(certificate, at: .now)
    try Registry(folder: folder).change { $0.record(issued, at: .now) }
    return path
  }

  /// Replaces the coordinator's certificate by one with the same key and names.
  public func renewCoordinator(validity: Validity = .days(365)) throws(NetworkError) {
    let path = coordinatorCredentials.certificatePath
    let names = try Certificate(path: path).alternativeNames()
    try renew(
      coordinatorCredentials,
      as: CertificateTemplate(
        commonName: "coordinator", role: .coordinator, validity: validity,
        alternativeNames: try alternativeNames(names)))
  }

  /// Replaces the certificate in the folder that `issue` made for the worker `name` by one with
  /// the same key; gives the folder.
  @discardableResult
  public func renew(
    _ name: String, validity: Validity = .days(30)
  ) throws(NetworkError) -> String {
    guard let worker = WorkerID(rawValue: name) else { throw .workerName(name) }
    let path = "\(folder)/workers/\(worker)"
    let credentials = Credentials(workerFolder: path)
    let registry = Registry(folder: folder)
    let serial = try Certificate(path: credentials.certificatePath).serial
    guard try !registry.read().isRevoked(name: name, serial: serial) else {
      throw .revokedWorker(name)
    }
    let certificate = try renew(
      credentials,
      as: CertificateTemplate(commonName: name, role: .worker, validity: validity))
    let issued = try IssuedCertificate(certificate, at: .now)
    try registry.change { $0.record(issued, at: .now) }
    return path
  }

  @discardableResult
  private func renew(
    _ credentials: Credentials, as template: CertificateTemplate
  ) throws(NetworkError) -> Certificate {
    let certificate = try template.signed(
      for: PrivateKey(path: credentials.keyPath), by: signer())
    try replaceFile(credentials.certificatePath, with: certificate.pem())
    return certificate
  }

  /// What the coordinator needs to serve.
  public var coordinatorCredentials: Credentials { Credentials(coordinatorFolder: folder) }

  func signer() throws(NetworkError) -> Signer { try Signer(folder: folder, passphrase) }
}

extension Signer {
  /// Reads and checks what signs in the authority's folder.
  init(folder: String, _ passphrase: Passphrase?) throws(NetworkError) {
    let path = "\(folder)/authority.pem"
    let keyPath = "\(folder)/authority.key"
    let certificate = try Certificate(path: path)
    try certificate.check(path: path, role: .authority, at: .now)
    let key: PrivateKey
    do throws(NetworkError) {
      key = try PrivateKey(path: keyPath, passphrase: passphrase)
    } catch .encryptedKey(let path) {
      throw .passphraseNeeded(path: path)
    }
    guard key.belongs(to: certificate) else {
      throw .keyMismatch(key: keyPath, certificate: path)
    }
    self.init(certificate: certificate, key: key)
  }
}

/// "DNS:example.org,IP:10.0.0.1", as OpenSSL reads it; refuses what could say anything else.
private func alternativeNames(_ names: [String]) throws(NetworkError) -> String {
  var entries: [String] = []
  for name in names {
    if isAddress(name) {
      entries.append("IP:\(name)")
    } else if isHostName(name) {
      entries.append("DNS:\(name)")
    } else {
      throw .hostName(name)
    }
  }
  return entries.joined(separator: ",")
}

/// Whether `name` is an IPv4 or IPv6 address in numbers.
func isAddress(_ name: String) -> Bool {
  guard let address = a2i_IPADDRESS(name) else {
    OpenSSLErrors.clear()
    return false
  }
  ASN1_OCTET_STRING_free(address)
  return true
}

/// Letters, digits and hyphens between dots, as RFC 1123, section 2.1, has it; no wildcards.
func isHostName(_ name: String) -> Bool {
  let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-".utf8)
  let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
  return name.utf8.count <= 253
    && labels.allSatisfy { label in
      (1...63).contains(label.count) && label.allSatisfy(letters.contains)
        && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
    }
    // Digits and dots alone would be an address that is none.
    && !(labels.last?.allSatisfy { (0x30...0x39).contains($0) } ?? true)
}
