// swift-tools-version:6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// What every Swift target is compiled with.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// For targets without a single unsafe construct, or with few enough to mark each one.
let memorySafe = strict + [.strictMemorySafety()]

/// Kernels run at full speed in debug builds too, and never contract a*b+c, so that every
/// processor computes the same bits.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"])
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// The system's libraries and our C: layer 0.
let systemTargets: [Target] = [
  .systemLibrary(
    name: "COpenBLAS", path: "Sources/C/COpenBLAS", pkgConfig: "openblas",
    providers: [.apt(["libopenblas-dev"])]),
  .systemLibrary(
    name: "COpenSSLSystem", path: "Sources/C/COpenSSLSystem", pkgConfig: "openssl",
    providers: [.apt(["libssl-dev"])]),
  .systemLibrary(
    name: "CProtobufC", path: "Sources/C/CProtobufC", pkgConfig: "libprotobuf-c",
    providers: [.apt(["libprotobuf-c-dev"])]),
  .systemLibrary(
    name: "CPCRE2", path: "Sources/C/CPCRE2", pkgConfig: "libpcre2-8",
    providers: [.apt(["libpcre2-dev"])]),
  .target(name: "COpenSSL", dependencies: ["COpenSSLSystem"], path: "Sources/C/COpenSSL"),
  .target(name: "CMessages", dependencies: ["CProtobufC"], path: "Sources/C/CMessages"),
  .target(name: "CPlatform", path: "Sources/C/CPlatform"),
  .target(name: "CKernels", path: "Sources/C/CKernels", cSettings: kernelFlags),
  .target(name: "CBlocks", path: "Sources/C/CBlocks", cSettings: kernelFlags),
]

/// The chapters of the book, lowest first: a target may import what it names here and no more.
let modules: [Target] = [
  .target(name: "Randomness", swiftSettings: memorySafe),
  .target(name: "JSON", swiftSettings: strict),
  .target(name: "Digests", dependencies: ["COpenSSL"], swiftSettings: strict),
  .target(name: "Files", dependencies: ["Digests", "CPlatform"], swiftSettings: strict),
  .target(
    name: "Tensors", dependencies: ["COpenBLAS", "CKernels", "Digests", "Randomness"],
    swiftSettings: strict),
  .target(name: "Rounds", dependencies: ["Digests", "Randomness"], swiftSettings: memorySafe),
  .target(
    name: "Checkpoints", dependencies: ["CBlocks", "CPCRE2", "Digests", "Files", "JSON"],
    swiftSettings: strict),
  .target(name: "Tokenization", dependencies: ["CPCRE2", "JSON"], swiftSettings: strict),
  .target(
    name: "Updates", dependencies: ["Tensors", "Files", "Digests", "Randomness"],
    swiftSettings: strict),
  .target(
    name: "Messages", dependencies: ["Rounds", "Files", "Digests", "CMessages", "CProtobufC"],
    swiftSettings: strict),
  .target(
    name: "Runs",
    dependencies: ["Rounds", "Files", "Digests", .product(name: "GRDB", package: "GRDB.swift")],
    swiftSettings: strict),
  .target(
    name: "Models", dependencies: ["Tensors", "Checkpoints", "Randomness"], swiftSettings: strict),
  .target(
    name: "Training",
    dependencies: ["Models", "Checkpoints", "Tensors", "Updates", "Tokenization", "Randomness"],
    swiftSettings: strict),
  .target(
    name: "Federation",
    dependencies: [
      "Training", "Models", "Checkpoints", "Tensors", "Updates", "Rounds", "Messages", "Runs",
      "Files", "Digests", "Randomness", logging,
    ], swiftSettings: strict),
  .target(
    name: "Simulation",
    dependencies: [
      "Federation", "Runs", "Rounds", "Messages", "Updates", "Models", "Checkpoints", "Training",
      "Tensors", "Files", "Randomness", "Digests",
    ], swiftSettings: strict),
  .target(
    name: "Network",
    dependencies: [
      "Federation", "Messages", "Rounds", "Files", "Digests", "COpenSSL", logging,
      .product(name: "NIOCore", package: "swift-nio"),
      .product(name: "NIOPosix", package: "swift-nio"),
    ], swiftSettings: strict),
  .target(
    name: "RunFiles",
    dependencies: [
      "Federation", "Training", "Models", "Checkpoints", "Tensors", "Updates", "Rounds",
      "Randomness", .product(name: "Yams", package: "Yams"),
    ], swiftSettings: strict),
  .target(
    name: "Programs",
    dependencies: [
      "Network", "Federation", "Simulation", "RunFiles", "Training", "Models", "Tensors",
      "Checkpoints", "Tokenization", "Updates", "Rounds", "Messages", "Runs", "Files", "Digests",
      "Randomness", "CPlatform",
      argumentParser, logging,
    ], swiftSettings: strict),
]

