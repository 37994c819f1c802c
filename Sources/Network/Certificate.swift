// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem
internal import Digests
internal import Glibc
internal import Rounds

/// What a certificate allows its holder to be.
public enum CertificateRole: String, Codable, Sendable {
  /// Signs the certificates of all others.
  case authority
  /// Serves: extended key usage serverAuth.
  case coordinator
  /// Connects to a coordinator: extended key usage clientAuth.
  case worker

  /// The role with its article, for sentences.
  var indefinite: String { self == .authority ? "an authority's" : "a \(rawValue)'s" }
}

/// One X.509 certificate; its OpenSSL object is owned by this value and freed with it.
final class Certificate {
  let handle: OpaquePointer

  /// Takes ownership of `handle`.
  init(owning handle: OpaquePointer) { self.handle = handle }

  /// Reads the first certificate of a PEM file.
  convenience init(path: String) throws(NetworkError) {
    let bytes = try readSmallFile(path)
    let handle = withMemoryBIO(of: bytes) { PEM_read_bio_X509($0, nil, nil, nil) }
    OpenSSLErrors.clear()
    guard let handle else { throw .malformed(path: path, expected: "a certificate") }
    self.init(owning: handle)
  }

  /// Reads a certificate in DER form, with nothing behind it.
  convenience init(der: [UInt8]) throws(NetworkError) {
    let handle = der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
      var position = buffer.baseAddress
      guard let handle = d2i_X509(nil, &position, buffer.count) else { return nil }
      guard position == buffer.baseAddress.map({ $0 + buffer.count }) else {
        X509_free(handle)
        return nil
      }
      return handle
    }
    OpenSSLErrors.clear()
    guard let handle else { throw .malformedCertificate }
    self.init(owning: handle)
  }

  deinit { X509_free(handle) }

  /// The common name of the subject; nil unless there is exactly one well-formed one.
  var commonName: String? { Network.commonName(of: handle) }

  /// What its extensions allow; nil for nothing that Tern knows.
  var role: CertificateRole? { Network.role(of: handle) }

  /// The moment from which it is valid.
  var notBefore: RunTime? { moment(X509_get0_notBefore(handle)) }

  /// The last moment at which it is valid.
  var notAfter: RunTime? { end(of: handle) }

  /// The SHA-256 of its DER form.
  var fingerprint: Digest? {
    var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    guard X509_digest(handle, EVP_sha256(), &bytes, &count) == 1 else { return nil }
    return Digest(bytes: bytes.prefix(Int(count)))
  }

  /// The serial number in hexadecimal.
  var serial: String { serialNumber(of: handle) }

  /// The digest of its public key.
  var keyDigest: Digest? { publicKeyDigest(X509_get0_pubkey(handle)) }

  /// The DNS names and IP addresses that it is for, in the order in which it has them.
  func alternativeNames() throws(NetworkError) -> [String] {
    let lines = try bytesOfMemoryBIO { tern_write_alternative_names($0, handle) }
    return String(decoding: lines, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The DER form.
  func der() throws(NetworkError) -> [UInt8] {
    try bytesOfMemoryBIO { i2d_X509_bio($0, handle) }
  }

  /// Whether `authority` signed it.
  func isSigned(by authority: Certificate) -> Bool {
    defer { OpenSSLErrors.clear() }
    return X509_check_issued(authority.handle, handle) == X509_V_OK
      && X509_verify(handle, X509_get0_pubkey(authority.handle)) == 1
  }

  /// The PEM form.
  func pem() throws(NetworkError) -> [UInt8] {
    try bytesOfMemoryBIO { PEM_write_bio_X509($0, handle) }
  }

  /// Throws unless it is valid at `now` and for `expected`.
  func check(path: String, role expected: CertificateRole, at now: RunTime) throws(NetworkError) {
    guard let role else { throw .malformed(path: path, expected: "a certificate of Tern") }
    guard role == expected else { throw .wrongRole(path: path, role: role, expected: expected) }
    guard let notBefore, let notAfter else {
      throw .malformed(path: path, expected: "a certificate with times of validity")
    }
    if now < notBefore { throw .notYetValid(path: path, from: notBefore.inWords) }
    if notAfter < now { throw .expired(path: path, at: notAfter.inWords) }
  }
}

/// The subject's common name, if there is exactly one; `certificate` stays the caller's.
func commonName(of certificate: OpaquePointer) -> String? {
  guard let subject = X509_get_subject_name(certificate) else { return nil }
  let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
  guard index >= 0, X509_NAME_get_index_by_NID(subject, NID_commonName, index) < 0 else {
    return nil
  }
  let entry = X509_NAME_get_entry(subject, index)
  guard let string = X509_NAME_ENTRY_get_data(entry) else { return nil }
  var text: UnsafeMutablePointer<UInt8>?
  let count = ASN1_STRING_to_UTF8(&text, string)
  guard count > 0, let text else { return nil }
  defer { CRYPTO_free(text, #file, #line) }
  let bytes = UnsafeBufferPointer(start: text, count: Int(count))
  // Names go into logs and paths: printable ASCII only.
  guard bytes.count <= 64, bytes.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
  return String(decoding: bytes, as: UTF8.self)
}

/// What a certificate's extensions allow; `certificate` stays the caller's.
///
/// Without an extended key usage OpenSSL would accept it for everything; here it is for nothing.
func role(of certificate: OpaquePointer) -> CertificateRole? {
  if X509_check_ca(certificate) == 1 { return .authority }
  switch X509_get_extended_key_usage(certificate) {
  case UInt32(XKU_SSL_SERVER): return .coordinator
  case UInt32(XKU_SSL_CLIENT): return .worker
  default: return nil
  }
}

/// The last moment at which `certificate`, which stays the caller's, is valid.
func end(of certificate: OpaquePointer) -> RunTime? { moment(X509_get0_notAfter(certificate)) }

/// The serial number of `certificate`, which stays the caller's, in hexadecimal.
func serialNumber(of certificate: OpaquePointer) -> String {
  guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else { return "" }
  defer { BN_free(number) }
  guard let text = BN_bn2hex(number) else { return "" }
  defer { CRYPTO_free(text, #file, #line) }
  return String(cString: text).lowercased()
}

/// The SHA-256 of a public key as certificates hold it.
func publicKeyDigest(_ key: OpaquePointer?) -> Digest? {
  var bytes: UnsafeMutablePointer<UInt8>?
  let count = i2d_PUBKEY(key, &bytes)
  guard count > 0, let bytes else {
    OpenSSLErrors.clear()
    return nil
  }
  defer { CRYPTO_free(bytes, #file, #line) }
  return Digest(of: Array(UnsafeBufferPointer(start: bytes, count: Int(count))))
}

private func moment(_ time: UnsafePointer<ASN1_TIME>?) -> RunTime? {
  var parts = tm()
  guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
  let (nanoseconds, overflow) = Int64(timegm(&parts)).multipliedReportingOverflow(
    by: 1_000_000_000)
  return overflow ? nil : RunTime(nanoseconds: nanoseconds)
}

extension RunTime {
  /// Seconds since 1970, what is below dropped.
  var seconds: Int64 { nanoseconds / 1_000_000_000 }

  /// As in RFC 3339, in seconds: "2026-11-21T04:30:00Z".
  var inWords: String {
    var seconds = time_t(seconds)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 32)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
