import Clusters
import Costs
import Documents
import RealModule

/// Fits the expert exchange: what it reaches of each link, and what one multiprocessor moves.
struct ExchangeParts {
  let base: Cluster
  let measured: [MeasuredExchange]

  private typealias Parameter = (
    name: String, unit: CollectiveFit.Parameter.Unit,
    path: WritableKeyPath<ExchangeConstants, Double> & Sendable
  )

  private static let parameters: [Parameter] = [
    ("network-share", .share, \.networkShare), ("link-share", .share, \.nvlinkShare),
    ("multiprocessor-rate", .rate, \.insideRate.stated),
    ("multiprocessor-rate-across", .rate, \.acrossRate.stated),
  ]

  /// The part, or what is missing; inside a node and between nodes are fitted together.
  func parts() throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    guard let first = measured.first else { return ([], []) }
    guard measured.byThing.count >= 2 else {
      return (
        [],
        [
          Unfittable(
            what: "expert exchanges (\(first.place.file))",
            reason: "1 best line; at least 2 are needed, of dispatch and combine")
        ]
      )
    }
    var start = try ExchangeConstants(base)
    // What a link reached is the ceiling of what is found.
    (start.networkReached, start.nvlinkReached) = (start.networkBandwidth, start.nvlinkBandwidth)
    return ([part(start)], [])
  }

  /// As `cost` prices it: over the farthest of the group's nodes.
  private static func seconds(
    _ one: MeasuredExchange, _ constants: ExchangeConstants, on cluster: Cluster
  ) -> Double {
    var constants = constants
    let (ranks, perNode) = (one.shape.ranks, one.shape.ranksPerNode)
    let all = (ranks + perNode - 1) / perNode * cluster.node.devices.value
    if all <= cluster.rankCount, let latency = cluster.latencyToFarthest(of: 0..<all) {
      constants.networkLatency = latency
    }
    return ExchangeCost(constants).parts(one.shape, multiprocessors: one.multiprocessors).payload
      .seconds
  }

  private func part(_ start: ExchangeConstants) -> FittedPart {
    let parameters = Self.parameters
    func with(_ values: [Double]) -> ExchangeConstants {
      var constants = start
      for (parameter, value) in zip(parameters, values) {
        constants[keyPath: parameter.path] = parameter.unit == .share ? min(1, value) : value
      }
      return constants
    }
    let groups = Dictionary(grouping: measured.byThing) { $0.first.shape.crossesNodes }
    let all = [false, true].flatMap { halved(groups[$0] ?? []) }
    let fitted = all.filter(\.isFitted).map(\.element)
    let fit = SelectedFit(
      from: parameters.map { start[keyPath: $0.path] },
      within: parameters.map(\.unit.kind.range), measurements: 2 * fitted.count
    ) { values in
      let constants = with(values)
      return fitted.map { Double.log(Self.seconds($0.first, constants, on: base) / $0.seconds) }
    }
    let found = with(fit.values)
    let points = all.flatMap { equal, isFitted in
      let one = equal.first
      return equal.points(
        series: "\(one.name) over \(one.shape.ranks) ranks",
        size: one.shape.nvlinkRows * one.shape.rowBytes, .bytes,
        predicted: Self.seconds(one, found, on: base), isFitted: isFitted)
    }
    let exchanges = all.map(\.element)
    return FittedPart(
      title: "expert exchanges", constants: written(fit, found, points), points: points,
      undetermined: parameters.indices.filter { !fit.determined.contains($0) }
        .map { parameters[$0].name },
      extrapolated: "groups other than "
        + Set(exchanges.map { "\($0.first.shape.ranks) ranks on \($0.first.multiprocessors) SMs" })
        .sorted()
        .joined(separator: ", ")
        + "; what these files cannot tell apart is put down to what limits by the base"
    ) { cluster throws(ConfigurationError) in
      let constants = try ExchangeConstants(cluster)
      return exchanges.flatMap { $0.forEachRow(Self.seconds($0.first, constants, on: cluster)) }
    }
  }

  private func written(
    _ fit: SelectedFit, _ found: ExchangeConstants, _ points: [FittedPoint]
  ) -> [FittedConstant] {
    return fit.determined.sorted().flatMap { place in
      let parameter = Self.parameters[place]
      let path = "node.exchange.\(parameter.name)"
      let value = found[keyPath: parameter.path]
      var constants = [
        FittedConstant(
          path: path, text: parameter.unit.text(value),
          source: FittedPart.source(points, of: value, in: parameter.unit.kind.range))
      ]
      // Ends of what is plausible are those of kernels that nobody measured.
      if parameter.unit == .rate {
        constants += ["-low", "-high"].map {
          FittedConstant(path: path + $0, text: nil, source: "measured")
        }
      }
      return constants
    }
  }
}
