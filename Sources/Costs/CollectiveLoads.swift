import Clusters
import Quantities

/// What a collective over several groups of ranks at once puts on the links of a cluster, counted once for
/// all sizes and protocols.
///
/// Bytes on a link grow in proportion to a collective's, and a phase gets the same share of all links of one
/// kind. For each group and phase one link of each kind therefore stands for all others: the one with most
/// bytes for its bandwidth. Counting takes time proportional to the flows, a price from then on to the
/// groups.
public struct CollectiveLoads: Sendable {
  /// Links of which a phase gets the same share.
  enum Kind: Int, CaseIterable {
    case insideNode, adapter, betweenSwitches

    init(_ link: Link) {
      switch link {
      case .deviceOut, .deviceIn, .nodeShared: self = .insideNode
      case .adapterOut, .adapterIn: self = .adapter
      case .leafUp, .leafDown, .podUp, .podDown: self = .betweenSwitches
      }
    }
  }

  /// The most loaded link of a kind that a group uses, for one byte of the collective.
  private struct Peak {
    /// Seconds at all that the link carries.
    var seconds = 0.0
    var link = -1
    /// How many links are as loaded, that one included.
    var alike = 0
  }

  private let cluster: Cluster
  private let constants: CollectiveConstants
  private let operation: CollectiveOperation
  private let shapes: [CollectiveGroup]
  /// By group, phase and kind.
  private let peaks: [[[Peak]]]

  init(
    _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm, over groups: [[Int]],
    _ cluster: Cluster, _ constants: CollectiveConstants
  ) {
    self.cluster = cluster
    self.constants = constants
    self.operation = operation
    let members = groups.map { cluster.byNode($0) }
    shapes = members.map { CollectiveGroup(byNode: $0, on: cluster) }
    let flows = members.map {
      CollectiveFlows(operation, by: algorithm, bytes: 1, members: $0)
    }
    var peaks = [[[Peak]]](repeating: [], count: groups.count)
    for phase in 0..<(flows.map(\.phaseCount).max() ?? 0) {
      var counter = Counter(cluster)
      let working = flows.indices.filter { phase < flows[$0].phaseCount }
      for group in working { counter.add(flows[group], phase) }
      for group in working {
        // A single group uses all links that carry anything.
        peaks[group].append(
          groups.count == 1 ? counter.peaks() : counter.peaks(of: flows[group], phase))
      }
    }
    self.peaks = peaks
  }

  /// What the collective takes for each group, by a way of the algorithm that was counted.
  public func outcomes(by way: CollectiveWay, bytes: Double) -> [CollectiveContention.Outcome] {
    zip(shapes, peaks).map { shape, peaks in
      var outcome = CollectiveContention.Outcome(
        way: way, cost: .none, phases: [], bottleneck: nil, alike: 0)
      guard !peaks.isEmpty else { return outcome }
      let phases = constants.phases(operation, bytes: bytes, group: shape, by: way)
      for (phase, peaks) in zip(phases, peaks) { add(phase, bytes, peaks, to: &outcome) }
      return outcome
    }
  }

  /// Seconds for which the most loaded link of each kind is busy.
  private func moving(_ phase: CollectivePhase, _ bytes: Double, _ peaks: [Peak]) -> [Double] {
    zip(Kind.allCases, peaks).map { kind, peak in
      peak.link < 0 ? 0 : bytes * peak.seconds / share(of: kind, phase)
    }
  }

  private func add(
    _ phase: CollectivePhase, _ bytes: Double, _ peaks: [Peak],
    to outcome: inout CollectiveContention.Outcome
  ) {
    let moving = moving(phase, bytes, peaks)
    var (longest, link, alike) = (0.0, -1, 0)
    for (seconds, peak) in zip(moving, peaks) where peak.link >= 0 {
      // A later kind must be slower by more than rounding to take the name.
      if seconds > longest * (1 + 1e-9) {
        (longest, link, alike) = (seconds, peak.link, peak.alike)
      } else if seconds > longest * (1 - 1e-9) {
        alike += peak.alike
      }
    }
    let bottleneck = link < 0 ? nil : cluster.link(LinkID(link))
    let cost = CollectiveCost.cost(
      of: phase, moving: longest, limit: bottleneck.map { Kind($0).limit } ?? .latency)
    if cost.seconds > outcome.phases.max() ?? -1 {
      (outcome.bottleneck, outcome.alike) = (bottleneck, alike)
    }
    outcome.phases.append(cost.seconds)
    outcome.cost = outcome.cost + cost
  }

