// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Network
import Programs
import RunFiles

/// The command `tern certificates`.
struct Certificates: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Decide who may take part, by certificates that expire.",
    subcommands: [
      Create.self, Invite.self, List.self, Revoke.self, Renew.self, Issue.self,
    ])
}

/// The folder that holds an authority.
struct AuthorityOptions: ParsableArguments {
  @Option(name: .long, help: "The folder of the authority.", completion: .directory)
  var folder = "certificates"
}

/// How long a worker's certificate holds.
struct ValidityOptions: ParsableArguments {
  @Option(help: "For how many days the certificate is valid.")
  var days = 30

  @Option(
    help: ArgumentHelp("For how long instead: a time such as 90s, 10m or 2h.", valueName: "time"))
  var valid: String?

  func validate() throws {
    guard (1...3650).contains(days) else { throw ValidationError("--days is from 1 to 3650") }
    if let valid, Duration(text: valid).map({ $0 >= .seconds(1) }) != true {
      throw ValidationError("--valid is a time such as 90s, 10m or 2h, at least 1s")
    }
  }

  var duration: Duration { valid.flatMap { Duration(text: $0) } ?? .seconds(86_400 * days) }
}

extension Certificates {
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an authority and the coordinator's certificate.")

    @Argument(help: "The names and addresses under which workers reach the coordinator.")
    var names: [String]

    @OptionGroup var options: AuthorityOptions
    @OptionGroup var key: PassphraseOptions

    func run() async throws {
      try await reportingErrors {
        try CertificateAuthority.create(
          in: options.folder, names: names, passphrase: key.passphrase())
        print("authority and coordinator's certificate in \(options.folder)")
      }
    }
  }

  struct Invite: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the line with which a worker joins.",
      discussion: """
        Give the line to 'tern-worker --join' on the worker's machine. It is used once, by whoever \
        has it: hand it over on a way that you trust. A new invitation takes the place of an \
        earlier one that was not used.
        """)

    @Argument(help: "The worker's name.")
    var name: String

    @Option(
      help: ArgumentHelp(
        "Where the worker reaches the coordinator; by default the first name of the coordinator's "
          + "certificate, and port \(RunFile.CoordinatorSite.defaultPort).",
        valueName: "host:port"))
    var address: String?

    @Option(
      help: ArgumentHelp(
        "For how long the invitation holds: a time such as 10m or 24h.", valueName: "time"))
    var expires = "24h"

    @OptionGroup var validity: ValidityOptions
    @OptionGroup var options: AuthorityOptions

    func validate() throws {
      if let address, Endpoint(address) == nil {
        throw ValidationError("'\(address)' is not host:port")
      }
      guard Duration(text: expires) != nil else {
        throw ValidationError("--expires is a time such as 10m or 24h")
      }
    }

    func run() async throws {
      try await reportingErrors {
        let endpoint = address.flatMap { Endpoint($0) }
        let invitation = try Registrar(folder: options.folder).invite(
          name, host: endpoint?.host,
          port: endpoint?.port ?? RunFile.CoordinatorSite.defaultPort,
          for: Duration(text: expires) ?? .seconds(86_400), validity: validity.duration)
        print(invitation.line)
      }
    }
  }

  struct Issue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a worker's key and certificate here, in a folder to be copied to the worker.",
      discussion: "For workers that cannot join by an invitation: the key leaves this machine.")

    @Argument(help: "The worker's name.")
    var name: String

    @OptionGroup var validity: ValidityOptions
    @OptionGroup var options: AuthorityOptions
    @OptionGroup var key: PassphraseOptions

    func run() async throws {
      try await reportingErrors {
        let authority = try CertificateAuthority(
          folder: options.folder, passphrase: key.passphrase())
        print(try authority.issue(name, validity: .lasting(validity.duration)))
      }
    }
  }
}
