// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Tensors

/// What an adapter does in one block.
struct BlockAdapter: Sendable {
  private let sites: [Site: SiteAdapter]
  private let changes: [Site: SiteChange]

  /// The lowest site with products of an adapter: for this block's sake, nothing below it needs a
  /// gradient.
  let lowestSite: Site?

  /// The adapter of a block with these adapted modules; `frozenA` has A of those that do not learn it.
  init(
    _ modules: [PlacedModule], _ configuration: ModelConfiguration,
    frozenA: (AdapterModule) -> [Float]
  ) {
    var sites: [Site: SiteAdapter] = [:]
    for site in Site.allCases {
      sites[site] = SiteAdapter(site, modules, configuration, frozenA: frozenA)
    }
    self.sites = sites
    changes = [:]
    lowestSite = sites.keys.min()
  }

  /// The adapter of a block whose weights are changed.
  init(_ modules: [WeightModule], _ configuration: ModelConfiguration) {
    var changes: [Site: SiteChange] = [:]
    for site in Site.allCases { changes[site] = SiteChange(site, modules, configuration) }
    self.changes = changes
    sites = [:]
    lowestSite = nil
  }

  subscript(site: Site) -> SiteAdapter? { sites[site] }

  /// What is changed of the weights of a site.
  func change(at site: Site) -> SiteChange? { changes[site] }

  /// Where the values of a site lie in the adapter.
  func ranges(at site: Site) -> [Range<Int>] {
    (sites[site]?.ranges ?? []) + (changes[site]?.parts.map(\.range) ?? [])
  }

  /// How many values of A are frozen.
  var frozenCount: Int { sites.values.reduce(0) { $0 + ($1.frozenA_KI?.count ?? 0) } }

  /// The factor A of a module, [rank, inputs], given the adapter's parameters.
  ///
  /// - Precondition: it is one of the block's.
  func a(of placed: PlacedModule, _ parameters: [Float]) -> Matrix {
    guard let site = sites[Site(of: placed.module.linear)],
      let part = site.parts.first(where: { $0.bOffset == placed.bOffset })
    else { preconditionFailure("\(placed.module.name) is not in this block") }
    return site.a(of: part, parameters)
  }
}

/// An adapted module and where its factors are.
struct PlacedModule: Sendable {
  let module: AdapterModule
  /// A's first index in the adapter; nil if A is frozen.
  let aOffset: Int?
  /// B's first index in the adapter.
  let bOffset: Int

  /// Places modules in the order of the adapter's layout.
  static func place(
    _ modules: [AdapterModule], _ factors: LoRAConfiguration.Factors
  ) -> [PlacedModule] {
    var offset = 0
    return modules.map { module in
      let aOffset = factors == .both ? offset : nil
      if factors == .both { offset += module.rank * module.inputWidth }
      let bOffset = offset
      offset += module.outputWidth * module.rank
      return PlacedModule(module: module, aOffset: aOffset, bOffset: bOffset)
    }
  }
}

extension SiteAdapter {
  /// The adapter of the modules that belong to `site`; nil if there are none.
  fileprivate init?(
    _ site: Site, _ modules: [PlacedModule], _ configuration: ModelConfiguration,
    frozenA: (AdapterModule) -> [Float]
  ) {
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
      if placed.aOffset == nil { frozen += frozenA(placed.module) }
    }
    guard !parts.isEmpty else { return nil }
    self.parts = parts
    inputWidth = layers[0].inputWidth
    frozenA_KI = frozen.isEmpty ? nil : Matrix(frozen, rows: rank, columns: inputWidth)
  }
}
