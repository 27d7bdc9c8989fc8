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
  private let rates: Rates
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
    rates = Rates(cluster)
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

  /// By group, the number of the first one that takes as long as it, whatever the size and the protocol.
  public var alike: [Int] {
    var numbers: [Profile: Int] = [:]
    return zip(shapes, peaks).enumerated().map { index, group in
      // Less than single precision tells apart is rounding.
      let profile = Profile(
        shape: group.0, seconds: group.1.map { phase in phase.map { Float($0.seconds) } })
      if let known = numbers[profile] { return known }
      numbers[profile] = index
      return index
    }
  }

  /// All that a group's times depend on.
  private struct Profile: Hashable {
    var shape: CollectiveGroup
    var seconds: [[Float]]
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

  /// Seconds that the first group takes with other constants than those it was counted with.
  package func seconds(
    by way: CollectiveWay, bytes: Double, with constants: CollectiveConstants
  ) -> Double {
    guard let shape = shapes.first, let peaks = peaks.first, !peaks.isEmpty else { return 0 }
    let phases = constants.phases(operation, bytes: bytes, group: shape, by: way)
    return zip(phases, peaks).reduce(0) { sum, one in
      let (phase, peaks) = one
      let longest = Kind.allCases.reduce(0) {
        max($0, moving($1, phase, bytes, peaks[$1.rawValue], constants))
      }
      return sum + CollectiveCost.cost(of: phase, moving: longest, limit: .latency).seconds
    }
  }

  /// Seconds for which the most loaded link of a kind is busy.
  private func moving(
    _ kind: Kind, _ phase: CollectivePhase, _ bytes: Double, _ peak: Peak,
    _ constants: CollectiveConstants
  ) -> Double {
    peak.link < 0 ? 0 : bytes * peak.seconds / share(of: kind, phase, constants)
  }

  private func add(
    _ phase: CollectivePhase, _ bytes: Double, _ peaks: [Peak],
    to outcome: inout CollectiveContention.Outcome
  ) {
    let moving = zip(Kind.allCases, peaks).map { self.moving($0, phase, bytes, $1, constants) }
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
  private func share(
    of kind: Kind, _ phase: CollectivePhase, _ constants: CollectiveConstants
  ) -> Double {
    func part(_ overReached: Double?) -> Double {
      overReached.map { min(1, phase.networkShare * $0) } ?? 1
    }
    switch kind {
    case .insideNode: return constants.linkRate(phase.linkShare) / rates.linkReached
    case .adapter: return part(rates.adapter)
    case .betweenSwitches: return part(rates.port)
    }
  }

  /// What the links of the cluster reached inside a node, and the nominal of others over what they reached.
  private struct Rates {
    var linkReached: Double
    var adapter: Double?
    var port: Double?

    init(_ cluster: Cluster) {
      linkReached = cluster.node.link.rate.reached.value.value
      adapter = (cluster.node.adapters?.rate).map { $0.bandwidth.value / $0.reached.value }
      port = (cluster.network?.port).map { $0.bandwidth.value / $0.reached.value }
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
      // A description is large: it is not copied for every flow.
      let cluster = cluster
      flows.forEach(inPhase: phase) { source, destination, size in
        cluster.forEachLink(from: source, to: destination) { bytes[$0.index] += size }
      }
    }

    /// Of all links that carry anything, by kind.
    func peaks() -> [Peak] {
      var peaks = [Peak](repeating: Peak(), count: Kind.allCases.count)
      for index in bytes.indices where bytes[index] > 0 { note(index, cluster, in: &peaks) }
      return peaks
    }

    /// Of the links that some flows use.
    mutating func peaks(of flows: CollectiveFlows, _ phase: Int) -> [Peak] {
      var peaks = [Peak](repeating: Peak(), count: Kind.allCases.count)
      group += 1
      let cluster = cluster
      flows.forEach(inPhase: phase) { source, destination, _ in
        cluster.forEachLink(from: source, to: destination) { id in
          if user[id.index] == group { return }
          user[id.index] = group
          note(id.index, cluster, in: &peaks)
        }
      }
      return peaks
    }

    private func note(_ index: Int, _ cluster: Cluster, in peaks: inout [Peak]) {
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
