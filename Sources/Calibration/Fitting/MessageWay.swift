import Clusters
import Costs
import Documents

/// What carries a message, and the keys of a cluster's file that its start and its rate are.
struct MessageWay: Sendable {
  let way: MeasuredMessage.Way
  /// What the base has: seconds of an empty message, bytes a second.
  let base: (start: Double, rate: Double)
  /// The rate of the hardware.
  let nominal: Double
  /// What both may be, so that the file may have what follows from them: no rate above the hardware's.
  let starts: ClosedRange<Double>
  let rates: ClosedRange<Double>
  private let name: String
  private let network: Network?
  /// Layers of switches, where a latency goes over some.
  private let layers: Int?
  /// What a library's start on the base is more than its key.
  private let beyondKey: Double
  /// The latency over which the key holds.
  private let measuredLatency: Double

  init(
    _ way: MeasuredMessage.Way, base: Cluster, layers: Int?
  ) throws(Unfittable) {
    (self.way, name, network) = (way, base.name, base.network)
    guard way == .insideNode || base.node.adapters != nil else {
      throw Unfittable(what: "messages between nodes", reason: "\(base.name) is a single node")
    }
    let latencies = base.network.map(Self.latencies) ?? []
    self.layers = layers ?? (latencies.count == 1 ? 1 : nil)
    let time = ConstantKind.time.range
    guard way != .adapter else {
      let rate = base.node.adapters?.rate
      nominal = rate?.bandwidth.value.value ?? 1
      let known = self.layers.flatMap {
        latencies.indices.contains($0 - 1) ? latencies[$0 - 1] : nil
      }
      self.base = (known ?? 0, rate?.reached.value.value ?? 1)
      (starts, beyondKey, measuredLatency) = (time, 0, 0)
      rates = min(ConstantKind.rate.range.lowerBound, nominal)...nominal
      return
    }
    do throws(ConfigurationError) {
      let constants = try CollectiveConstants(base)
      let isInside = way == .insideNode
      nominal = isInside ? constants.linkBandwidth : constants.networkBandwidth
      let latency = Self.latency(of: base, constants, isInside)
      self.base = Self.price(constants, isInside, latency)
      measuredLatency =
        isInside ? constants.measuredLinkLatency : constants.measuredNetworkLatency
      beyondKey = latency - measuredLatency
    } catch {
      throw Unfittable(what: "messages", reason: error.description)
    }
    // Inside a node the link's own latency gives way to a shorter start.
    let least =
      way == .insideNode
      ? ConstantKind.latency.range.lowerBound : max(0, time.lowerBound + beyondKey)
    starts = least...max(least, time.upperBound + beyondKey)
    rates = ConstantKind.share.range.lowerBound * nominal...nominal
  }

  private static func latencies(_ network: Network) -> [Double] {
    [network.latency.sameLeaf, network.latency.crossLeaf, network.latency.crossPod]
      .compactMap { $0?.value.value }
  }

  /// That of the way between two neighbours, as a step has it.
  private static func latency(
    of cluster: Cluster, _ constants: CollectiveConstants, _ isInside: Bool
  ) -> Double {
    guard !isInside else { return constants.linkLatency }
    return cluster.firstRanks(2, onNodes: 2).map { cluster.latency(from: $0[0], to: $0[1]) }
      ?? constants.networkLatency
  }

  private static func price(
    _ constants: CollectiveConstants, _ isInside: Bool, _ latency: Double
  ) -> (start: Double, rate: Double) {
    let cost = CollectiveCost(constants)
    return (
      cost.startOfSend(insideNode: isInside, latency: latency),
      1 / cost.secondsOfSend(bytes: 1, insideNode: isInside)
    )
  }

  /// What a cluster's file says of the way.
  func written(in cluster: Cluster) throws(ConfigurationError) -> (start: Double, rate: Double) {
    guard way == .adapter else {
      let constants = try CollectiveConstants(cluster)
      let isInside = way == .insideNode
      return Self.price(constants, isInside, Self.latency(of: cluster, constants, isInside))
    }
    let latencies = cluster.network.map(Self.latencies) ?? []
    let place = (layers ?? 1) - 1
    return (
      latencies.indices.contains(place) ? latencies[place] : 0,
      cluster.node.adapters?.rate.reached.value.value ?? 1
    )
  }

  // MARK: Keys

  /// The key of a rate that was found.
  func constant(ofRate rate: Double, _ points: [FittedPoint]) -> FittedConstant {
    guard way != .adapter else {
      let text = figures(rate / 1e9, atMost: nominal / 1e9)
      return FittedConstant(
        path: "node.adapters.reached", text: "\(text) GB/s",
        source: FittedPart.source(points, of: rate, in: rates))
    }
    let share = ConstantKind.share.range
    let value = min(max(share.lowerBound, rate / nominal), share.upperBound)
    return FittedConstant(
      path: "node.collectives.direct.\(way == .insideNode ? "link" : "network")-share",
      text: figures(value), source: FittedPart.source(points, of: value, in: share))
  }

  /// The keys of a start that was found.
  func constants(
    ofStart start: Double, _ points: [FittedPoint]
  ) throws(Unfittable) -> [FittedConstant] {
    guard way != .adapter else { return try latencies(start, FittedPart.source(points)) }
    let isInside = way == .insideNode
    let key = start - beyondKey
    // A link's latency is no more than a message's start over it.
    if isInside, key < 0 {
      return [
        FittedConstant(
          path: "node.link.latency", text: "\(figures(start * 1e6)) us",
          source: "no more than a message's start; " + FittedPart.source(points)),
        FittedConstant(
          path: "node.collectives.direct.link-start",
          text: "\(figures(measuredLatency * 1e6)) us",
          source: FittedPart.source(points)),
      ]
    }
    return [
      FittedConstant(
        path: "node.collectives.direct.\(way == .insideNode ? "link" : "network")-start",
        text: "\(figures(max(0, key) * 1e6)) us",
        source: FittedPart.source(points, of: key, in: ConstantKind.time.range))
    ]
  }

  /// The latency that was measured, and those over more and fewer switches moved as far.
  private func latencies(_ seconds: Double, _ source: String) throws(Unfittable) -> [FittedConstant]
  {
    guard let network else {
      throw Unfittable(what: "adapters, latency", reason: "\(name) has no network")
    }
    let names = ["same-leaf", "cross-leaf", "cross-pod"]
    let known = Self.latencies(network)
    guard let layers else {
      throw Unfittable(
        what: "adapters, latency",
        reason: "the file does not say over how many switches: --through leaf, spine or core")
    }
    guard layers <= known.count else {
      throw Unfittable(
        what: "adapters, latency",
        reason: "\(name) has \(counted(known.count, "layer")) of switches, not \(layers)")
    }
    let moved = seconds - known[layers - 1]
    return zip(names, known).enumerated().map { place, one in
      let value = place == layers - 1 ? seconds : min(1, max(1e-8, one.1 + moved))
      return FittedConstant(
        path: "network.latency.\(one.0)", text: "\(figures(value * 1e6)) us",
        source: place == layers - 1
          ? source : "as far from what was measured over \(names[layers - 1]) as in \(name)",
        isAssumed: place != layers - 1)
    }
  }
}
