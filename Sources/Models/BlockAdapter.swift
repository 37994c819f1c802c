// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Tensors

/// What an adapter does in one block.
struct BlockAdapter: Sendable {
  private let sites: [Site: SiteAdapter]

  /// The lowest adapted site: for this block's sake, nothing below it needs a gradient.
  let lowestSite: Site?

  /// The adapter of a block with these adapted modules.
  init(_ modules: [PlacedModule], _ configuration: ModelConfiguration) {
    var sites: [Site: SiteAdapter] = [:]
    for site in Site.allCases { sites[site] = SiteAdapter(site, modules, configuration) }
    self.sites = sites
    lowestSite = sites.keys.min()
  }

  subscript(site: Site) -> SiteAdapter? { sites[site] }
}

/// An adapted module and where its factors are.
struct PlacedModule: Sendable {
  let module: AdapterModule
  /// A's first index in the adapter; nil if A is frozen.
  let aOffset: Int?
  /// B's first index in the adapter.
  let bOffset: Int
  /// A, if it is frozen.
  let frozenA: [Float]?

  /// Places modules in the order of the adapter's layout; A is learned unless `frozenA` has it.
  static func place(
    _ modules: [AdapterModule], frozenA: (AdapterModule) -> [Float]?
  ) -> [PlacedModule] {
    var offset = 0
    return modules.map { module in
      let a = frozenA(module)
      let aOffset = a == nil ? offset : nil
      offset += a == nil ? module.rank * module.inputWidth : 0
      let bOffset = offset
      offset += module.outputWidth * module.rank
      return PlacedModule(module: module, aOffset: aOffset, bOffset: bOffset, frozenA: a)
    }
  }
}

extension SiteAdapter {
  /// The adapter of the modules that belong to `site`; nil if there are none.
  init?(_ site: Site, _ modules: [PlacedModule], _ configuration: ModelConfiguration) {
    var parts: [Part] = []
    var frozen: [Float] = []
    var (column, rank) = (0, 0)
    let layers = configuration.linearLayers(at: site)
    for layer in layers {
      let outputs = layer.outputWidth
      defer { column += outputs }
      guard let placed = modules.first(where: { $0.module.linear == layer }) else { continue }
      parts.append(
        Part(
          columns: column..<(column + outputs), ranks: rank..<(rank + placed.module.rank),
          scale: placed.module.scale, aOffset: placed.aOffset, bOffset: placed.bOffset))
      rank += placed.module.rank
      frozen += placed.frozenA ?? []
    }
    guard !parts.isEmpty else { return nil }
    self.parts = parts
    inputWidth = layers[0].inputWidth
    frozenA_KI = frozen.isEmpty ? nil : Matrix(frozen, rows: rank, columns: inputWidth)
  }
}
