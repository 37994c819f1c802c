// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Rounds

/// A folder that goes away with this value.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "tern-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Copies the whole folder, for a test that spoils one of its files.
  func copy(of other: String) throws -> String {
    let target = "\(path)/\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: other, toPath: target)
    return target
  }
}

/// The permissions of a file in octal.
func mode(of path: String) throws -> String {
  let attributes = try FileManager.default.attributesOfItem(atPath: path)
  return String((attributes[.posixPermissions] as? Int) ?? 0, radix: 8)
}

/// 2020: what is valid for a day then has expired now.
let past = RunTime(nanoseconds: 1_600_000_000_000_000_000)

/// One authority for `127.0.0.1`, `::1` and `localhost` with some workers.
struct TestAuthority {
  let folder: TemporaryFolder
  let authority: CertificateAuthority

  init(names: [String] = ["127.0.0.1", "::1", "localhost"]) throws {
    folder = try TemporaryFolder()
    authority = try CertificateAuthority.create(
      in: "\(folder.path)/certificates", names: names,
      authority: Validity(from: past, dayCount: 36_500))
  }

  var coordinator: Credentials { authority.coordinatorCredentials }

  /// Who lets newcomers in.
  var registrar: Registrar {
    get throws { try Registrar(folder: authority.folder) }
  }

  /// Issues a certificate to `name`; once for each name.
  func worker(_ name: String, validity: Validity = .days(1)) throws -> Credentials {
    Credentials(workerFolder: try authority.issue(name, validity: validity))
  }
}
