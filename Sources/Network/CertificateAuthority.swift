// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Federation
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

  /// From an hour ago, for machines whose clocks are slow, to `count` days ahead.
  public static func days(_ count: Int) -> Validity {
    let now = RunTime.now
    return Validity(notBefore: now + .seconds(-3600), notAfter: now + .seconds(86_400 * count))
  }

  private init(notBefore: RunTime, notAfter: RunTime) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }
}

/// Who may take part in a run: a folder with the key that signs all certificates.
///
/// The folder holds `authority.pem` and `authority.key`, `coordinator.pem` and `coordinator.key`,
/// and below `workers` one folder for each worker, to be copied to its machine as it is.
public struct CertificateAuthority: Sendable {
  /// Where the authority's files are.
  public let folder: String

  /// Opens what `create` made.
  public init(folder: String) throws(NetworkError) {
    self.folder = folder
    _ = try signer()
  }

  private init(createdIn folder: String) { self.folder = folder }

  /// Makes an authority and its coordinator's certificate in `folder`, which must not exist or be
  /// empty.
  ///
  /// - Parameter names: the DNS names and IP addresses under which workers reach the coordinator.
  @discardableResult
  public static func create(
    in folder: String, names: [String], authority authorityValidity: Validity = .days(3650),
    coordinator coordinatorValidity: Validity = .days(365)
  ) throws(NetworkError) -> CertificateAuthority {
    guard !names.isEmpty else { throw .noHostNames }
    let alternatives = try alternativeNames(names)
    let authorityKey = try PrivateKey()
    let authority = try CertificateTemplate(
      commonName: "Tern authority", role: .authority, validity: authorityValidity
    ).signed(for: authorityKey, by: nil)
    let key = try PrivateKey()
    let coordinator = try CertificateTemplate(
      commonName: "coordinator", role: .coordinator, validity: coordinatorValidity,
      alternativeNames: alternatives
    ).signed(for: key, by: Signer(certificate: authority, key: authorityKey))
    try writeFolder(
      folder,
      files: [
        NewFile(name: "authority.key", bytes: try authorityKey.pem(), isSecret: true),
        NewFile(name: "authority.pem", bytes: try authority.pem()),
        NewFile(name: "coordinator.key", bytes: try key.pem(), isSecret: true),
        NewFile(name: "coordinator.pem", bytes: try coordinator.pem()),
      ])
    return CertificateAuthority(createdIn: folder)
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
    return path
  }

  /// What the coordinator needs to serve.
  public var coordinatorCredentials: Credentials { Credentials(coordinatorFolder: folder) }

  /// All certificates of the folder: the authority's, the coordinator's, the workers' by name.
  public func certificates() throws(NetworkError) -> [CertificateSummary] {
    var paths = ["\(folder)/authority.pem", "\(folder)/coordinator.pem"]
    let workers = "\(folder)/workers"
    if try namesInFolder(folder).contains("workers") {
      for name in try namesInFolder(workers) where WorkerID(rawValue: name) != nil {
        paths.append("\(workers)/\(name)/worker.pem")
      }
    }
    var summaries: [CertificateSummary] = []
    for path in paths { summaries.append(try CertificateSummary(path: path)) }
    return summaries
  }

  private func signer() throws(NetworkError) -> Signer {
    let path = "\(folder)/authority.pem"
    let keyPath = "\(folder)/authority.key"
    let certificate = try Certificate(path: path)
    try certificate.check(path: path, role: .authority, at: .now)
    let key = try PrivateKey(path: keyPath)
    guard key.belongs(to: certificate) else {
      throw .keyMismatch(key: keyPath, certificate: path)
    }
    return Signer(certificate: certificate, key: key)
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
