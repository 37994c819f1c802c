// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Network
import Programs

/// The command `tern certificates`.
struct Certificates: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make and list the certificates by which coordinator and workers know each other.",
    subcommands: [Create.self, Issue.self, List.self])
}

/// The folder that holds an authority.
struct AuthorityOptions: ParsableArguments {
  @Option(name: .long, help: "The folder of the authority.", completion: .directory)
  var folder = "certificates"
}

extension Certificates {
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an authority and the coordinator's certificate.")

    @Argument(help: "The names and addresses under which workers reach the coordinator.")
    var names: [String]

    @OptionGroup var options: AuthorityOptions

    func run() async throws {
      try await reportingErrors {
        try CertificateAuthority.create(in: options.folder, names: names)
        print("authority and coordinator's certificate in \(options.folder)")
      }
    }
  }

  struct Issue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a worker's certificate, in a folder to be copied to the worker.")

    @Argument(help: "The worker's name.")
    var name: String

    @Option(help: "For how many days it is valid.")
    var days = 30

    @OptionGroup var options: AuthorityOptions

    func validate() throws {
      guard (1...3650).contains(days) else { throw ValidationError("--days is from 1 to 3650") }
    }

    func run() async throws {
      try await reportingErrors {
        let authority = try CertificateAuthority(folder: options.folder)
        print(try authority.issue(name, validity: .days(days)))
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List what was issued.")

    @OptionGroup var options: AuthorityOptions

    @Option(help: "text or json.")
    var format = OutputFormat.text

    private struct Output: Encodable {
      struct Item: Encodable {
        let name: String
        let role: String
        let notAfter: String
        let fingerprint: String
        let path: String
      }
      let certificates: [Item]
    }

    func run() async throws {
      try await reportingErrors {
        let certificates = try CertificateAuthority(folder: options.folder).certificates()
        let output = Output(
          certificates: certificates.map {
            Output.Item(
              name: $0.name, role: "\($0.role)", notAfter: dateText($0.notAfter),
              fingerprint: "\($0.fingerprint)", path: $0.path)
          })
        try printResult(of: "certificates list", as: format, output) {
          output.certificates.map {
            "\($0.name)\t\($0.role)\tuntil \($0.notAfter)\t\($0.fingerprint)"
          }.joined(separator: "\n")
        }
      }
    }
  }
}
