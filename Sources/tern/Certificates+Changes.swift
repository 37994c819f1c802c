// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Network
import Programs

extension Certificates {
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List who has a certificate or an invitation, and how many were turned away.")

    @OptionGroup var options: AuthorityOptions

    @Option(help: "text or json.")
    var format = OutputFormat.text

    private struct Output: Encodable {
      struct Item: Encodable {
        let name: String
        let role: String
        let state: String
        let until: String
        let serial: String?
      }
      let certificates: [Item]
      let refusals: [String: Int]
    }

    func run() async throws {
      try await reportingErrors {
        let registrar = try Registrar(folder: options.folder)
        let output = Output(
          certificates: try registrar.members().map {
            Output.Item(
              name: $0.name, role: "\($0.role)", state: "\($0.state)", until: dateText($0.until),
              serial: $0.serial)
          }, refusals: try registrar.refusals())
        try printResult(of: "certificates list", as: format, output) { text(of: output) }
      }
    }

    private func text(of output: Output) -> String {
      let members = output.certificates.map {
        "\($0.name)\t\($0.role)\t\($0.state)\tuntil \($0.until)\t\($0.serial ?? "-")"
      }
      let refusals = output.refusals.sorted { $0.key < $1.key }.map {
        "refused\t\($0.key)\t\($0.value)"
      }
      return (members + refusals).joined(separator: "\n")
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take back a worker's certificates and invitations.",
      discussion: """
        A running coordinator closes the worker's connection at once. A new invitation lets the \
        worker in again, with a new certificate.
        """)

    @Argument(help: "The worker's name.")
    var name: String

    @OptionGroup var options: AuthorityOptions

    func run() async throws {
      try await reportingErrors {
        try Registrar(folder: options.folder).revoke(name)
        print("revoked \(name)")
      }
    }
  }

  struct Renew: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Replace the coordinator's certificate, or that of a worker whose folder is here.",
      discussion: """
        The key and the names stay the same. A running coordinator shows the new certificate to \
        new connections. Workers that joined renew theirs by themselves.
        """)

    @Argument(
      help: "The name of a worker that was made with 'issue'; without one, the coordinator.")
    var name: String?

    @Option(help: "For how many days it is valid; 365 for the coordinator, 30 for a worker.")
    var days: Int?

    @OptionGroup var options: AuthorityOptions
    @OptionGroup var key: PassphraseOptions

    func validate() throws {
      guard (1...3650).contains(days ?? 1) else {
        throw ValidationError("--days is from 1 to 3650")
      }
    }

    func run() async throws {
      try await reportingErrors {
        let authority = try CertificateAuthority(
          folder: options.folder, passphrase: key.passphrase())
        if let name {
          print(try authority.renew(name, validity: .days(days ?? 30)))
        } else {
          try authority.renewCoordinator(validity: .days(days ?? 365))
          print("coordinator's certificate in \(options.folder)")
        }
      }
    }
  }
}