/// The programs: they parse, build, and run.
let programs: [Target] = [
  .executableTarget(
    name: "tern",
    dependencies: [
      "Programs", "RunFiles", "Network", "Federation", "Simulation", "Training", "Models",
      "Checkpoints", "Tokenization", "Updates", "Tensors", "Rounds", "Files", argumentParser,
    ], swiftSettings: strict),
  .executableTarget(
    name: "tern-coordinator", dependencies: ["Programs", argumentParser], swiftSettings: strict),
  .executableTarget(
    name: "tern-worker",
    dependencies: [
      "Programs", "RunFiles", "Federation", "Training", "Messages", "Network", "Digests",
      argumentParser,
    ], swiftSettings: strict),
  .executableTarget(
    name: "fault-seeds", dependencies: ["Simulation"], path: "Tests/Mutations/FaultSeeds",
    swiftSettings: strict),
  .executableTarget(
    name: "tern-performance", dependencies: ["Updates", "Tensors", "Randomness"],
    path: "Tests/Performance", exclude: ["README.md", "pytorch_steps.py"], swiftSettings: strict),
]

/// The tests of one module, which see it and what else they name.
func tests(of module: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: [.target(name: module)] + dependencies,
    swiftSettings: strict)
}

let testTargets: [Target] = [
  tests(of: "Randomness", []),
  tests(of: "Digests", []),
  tests(of: "JSON", ["Randomness"]),
  tests(of: "Files", ["Digests"]),
  tests(of: "Tensors", ["Randomness", "Digests"]),
  tests(of: "Rounds", ["Digests", "Randomness"]),
  tests(of: "Checkpoints", ["Digests", "JSON"]),
  tests(of: "Tokenization", []),
  tests(of: "Updates", ["Tensors", "Files", "Randomness", "Digests"]),
  tests(of: "Messages", ["Rounds", "Files", "Digests", "Randomness", "CMessages"]),
  tests(
    of: "Runs",
    [
      "Rounds", "Files", "Digests", "Randomness",
      .product(name: "GRDB", package: "GRDB.swift"),
    ]),
  tests(of: "Models", ["Tensors", "Checkpoints", "Randomness"]),
  tests(
    of: "Training",
    ["Models", "Checkpoints", "Tensors", "Updates", "Tokenization", "Randomness"]),
  tests(
    of: "Federation",
    [
      "Training", "Models", "Checkpoints", "Tensors", "Updates", "Rounds", "Messages", "Runs",
      "Files", "Digests", "Randomness", logging,
    ]),
  tests(of: "Simulation", ["Federation", "Rounds", "Randomness"]),
  tests(
    of: "Network",
    [
      "Federation", "Messages", "Rounds", "Files", "Digests", "Randomness", "COpenSSL", logging,
      .product(name: "NIOCore", package: "swift-nio"),
      .product(name: "NIOPosix", package: "swift-nio"),
      .product(name: "NIOEmbedded", package: "swift-nio"),
    ]),
  tests(
    of: "RunFiles",
    ["Federation", "Training", "Models", "Checkpoints", "Tensors", "Updates", "Rounds"]),
  tests(
    of: "Programs",
    [
      "Rounds", "Simulation", "Federation", "RunFiles", "Training", "Models", "Checkpoints",
      "Updates", "Digests",
    ]),
  .testTarget(
    name: "EndToEndTests", dependencies: ["tern", "tern-coordinator", "tern-worker"],
    swiftSettings: strict),
]

/// What feeds every decoder: the corpora are replayed with the tests, and `make fuzz`, which sets
/// TERN_FUZZ, makes more of them.
let fuzzing: [Target] =
  [
    .target(
      name: "FuzzedDecoders",
      dependencies: [
        "Network", "Federation", "RunFiles", "Training", "Checkpoints", "Tokenization", "Updates",
        "Tensors", "Messages", "Rounds", "Files", "Digests", "Randomness",
      ], path: "Tests/Fuzzing/Decoders", swiftSettings: strict),
    .testTarget(
      name: "CorpusTests", dependencies: ["FuzzedDecoders", "Federation"],
      path: "Tests/Fuzzing/Replay", swiftSettings: strict),
  ]
  + (Context.environment["TERN_FUZZ"] == nil
    ? []
    : [
      .systemLibrary(name: "CFuzzer", path: "Tests/Fuzzing/CFuzzer"),
      .executableTarget(
        name: "tern-fuzz", dependencies: ["FuzzedDecoders", "CFuzzer"],
        path: "Tests/Fuzzing/Program", swiftSettings: strict,
        linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
    ])

let package = Package(
  name: "tern",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: systemTargets + modules + programs + testTargets + fuzzing
)
