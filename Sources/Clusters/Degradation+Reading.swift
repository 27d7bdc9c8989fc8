import Documents

extension Degradation {
  /// The names of targets in files.
  enum Kind: String, CaseIterable {
    case device
    case nodeLink = "node-link"
    case adapter
    case leafUplinks = "leaf-uplinks"
    case spineUplinks = "spine-uplinks"
  }

  /// What is left of a thing that still works; keeps every simulated time within the clock.
  private static let smallestShare = 0.001

  init(_ table: Table, _ keys: DegradationKeys) throws(ConfigurationError) {
    func index(_ key: Key<Int>) throws(ConfigurationError) -> Int { try table.required(key) }
    target =
      switch try table.required(keys.what) {
      case .device: .device(rank: try index(keys.rank))
      case .nodeLink: .nodeLink(rank: try index(keys.rank))
      case .adapter: .adapter(node: try index(keys.node), index: try index(keys.adapter))
      case .leafUplinks: .leafUplinks(plane: try index(keys.plane), leaf: try index(keys.leaf))
      case .spineUplinks: .spineUplinks(plane: try index(keys.plane), pod: try index(keys.pod))
      }
    share = try table.required(keys.share)
    guard share == 0 || share >= Self.smallestShare else {
      throw table.error("must be 0 or at least \(Self.smallestShare)", at: keys.share)
    }
    if share == 0 {
      guard case .adapter = target else {
        throw table.error(
          "must be more than 0: only an adapter may fail altogether", at: keys.share)
      }
    }
  }
}

extension Cluster {
  /// Refuses a degradation of something that this cluster does not have.
  func check(
    _ degradation: Degradation, _ table: Table, _ keys: DegradationKeys
  ) throws(ConfigurationError) {
    func bound(_ value: Int, _ key: Key<Int>, _ count: Int) throws(ConfigurationError) {
      guard value < count else {
        throw table.error("must be less than \(count), the number there is", at: key)
      }
    }
    switch degradation.target {
    case .device(let rank), .nodeLink(let rank): try bound(rank, keys.rank, rankCount)
    case .adapter(let node, let index):
      try bound(node, keys.node, nodes.value)
      try bound(index, keys.adapter, self.node.adapters?.count.value ?? 0)
    case .leafUplinks(let plane, let leaf):
      try bound(plane, keys.plane, network?.planes.value ?? 0)
      try bound(leaf, keys.leaf, (network?.layers.count ?? 0) > 1 ? self.plane?.leaves ?? 0 : 0)
    case .spineUplinks(let plane, let pod):
      try bound(plane, keys.plane, network?.planes.value ?? 0)
      try bound(pod, keys.pod, network?.layers.count == 3 ? self.plane?.pods ?? 0 : 0)
    }
  }

  /// Refuses failures that leave two nodes without a plane in common.
  func checkFailedAdapters(
    _ root: Table, _ keys: ClusterKeys
  ) throws(ConfigurationError) {
    let key = keys.degradations
    guard let network, let adapters = node.adapters, nodes.value > 1 else { return }
    let planes = network.planes.value
    var reached: [(node: Int, planes: Set<Int>)] = []
    for node in effects.failedAdapters.keys.sorted() {
      let failed = effects.failedAdapters[node] ?? []
      let left = (0..<adapters.count.value).filter { !failed.contains($0) }
      reached.append((node, Set(left.map { $0 % planes })))
    }
    guard reached.count <= 1024 else {
      throw root.error("must not have failed adapters on more than 1024 nodes", at: key)
    }
    for (index, first) in reached.enumerated() {
      guard !first.planes.isEmpty else {
        throw root.error("leaves node \(first.node) without an adapter", at: key)
      }
      for second in reached[..<index] where first.planes.isDisjoint(with: second.planes) {
        throw root.error(
          "leaves nodes \(second.node) and \(first.node) without a plane in common",
          at: key)
      }
    }
  }
}
