import Clusters
import Quantities

/// Collectives whose flows share the links of a described cluster.
///
/// The phases are those of `CollectiveCost`, and so is what they take beside their bytes; the bytes move
/// as flows over the links between their ranks. Chunks of all flows follow each other through a phase, so
/// flows share links max-min fairly in proportion to their bytes: then no flow ends after the most loaded
/// link, and that one is never idle, whatever bounds the others. The time of a phase is therefore
/// bytes over bandwidth of its most loaded link. Degraded links, failed adapters and oversubscribed
/// layers change the outcome since they are part of the cluster. On a healthy network with full
/// uplinks it is the closed form.
public struct CollectiveContention: Sendable {
  private let cluster: Cluster
  private let formula: CollectiveCost

  public init(_ cluster: Cluster, _ constants: CollectiveConstants) {
    self.cluster = cluster
    formula = CollectiveCost(constants)
  }

  /// What a collective takes, and where its time goes.
  public struct Outcome: Hashable, Sendable {
    public var way: CollectiveWay
    public var cost: Cost
    /// Seconds of each phase.
    public var phases: [Double]
    /// The most loaded link of the phase that takes longest; nil if no byte moves.
    public var bottleneck: Link?
    /// How many links carry as much over their bandwidth, that one included.
    public var alike: Int
  }

  /// A collective of `bytes` over one group of ranks, by the fastest way, or the fastest of an algorithm;
  /// nil where the cluster cannot carry the algorithm out.
  public func time(
    _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm? = nil, bytes: Double,
    over ranks: [Int]
  ) -> Outcome? {
    ways(of: operation, in: group(of: ranks), by: algorithm).map {
      times(operation, by: $0, bytes: bytes, over: [ranks])[0]
    }
    .min { $0.cost.seconds < $1.cost.seconds }
  }

  /// The ways among which the fastest is taken, or those of one algorithm.
  public func ways(
    of operation: CollectiveOperation, in group: CollectiveGroup, by algorithm: CollectiveAlgorithm?
  ) -> [CollectiveWay] {
    formula.constants.ways(of: operation, in: group, by: algorithm)
  }

  /// How many ranks there are, and the most that share a node.
  public func group(of ranks: [Int]) -> CollectiveGroup {
    let members = cluster.byNode(ranks)
    return CollectiveGroup(
      ranks: ranks.count, ranksPerNode: members.map(\.count).max() ?? 1,
      networkLatency: cluster.latencyOfHops(among: members))
  }

  /// The same collective of `bytes` over several groups at once; an outcome for each group.
  public func times(
    _ operation: CollectiveOperation, by way: CollectiveWay, bytes: Double, over groups: [[Int]]
  ) -> [Outcome] {
    let shapes = groups.map { ranks in
      let members = cluster.byNode(ranks)
      return (
        flows: CollectiveFlows(
          operation, by: way.algorithm, bytes: bytes, members: members),
        group: group(of: ranks)
      )
    }
    var outcomes = groups.map { _ in
      Outcome(way: way, cost: .none, phases: [], bottleneck: nil, alike: 0)
    }
    for phase in 0..<(shapes.map(\.flows.phaseCount).max() ?? 0) {
      var loads = LinkLoads(cluster, formula.constants)
      for shape in shapes where phase < shape.flows.phaseCount {
        loads.add(shape.flows, phase)
      }
      for (index, shape) in shapes.enumerated() where phase < shape.flows.phaseCount {
        let part = formula.constants.phases(
          operation, bytes: bytes, group: shape.group, by: way)[phase]
        let peak =
          groups.count == 1 ? loads.peak(part) : loads.peak(of: shape.flows, phase, part)
        outcomes[index].add(part, peak)
      }
    }
    return outcomes
  }
}

extension CollectiveContention.Outcome {
  fileprivate mutating func add(_ phase: CollectivePhase, _ peak: LinkLoads.Peak) {
    let limit = peak.link?.limit ?? .latency
    let cost = CollectiveCost.cost(of: phase, moving: peak.seconds, limit: limit)
    if cost.seconds > phases.max() ?? -1 { (bottleneck, alike) = (peak.link, peak.alike) }
    phases.append(cost.seconds)
    self.cost = self.cost + cost
  }
}

extension Link {
  /// What a collective is limited by where this link is.
  fileprivate var limit: Limit {
    switch self {
    case .deviceOut, .deviceIn, .nodeShared: .nvlink
    case .adapterOut, .adapterIn: .infiniBand
    case .leafUp, .leafDown, .podUp, .podDown: .uplinks
    }
  }
}

/// Bytes per link, and the links that need longest for their own.
private struct LinkLoads {
  struct Peak {
    var seconds = 0.0
    var link: Link?
    var alike = 0
  }

  private let cluster: Cluster
  private let constants: CollectiveConstants
  private var bytes: [Double]

  init(_ cluster: Cluster, _ constants: CollectiveConstants) {
    self.cluster = cluster
    self.constants = constants
    bytes = Array(repeating: 0, count: cluster.linkCount)
  }

  mutating func add(_ flows: CollectiveFlows, _ phase: Int) {
    flows.forEach(inPhase: phase) { source, destination, size in
      cluster.forEachLink(from: source, to: destination) { bytes[$0.index] += size }
    }
  }

  /// The most loaded of all links.
  func peak(_ part: CollectivePhase) -> Peak {
    peak(of: bytes.indices.lazy.filter { bytes[$0] > 0 }, part)
  }

  /// The most loaded link of those that some flows use.
  func peak(of flows: CollectiveFlows, _ phase: Int, _ part: CollectivePhase) -> Peak {
    var used: Set<Int> = []
    flows.forEach(inPhase: phase) { source, destination, _ in
      cluster.forEachLink(from: source, to: destination) { used.insert($0.index) }
    }
    return peak(of: used.sorted(), part)
  }

  private func peak(of links: some Sequence<Int>, _ part: CollectivePhase) -> Peak {
    var peak = Peak()
    for index in links {
      let link = cluster.link(LinkID(index))
      let seconds = bytes[index] / rate(of: link, part)
      // A later link must be slower by more than rounding to take the name.
      if seconds > peak.seconds * (1 + 1e-9) {
        peak = Peak(seconds: seconds, link: link, alike: 1)
      } else if seconds > peak.seconds * (1 - 1e-9) {
        peak.alike += 1
      }
    }
    return peak
  }

  /// Bytes per second that a phase gets through a link: of what is left of the link what it gets of a whole
  /// one, at most all that a whole one reaches.
  private func rate(of link: Link, _ phase: CollectivePhase) -> Double {
    let capacity = cluster.capacity(of: link).value
    func part(_ nominal: BytesPerSecond?, _ reached: BytesPerSecond?) -> Double {
      guard let nominal, let reached else { return capacity }
      return capacity * min(1, phase.networkShare * (nominal / reached))
    }
    switch link {
    case .deviceOut, .deviceIn, .nodeShared:
      return capacity * constants.linkRate(phase.linkShare)
        / cluster.node.link.rate.reached.value.value
    case .adapterOut, .adapterIn:
      let adapters = cluster.node.adapters
      return part(adapters?.rate.bandwidth.value, adapters?.rate.reached.value)
    case .leafUp, .leafDown, .podUp, .podDown:
      return part(cluster.network?.port.bandwidth.value, cluster.network?.port.reached.value)
    }
  }
}
