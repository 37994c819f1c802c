// SPDX-License-Identifier: Apache-2.0
internal import Digests
internal import Federation
internal import Network
internal import RunFiles
internal import Training

func decodeData(_ bytes: [UInt8]) {
  let template = accepted { try DataTemplate(prompt: "{text} {{}}", completion: " {label}") }
  for template in [nil, template] {
    guard let file = accepted({ try DataFile(bytes: bytes, name: "data", template: template) })
    else { continue }
    precondition(!file.rows.isEmpty, "a data file without rows")
  }
}

func decodeRunFile(_ bytes: [UInt8]) {
  withFile(bytes) { path in
    guard let file = accepted({ try RunFile(path: path) }) else { return }
    let again = accepted { try RunPlan(canonicalBytes: file.plan.canonicalBytes()) }
    precondition(again == file.plan, "a plan that changes when it is sent")
  }
}

func decodePlan(_ bytes: [UInt8]) {
  guard let plan = accepted({ try RunPlan(canonicalBytes: bytes) }) else { return }
  guard let sent = accepted({ try plan.canonicalBytes() }) else { return }
  precondition(accepted { try RunPlan(canonicalBytes: sent) } == plan, "a plan that changes")
}

/// The input is a certificate and its key in PEM form, or, after a zero, a certificate in DER form:
/// what is wrong in a certificate is found sooner without the armour.
func decodeCertificates(_ bytes: [UInt8]) {
  if bytes.first == 0 {
    let armoured = pem(of: Array(bytes.dropFirst()))
    withFile(armoured) { path in _ = accepted { try CertificateSummary(path: path) } }
    return
  }
  let names = ["authority.pem", "authority.key"]
  let input = zip(names, files(of: bytes, limit: 2)).map { (name: $0.0, bytes: $0.1) }
  withFolder(input) { folder in
    _ = accepted { try CertificateSummary(path: "\(folder)/authority.pem") }
    _ = accepted { try CertificateAuthority(folder: folder) }
  }
}

private func pem(of bytes: [UInt8]) -> [UInt8] {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var text: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start...].prefix(3)
    let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
    for place in 0..<4 {
      text.append(
        place <= group.count
          ? digits[Int(bits >> (18 - 6 * UInt32(place)) & 63)] : UInt8(ascii: "="))
    }
    if text.count % 65 == 64 { text.append(UInt8(ascii: "\n")) }
  }
  return Array("-----BEGIN CERTIFICATE-----\n".utf8) + text
    + Array("\n-----END CERTIFICATE-----\n".utf8)
}
