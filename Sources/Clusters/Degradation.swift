import Documents

/// Something that is slower than the description says, or has failed.
public struct Degradation: Hashable, Sendable {
  /// What is degraded.
  public enum Target: Hashable, Sendable {
    /// The arithmetic of one rank's device.
    case device(rank: Int)
    /// Both directions of one rank's link inside its node.
    case nodeLink(rank: Int)
    /// Both directions of one adapter of one node.
    case adapter(node: Int, index: Int)
    /// The uplinks, both directions, of one leaf switch.
    case leafUplinks(plane: Int, leaf: Int)
    /// The uplinks, both directions, of the spine switches of one pod.
    case spineUplinks(plane: Int, pod: Int)
  }

  public var target: Target
  /// What is left of it, from 0 to 1; only an adapter may fail altogether (0), since another one of
  /// its node takes over.
  public var share: Double
}

extension Cluster {
  /// Whether the first so many ranks have something to do with what is degraded: with their devices, the links and
  /// adapters of their nodes, and the switches that those are attached to.
  public func isAmong(ranks: Int, _ degradation: Degradation) -> Bool {
    let nodes = min(nodes.value, ceilingDivision(ranks, node.devices.value))
    func leaves() -> Set<Int> {
      guard let plane else { return [] }
      return Set(
        (0..<nodes).flatMap { node in
          (0..<plane.adaptersPerNode).map { plane.leaf(node: node, index: $0) }
        })
    }
    switch degradation.target {
    case .device(let rank), .nodeLink(let rank): return rank < ranks
    case .adapter(let node, _): return node < nodes
    case .leafUplinks(_, let leaf): return leaves().contains(leaf)
    case .spineUplinks(_, let pod):
      return leaves().contains { $0 / (plane?.leavesPerPod ?? 1) == pod }
    }
  }
}

/// Degradations arranged for lookup; where several name one thing, their shares multiply.
struct DegradationEffects: Hashable, Sendable {
  struct Pair: Hashable, Sendable {
    let first: Int
    let second: Int
  }

  private(set) var deviceShare: [Int: Double] = [:]
  private(set) var nodeLinkShare: [Int: Double] = [:]
  private(set) var adapterShare: [Pair: Double] = [:]
  private(set) var leafShare: [Pair: Double] = [:]
  private(set) var podShare: [Pair: Double] = [:]
  /// Failed adapters per node.
  private(set) var failedAdapters: [Int: Set<Int>] = [:]

  init(_ degradations: [Degradation]) {
    for degradation in degradations {
      let share = degradation.share
      switch degradation.target {
      case .device(let rank): deviceShare[rank, default: 1] *= share
      case .nodeLink(let rank): nodeLinkShare[rank, default: 1] *= share
      case .adapter(let node, let index):
        adapterShare[Pair(first: node, second: index), default: 1] *= share
        if share == 0 { failedAdapters[node, default: []].insert(index) }
      case .leafUplinks(let plane, let leaf):
        leafShare[Pair(first: plane, second: leaf), default: 1] *= share
      case .spineUplinks(let plane, let pod):
        podShare[Pair(first: plane, second: pod), default: 1] *= share
      }
    }
  }
}
