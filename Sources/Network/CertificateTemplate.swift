// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import COpenSSLSystem

/// Who signs: the authority's certificate with its key.
struct Signer {
  let certificate: Certificate
  let key: PrivateKey
}

/// What a new certificate is to say.
struct CertificateTemplate {
  let commonName: String
  let role: CertificateRole
  let validity: Validity
  /// As OpenSSL's configuration files write them; empty for none.
  var alternativeNames = ""

  /// The certificate of `key`, signed by `signer`, or by the key itself for an authority.
  func signed(for key: PrivateKey, by signer: Signer?) throws(NetworkError) -> Certificate {
    try signed(for: key.handle, by: signer, with: signer?.key ?? key)
  }

  /// The certificate of the key of `request`, signed by `signer`; nothing else of it counts.
  func signed(
    for request: SigningRequest, by signer: Signer
  ) throws(NetworkError) -> Certificate {
    try signed(for: request.publicKey, by: signer, with: signer.key)
  }

  private func signed(
    for publicKey: OpaquePointer, by signer: Signer?, with signingKey: PrivateKey
  ) throws(NetworkError) -> Certificate {
    OpenSSLErrors.clear()
    guard let handle = X509_new() else { throw .library(OpenSSLErrors.drained().summary) }
    let certificate = Certificate(owning: handle)
    let issuer = signer?.certificate ?? certificate
    let isComplete =
      setSubject(of: handle) && setSerial(of: handle) && setTimes(of: handle)
      && tern_x509_set_version_3(handle) == 1
      && X509_set_issuer_name(handle, X509_get_subject_name(issuer.handle)) == 1
      && X509_set_pubkey(handle, publicKey) == 1
      && extensions.allSatisfy { add($0.nid, $0.value, to: handle, issuer: issuer.handle) }
      && X509_sign(handle, signingKey.handle, EVP_sha256()) > 0
    guard isComplete else { throw .library(OpenSSLErrors.drained().summary) }
    return certificate
  }

  /// RFC 5280, section 4.2.1; the authority's identifier needs the subject's before it.
  private var extensions: [(nid: Int32, value: String)] {
    let isAuthority = role == .authority
    var extensions: [(nid: Int32, value: String)] = [
      (NID_basic_constraints, isAuthority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE"),
      (NID_key_usage, isAuthority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"),
      (NID_subject_key_identifier, "hash"),
      (NID_authority_key_identifier, "keyid:always"),
    ]
    if !isAuthority {
      extensions.append((NID_ext_key_usage, role == .worker ? "clientAuth" : "serverAuth"))
    }
    if !alternativeNames.isEmpty {
      extensions.append((NID_subject_alt_name, alternativeNames))
    }
    return extensions
  }

  private func setSubject(of handle: OpaquePointer) -> Bool {
    X509_NAME_add_entry_by_NID(
      X509_get_subject_name(handle), NID_commonName, MBSTRING_FLAG,
      commonName, Int32(commonName.utf8.count), -1, 0) == 1
  }

  /// 128 random bits: no register of used serials is needed.
  private func setSerial(of handle: OpaquePointer) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 16)
    guard RAND_bytes(&bytes, Int32(bytes.count)) == 1 else { return false }
    guard let number = BN_bin2bn(bytes, Int32(bytes.count), nil) else { return false }
    defer { BN_free(number) }
    return BN_to_ASN1_INTEGER(number, X509_get_serialNumber(handle)) != nil
  }

  private func setTimes(of handle: OpaquePointer) -> Bool {
    guard let from = ASN1_TIME_adj(nil, time_t(validity.notBefore.seconds), 0, 0) else {
      return false
    }
    defer { ASN1_TIME_free(from) }
    guard let to = ASN1_TIME_adj(nil, time_t(validity.notAfter.seconds), 0, 0) else {
      return false
    }
    defer { ASN1_TIME_free(to) }
    return X509_set1_notBefore(handle, from) == 1 && X509_set1_notAfter(handle, to) == 1
  }

  private func add(
    _ nid: Int32, _ value: String, to handle: OpaquePointer, issuer: OpaquePointer
  ) -> Bool {
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer, handle, nil, nil, 0)
    guard let item = X509V3_EXT_conf_nid(nil, &context, nid, value) else { return false }
    defer { X509_EXTENSION_free(item) }
    return X509_add_ext(handle, item, -1) == 1
  }
}
