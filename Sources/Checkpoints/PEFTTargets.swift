// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import JSON

/// The modules that an adapter changes, as `target_modules` of its `adapter_config.json` says.
struct PEFTTargets {
  private let file: ConfigurationFile

  /// What a configuration says.
  init(_ file: ConfigurationFile) { self.file = file }

  /// Whether the module called `name` is among them; PEFT drops the tensors of others.
  func contain(_ name: String) throws(CheckpointError) -> Bool {
    guard let targets = file.document["target_modules"] else { return true }
    if let text = targets.text {
      if text == "all-linear" { return true }
      return try ModulePattern(compiling: text, of: file).matches(name, of: file)
    }
    return (targets.elements ?? []).contains { element in
      guard let target = element.text else { return false }
      return name == target || name.hasSuffix(".\(target)")
    }
  }

  /// The modules' names inside their layers where every layer from the first on has the same ones;
  /// otherwise full paths, since PEFT would adapt the other layers too.
  static func written(_ modules: [String]) -> JSONValue {
    let places = modules.map { LayerPlace($0) }
    let paths = Set(places.map(\.path))
    let layers = Dictionary(grouping: places, by: \.layer)
    let isUniform =
      layers.values.allSatisfy { Set($0.map(\.path)) == paths }
      && Set(layers.keys) == Set((0..<layers.count).map { "\(places[0].list).\($0)" })
    let names =
      isUniform ? Set(paths.map { shortName(of: $0, among: paths) }).sorted() : modules.sorted()
    return .array(names.map { .string($0) })
  }

  /// The last part of a path, unless PEFT would then also adapt what is called the same and is not
  /// among `paths`.
  private static func shortName(of path: String, among paths: Set<String>) -> String {
    guard let last = path.split(separator: ".").last else { return path }
    let homonyms = Architecture.all.flatMap(\.linearLayers).map(\.path)
      .filter { $0.hasSuffix(".\(last)") && !paths.contains($0) }
    return homonyms.isEmpty ? String(last) : path
  }
}

/// Where a module is: `model.layers.3.self_attn.q_proj` is `self_attn.q_proj` of `model.layers`' 3.
private struct LayerPlace {
  /// The list of layers.
  let list: String
  /// The list with the layer's number.
  let layer: String
  /// The path inside the layer.
  let path: String

  init(_ name: String) {
    let parts = name.split(separator: ".")
    let number = parts.firstIndex { Int($0) != nil } ?? parts.count - 1
    list = parts[..<number].joined(separator: ".")
    layer = parts[...number].joined(separator: ".")
    path = parts[(number + 1)...].joined(separator: ".")
  }
}

extension ModulePattern {
  /// PEFT's way of matching: the key, as a pattern, is the path or its end after a dot.
  convenience init(key: String, of file: ConfigurationFile) throws(CheckpointError) {
    try self.init(compiling: "(.*\\.)?(\(key))", of: file)
  }

  convenience init(compiling pattern: String, of file: ConfigurationFile) throws(CheckpointError) {
    do {
      try self.init(pattern)
    } catch {
      throw .malformed(
        path: file.path, what: "'\(pattern.prefix(100))' is no pattern of module names")
    }
  }

  func matches(_ name: String, of file: ConfigurationFile) throws(CheckpointError) -> Bool {
    do {
      return try matches(name)
    } catch {
      throw .malformed(
        path: file.path, what: "a pattern of module names takes too long on '\(name.prefix(100))'")
    }
  }
}

extension ConfigurationFile {
  /// Whether a key is set to anything but the ways of saying no.
  func isActive(_ key: String) -> Bool {
    switch document[key] {
    case nil, .null, .boolean(false), .array([]), .object([]): false
    default: true
    }
  }
}

extension JSONValue {
  /// Writes the configuration of an adapter.
  func write(asAdapterOf folder: String) throws(CheckpointError) {
    let text = Array((indentedText + "\n").utf8)
    try writing("\(folder)/adapter_config.json") { (file) throws(FileError) in
      try file.write(text)
    }
  }
}

/// Makes the folder of an adapter, if there is none.
func makeAdapterFolder(_ folder: String) throws(CheckpointError) {
  do throws(FileError) {
    try makeFolder(folder)
  } catch {
    throw .unwritable(path: folder, reason: error.reason)
  }
}
