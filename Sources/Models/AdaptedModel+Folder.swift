// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Tensors

extension AdaptedModel {
  /// A base with an existing adapter, of whichever form.
  ///
  /// - Throws: if the adapter is not made for this model.
  public init(base: DecoderModel, adapter: AdapterFolder) throws(ModelError) {
    switch adapter {
    case .lora(let adapter): try self.init(base: base, adapter: adapter)
    case .weights(let adapter): try self.init(base: base, adapter: adapter)
    }
  }

  /// A base with an existing adapter of its weights, whose values are the parameters.
  ///
  /// - Throws: if the adapter is not made for this model.
  public init(base: DecoderModel, adapter: WeightAdapter) throws(ModelError) {
    let configuration = base.configuration
    var byName: [String: WeightAdapter.Module] = [:]
    for module in adapter.modules {
      if byName.updateValue(module, forKey: module.name) != nil {
        throw .repeatedModule(module.name)
      }
    }
    var (modules, tensors, values) = ([WeightModule](), [(String, [Int])](), [Float]())
    for layer in 0..<configuration.layerCount {
      for linear in configuration.linearLayers {
        let name = "\(configuration.block(layer)).\(linear.path)"
        guard let stored = byName.removeValue(forKey: name) else { continue }
        let shape = configuration.storedShape(of: linear)
        let (form, ordered) = try stored.matched(to: shape, adapter.form)
        modules.append(
          WeightModule(
            layer: layer, linear: linear, name: name, form: form,
            range: values.count..<(values.count + ordered.count)))
        tensors.append(("base_model.model.\(name)", [ordered.count]))
        values += ordered
      }
    }
    if let unknown = byName.keys.min() { throw .unknownModule(unknown) }
    let layout = ParameterLayout(tensors)
    self.init(
      base: base, weights: WeightModules(modules, layout: layout),
      start: ParameterVector(layout: layout, values: values))
  }

  /// The adapter as a folder keeps it.
  ///
  /// - Precondition: the adapter has this layout.
  public func exportedFolder(_ adapter: ParameterVector) -> AdapterFolder {
    precondition(adapter.layout == layout, "an adapter of another layout than the model's")
    guard let first = weightModules.first else { return .lora(exported(adapter)) }
    let form: WeightAdapter.Form =
      switch first.form {
      case .sparse(let places):
        .sparse(rank: places.count / (first.linear.inputWidth + first.linear.outputWidth))
      case .scales(let length): .scales(blockLength: length)
      }
    return .weights(
      WeightAdapter(form, modules: weightModules.map { $0.exported(adapter.values) }))
  }
}

extension WeightModule {
  fileprivate func exported(_ parameters: [Float]) -> WeightAdapter.Module {
    let values = Array(parameters[range])
    guard case .sparse(let places) = form else {
      return WeightAdapter.Module(name: name, values: values)
    }
    let rows = places.rowStarts.indices.dropLast().flatMap { row in
      [Int32](
        repeating: Int32(row), count: places.rowStarts[row + 1] - places.rowStarts[row])
    }
    return WeightAdapter.Module(
      name: name, values: values, rows: rows, columns: places.columns.map { Int32($0) })
  }
}

extension WeightAdapter.Module {
  /// What it changes of a matrix, and the values row by row.
  fileprivate func matched(
    to shape: (rows: Int, columns: Int), _ form: WeightAdapter.Form
  ) throws(ModelError) -> (form: WeightModule.Form, values: [Float]) {
    guard Kernels.areFinite(values) else { throw .notFinite(module: name) }
    switch form {
    case .scales(let length):
      let count = shape.rows * ((shape.columns + length - 1) / length)
      guard values.count == count else {
        throw .wrongShape(module: name, expected: [count], found: [values.count])
      }
      return (.scales(blockLength: length), values)
    case .sparse:
      return (.sparse(try places(in: shape)), order.map { values[$0] })
    }
  }

  /// The values' numbers, by row and column.
  private var order: [Int] {
    values.indices.sorted { (rows[$0], columns[$0]) < (rows[$1], columns[$1]) }
  }

  private func places(in shape: (rows: Int, columns: Int)) throws(ModelError) -> SparsePlaces {
    var (starts, ordered) = ([0], [UInt32]())
    var last: (row: Int32, column: Int32)?
    for index in order {
      let place = (row: rows[index], column: columns[index])
      guard place.row >= 0, place.row < shape.rows, place.column >= 0,
        place.column < shape.columns
      else {
        throw .wrongShape(
          module: name, expected: [shape.rows, shape.columns],
          found: [Int(place.row) + 1, Int(place.column) + 1])
      }
      if let last, last == place {
        throw .repeatedPlace(module: name, row: Int(place.row), column: Int(place.column))
      }
      last = place
      while starts.count <= place.row { starts.append(ordered.count) }
      ordered.append(UInt32(place.column))
    }
    while starts.count <= shape.rows { starts.append(ordered.count) }
    return SparsePlaces(rowStarts: starts, columns: ordered)
  }
}
