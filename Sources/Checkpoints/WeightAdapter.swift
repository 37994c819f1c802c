// SPDX-License-Identifier: Apache-2.0

/// An adapter that changes weights, as a folder of `adapter_config.json` and
/// `adapter_model.safetensors` keeps it.
///
/// A sparse one is PEFT's SHiRA (K. Bhardwaj et al., "Sparse High Rank Adapters", 2024). PEFT knows none
/// of scales; their folder looks like PEFT's and says a type of its own.
public struct WeightAdapter: Sendable, Equatable {
  /// What is changed.
  public enum Form: Sendable, Equatable {
    /// Values are added to `rank` (inputs + outputs) weights of each layer.
    case sparse(rank: Int)
    /// Each `blockLength` weights that are stored side by side are multiplied by a value more than 1.
    case scales(blockLength: Int)
  }

  /// What is changed of one linear layer.
  public struct Module: Sendable, Equatable {
    /// The layer's path in the model, as in `model.layers.0.self_attn.q_proj`.
    public var name: String
    /// What is added: to weights, or to the factor 1 of each block, row by row.
    public var values: [Float]
    /// Of a sparse adapter, the row of each value; else empty.
    public var rows: [Int32]
    /// Of a sparse adapter, the column of each value; else empty.
    public var columns: [Int32]

    /// A change of one layer.
    ///
    /// - Precondition: there are as many rows as columns, and none or one for each value.
    public init(name: String, values: [Float], rows: [Int32] = [], columns: [Int32] = []) {
      precondition(
        rows.count == columns.count && [0, values.count].contains(rows.count),
        "\(values.count) values, \(rows.count) rows, \(columns.count) columns of \(name)")
      self.name = name
      self.values = values
      self.rows = rows
      self.columns = columns
    }
  }

  /// What is changed.
  public var form: Form
  /// The changed layers, sorted by name when read from a folder.
  public var modules: [Module]
  /// The name or path of the model that it was trained on, if known.
  public var baseModel: String?

  /// An adapter of the given layers.
  public init(_ form: Form, modules: [Module], baseModel: String? = nil) {
    self.form = form
    self.modules = modules
    self.baseModel = baseModel
  }
}

/// An adapter of either kind, as its folder says.
public enum AdapterFolder: Sendable, Equatable {
  case lora(PEFTAdapter)
  case weights(WeightAdapter)

  /// Reads the adapter in `folder`.
  ///
  /// - Throws: for anything but a plain LoRA, SHiRA or scales of linear layers with finite values.
  public init(reading folder: String) throws(CheckpointError) {
    if let adapter = try WeightAdapter(folder: folder) {
      self = .weights(adapter)
    } else {
      self = .lora(try PEFTAdapter(folder: folder))
    }
  }

  /// Writes the adapter to `folder`, which is made if need be.
  ///
  /// - Precondition: there are modules, and no two have the same name.
  /// - Throws: `unwritable`; each file is then as it was before.
  public func write(to folder: String) throws(CheckpointError) {
    switch self {
    case .lora(let adapter): try adapter.write(to: folder)
    case .weights(let adapter): try adapter.write(to: folder)
    }
  }

  /// The name or path of the model that it was trained on, if known.
  public var baseModel: String? {
    get {
      switch self {
      case .lora(let adapter): adapter.baseModel
      case .weights(let adapter): adapter.baseModel
      }
    }
    set {
      switch self {
      case .lora(var adapter):
        adapter.baseModel = newValue
        self = .lora(adapter)
      case .weights(var adapter):
        adapter.baseModel = newValue
        self = .weights(adapter)
      }
    }
  }
}
