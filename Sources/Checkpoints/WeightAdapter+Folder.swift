// SPDX-License-Identifier: Apache-2.0
internal import JSON

/// What the two types are called in `adapter_config.json`.
private let sparseType = "SHIRA"
private let scalesType = "TERN_SCALES"
private let prefix = "base_model.model."

extension WeightAdapter {
  /// Writes the adapter to `folder`, which is made if need be; PEFT loads a sparse one.
  ///
  /// - Precondition: there are modules, and no two have the same name.
  /// - Throws: `unwritable`; each file is then as it was before.
  public func write(to folder: String) throws(CheckpointError) {
    precondition(!modules.isEmpty, "an adapter without modules")
    try makeAdapterFolder(folder)
    let path = "\(folder)/adapter_model.safetensors"
    switch form {
    case .sparse:
      try SafetensorsFile.write(
        tensors: modules.map {
          ("\(prefix)\($0.name).shira_weight", [$0.values.count], $0.values)
        },
        integers: modules.map {
          ("\(prefix)\($0.name).shira_indices", [2, $0.values.count], $0.rows + $0.columns)
        }, metadata: ["format": "pt"], to: path)
    case .scales:
      try SafetensorsFile.write(
        tensors: modules.map { ("\(prefix)\($0.name).scales", [$0.values.count], $0.values) },
        metadata: ["format": "pt"], to: path)
    }
    try configuration.write(asAdapterOf: folder)
  }

  private var configuration: JSONValue {
    var members: [(String, JSONValue)] = [
      ("base_model_name_or_path", baseModel.map { .string($0) } ?? .null)
    ]
    switch form {
    case .sparse(let rank):
      members += [
        ("fan_in_fan_out", .boolean(false)), ("inference_mode", .boolean(true)),
        ("init_weights", .boolean(true)), ("mask_type", .string("random")),
        ("modules_to_save", .null), ("peft_type", .string(sparseType)), ("r", .integer(rank)),
      ]
    case .scales(let length):
      members += [("block_length", .integer(length)), ("peft_type", .string(scalesType))]
    }
    members += [
      ("target_modules", PEFTTargets.written(modules.map(\.name))),
      ("task_type", .string("CAUSAL_LM")),
    ]
    return .object(members.map { JSONValue.Member(name: $0, value: $1) })
  }
}

extension WeightAdapter {
  /// Reads the adapter in `folder`; nil if it is of another type.
  ///
  /// - Throws: for changes of anything but linear layers, and for values that are not finite.
  public init?(folder: String) throws(CheckpointError) {
    let path = "\(folder)/adapter_config.json"
    let file = ConfigurationFile(path: path, document: try JSONValue(path: path))
    let form: Form
    switch try file.text("peft_type", default: "none") {
    case sparseType:
      form = .sparse(rank: try file.integer("r", default: 32))
      for key in ["fan_in_fan_out", "modules_to_save"] where file.isActive(key) {
        throw .unsupported(
          path: path, what: "'\(key)'", supported: "plain SHiRA of linear layers")
      }
    case scalesType: form = .scales(blockLength: try file.integer("block_length", default: 0))
    default: return nil
    }
    guard form.hasSize else {
      throw .malformed(path: path, what: "the rank, or the length of its blocks, is not positive")
    }
    let tensors = try SafetensorsFile(path: "\(folder)/adapter_model.safetensors")
    let modules = try Self.modules(of: tensors, form, targets: PEFTTargets(file))
    let baseModel = try file.text("base_model_name_or_path", default: "")
    self.init(form, modules: modules, baseModel: baseModel.isEmpty ? nil : baseModel)
  }

  private static func modules(
    of file: SafetensorsFile, _ form: Form, targets: PEFTTargets
  ) throws(CheckpointError) -> [Module] {
    let path = file.contents.path
    var (modules, indexCount) = ([Module](), 0)
    for key in file.tensors.keys.sorted() {
      let name = key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : key
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      let (module, kind) = (parts.dropLast().joined(separator: "."), parts.last ?? "")
      guard form.tensorNames.contains(String(kind)), !module.isEmpty else {
        throw .unsupported(
          path: path, what: "the tensor '\(key)'",
          supported: form.tensorNames.joined(separator: " and ") + " of linear layers")
      }
      guard try targets.contain(module) else {
        throw .malformed(
          path: path, what: "'\(key)' belongs to no module of target_modules in adapter_config.json"
        )
      }
      if kind == "shira_indices" {
        indexCount += 1
        continue
      }
      modules.append(try Module(name: module, key: key, of: file, form))
    }
    guard form.tensorNames.count == 1 || indexCount == modules.count else {
      throw .malformed(
        path: path, what: "\(indexCount) shira_indices belong to \(modules.count) shira_weight")
    }
    return modules.sorted { $0.name < $1.name }
  }
}

extension WeightAdapter.Form {
  fileprivate var hasSize: Bool {
    switch self {
    case .sparse(let rank): rank > 0
    case .scales(let length): length > 0
    }
  }

  /// The last parts of the names of tensors.
  fileprivate var tensorNames: [String] {
    switch self {
    case .sparse: ["shira_weight", "shira_indices"]
    case .scales: ["scales"]
    }
  }
}

extension WeightAdapter.Module {
  /// Reads the values called `key` and, for a sparse adapter, their places.
  fileprivate init(
    name: String, key: String, of file: SafetensorsFile, _ form: WeightAdapter.Form
  ) throws(CheckpointError) {
    let path = file.contents.path
    guard let info = file.tensors[key] else {
      throw .missing(path: path, what: "tensor '\(key)'")
    }
    let values = try StoredTensor(file: file.contents, info: info).floats(named: key)
    guard case .sparse = form else {
      self.init(name: name, values: values)
      return
    }
    let indexKey = key.dropLast("weight".count) + "indices"
    guard let indices = file.tensors[String(indexKey)] else {
      throw .missing(path: path, what: "'\(indexKey)' for '\(name)'")
    }
    guard indices.type == .int32, indices.shape == [2, values.count] else {
      throw .malformed(
        path: path,
        what: "'\(indexKey)' is \(indices.type.rawValue) of shape \(indices.shape), not I32 of "
          + "[2, \(values.count)]")
    }
    let bytes = try file.bytes(of: String(indexKey))
    let places = stride(from: 0, to: bytes.count, by: 4).map { start in
      Int32(
        bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * $1) })
    }
    self.init(
      name: name, values: values, rows: Array(places[..<values.count]),
      columns: Array(places[values.count...]))
  }
}
