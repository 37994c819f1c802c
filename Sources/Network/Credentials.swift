// SPDX-License-Identifier: Apache-2.0

/// The three files that one side of a connection needs.
public struct Credentials: Hashable, Sendable {
  /// What they allow to be.
  public let role: CertificateRole
  /// The certificate in PEM form.
  public let certificatePath: String
  /// Its private key in PEM form, readable by its owner only.
  public let keyPath: String
  /// The authority that signs the certificates of the other side.
  public let authorityPath: String

  /// The coordinator's, as `CertificateAuthority.create` puts them.
  public init(coordinatorFolder folder: String) {
    self.init(role: .coordinator, folder: folder)
  }

  /// A worker's, as `CertificateAuthority.issue` puts them.
  public init(workerFolder folder: String) { self.init(role: .worker, folder: folder) }

  private init(role: CertificateRole, folder: String) {
    self.role = role
    certificatePath = "\(folder)/\(role).pem"
    keyPath = "\(folder)/\(role).key"
    authorityPath = "\(folder)/authority.pem"
  }
}