  /// What a phase gets of a link's bandwidth: of what is left of the link what it gets of a whole one, at
  /// most all that a whole one reaches.
  private func share(of kind: Kind, _ phase: CollectivePhase) -> Double {
    func part(_ nominal: BytesPerSecond?, _ reached: BytesPerSecond?) -> Double {
      guard let nominal, let reached else { return 1 }
      return min(1, phase.networkShare * (nominal / reached))
    }
    switch kind {
    case .insideNode:
      return constants.linkRate(phase.linkShare) / cluster.node.link.rate.reached.value.value
    case .adapter:
      let rate = cluster.node.adapters?.rate
      return part(rate?.bandwidth.value, rate?.reached.value)
    case .betweenSwitches:
      let rate = cluster.network?.port
      return part(rate?.bandwidth.value, rate?.reached.value)
    }
  }

  /// Bytes per link, and the links that need longest for them.
  private struct Counter {
    private let cluster: Cluster
    private var bytes: [Double]
    /// The last group that was seen to use a link.
    private var user: [Int]
    private var group = 0

    init(_ cluster: Cluster) {
      self.cluster = cluster
      bytes = Array(repeating: 0, count: cluster.linkCount)
      user = Array(repeating: 0, count: cluster.linkCount)
    }

    mutating func add(_ flows: CollectiveFlows, _ phase: Int) {
      flows.forEach(inPhase: phase) { source, destination, size in
        cluster.forEachLink(from: source, to: destination) { bytes[$0.index] += size }
      }
    }

    /// Of all links that carry anything, by kind.
    func peaks() -> [Peak] {
      var peaks = [Peak](repeating: Peak(), count: Kind.allCases.count)
      for index in bytes.indices where bytes[index] > 0 { note(index, in: &peaks) }
      return peaks
    }

    /// Of the links that some flows use.
    mutating func peaks(of flows: CollectiveFlows, _ phase: Int) -> [Peak] {
      var peaks = [Peak](repeating: Peak(), count: Kind.allCases.count)
      group += 1
      flows.forEach(inPhase: phase) { source, destination, _ in
        cluster.forEachLink(from: source, to: destination) { id in
          if user[id.index] == group { return }
          user[id.index] = group
          note(id.index, in: &peaks)
        }
      }
      return peaks
    }

    private func note(_ index: Int, in peaks: inout [Peak]) {
      let link = cluster.link(LinkID(index))
      let kind = Kind(link).rawValue
      let seconds = bytes[index] / cluster.capacity(of: link).value
      let peak = peaks[kind]
      if seconds > peak.seconds * (1 + 1e-9) {
        peaks[kind] = Peak(seconds: seconds, link: index, alike: 1)
      } else if seconds > peak.seconds * (1 - 1e-9) {
        // Of links that are alike the first one has the name.
        peaks[kind].link = min(peak.link, index)
        peaks[kind].alike += 1
      }
    }
  }
}

extension CollectiveLoads.Kind {
  /// What a collective is limited by where such a link is its slowest.
  fileprivate var limit: Limit {
    switch self {
    case .insideNode: .nvlink
    case .adapter: .infiniBand
    case .betweenSwitches: .uplinks
    }
  }
}

extension CollectiveGroup {
  /// The group of some ranks by node: how many there are, and the most that share a node.
  init(byNode members: [[Int]], on cluster: Cluster) {
    self.init(
      ranks: members.reduce(0) { $0 + $1.count },
      ranksPerNode: members.map(\.count).max() ?? 1,
      networkLatency: cluster.latencyOfHops(among: members))
  }
}
