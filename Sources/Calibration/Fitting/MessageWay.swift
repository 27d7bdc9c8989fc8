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
      (starts, beyondKey) = (time, 0)
      rates = min(ConstantKind.rate.range.lowerBound, nominal)...nominal
      return
    }
    do throws(ConfigurationError) {
      let constants = try CollectiveConstants(base)
      let isInside = way == .insideNode
      nominal = isInside ? constants.linkBandwidth : constants.networkBandwidth
      self.base = Self.price(constants, isInside)
      beyondKey =
        isInside
        ? constants.linkLatency - constants.measuredLinkLatency
        : constants.networkLatency - constants.measuredNetworkLatency
    } catch {
      throw Unfittable(what: "messages", reason: error.description)
    }
    starts = max(0, time.lowerBound + beyondKey)...max(0, time.upperBound + beyondKey)
    rates = ConstantKind.share.range.lowerBound * nominal...nominal
  }

  private static func latencies(_ network: Network) -> [Double] {
    [network.latency.sameLeaf, network.latency.crossLeaf, network.latency.crossPod]
      .compactMap { $0?.value.value }
  }

  private static func price(
    _ constants: CollectiveConstants, _ isInside: Bool
  ) -> (start: Double, rate: Double) {
    let cost = CollectiveCost(constants)
    let latency = isInside ? constants.linkLatency : constants.networkLatency
    return (
      cost.startOfSend(insideNode: isInside, latency: latency),
      1 / cost.secondsOfSend(bytes: 1, insideNode: isInside)
    )
  }

  /// What a cluster's file says of the way.
  func written(in cluster: Cluster) throws(ConfigurationError) -> (start: Double, rate: Double) {
    guard way == .adapter else {
      return Self.price(try CollectiveConstants(cluster), way == .insideNode)
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
    let least = ConstantKind.time.range.lowerBound
    let key = start <= starts.lowerBound ? least : start - beyondKey
    return [
      FittedConstant(
        path: "node.collectives.direct.\(way == .insideNode ? "link" : "network")-start",
        text: "\(figures(key * 1e6)) us",
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
