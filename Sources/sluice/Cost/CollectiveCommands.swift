import ArgumentParser
import Costs
import Quantities
import Reports

/// What collectives have in common.
struct CollectiveOptions: ParsableArguments {
  @Option(help: "Bytes on each rank, all parts together, such as 1GiB.")
  var bytes: String

  @Option(help: "Ranks that take part; they fill one node after the other.")
  var ranks: Int

  @OptionGroup var options: CostOptions

  /// Prices the collective; `busFactor` turns bytes over time into NCCL's bus bandwidth.
  func run(
    _ name: String, _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm? = nil,
    busFactor: (Double) -> Double
  ) throws {
    let models = try options.models()
    try checked("ranks", ranks, in: 1...models.cluster.rankCount)
    let size: ByteCount
    switch ByteCount.parse(bytes) {
    case .value(let value): size = value
    case .refused(let rule): throw CommandError("--bytes \(bytes): \(rule)")
    }
    guard size > .zero, size.bytes <= 1 << 50 else {
      throw CommandError("--bytes \(bytes): must be from 1 B to 1 PiB")
    }
    if let algorithm, algorithm == .tree || algorithm == .hierarchical,
      ranks <= models.cluster.node.devices.value
    {
      throw CommandError(
        "--algorithm \(algorithm.rawValue) has no effect on \(ranks) ranks of one node: they form "
          + "rings")
    }
    guard
      let outcome = models.contention.time(
        operation, by: algorithm, bytes: Double(size.bytes), over: Array(0..<ranks))
    else {
      throw CommandError(
        "--algorithm \(algorithm?.rawValue ?? ""): \(models.cluster.name) has no node.collectives."
          + "in-switch, or too few of the \(ranks) ranks share a node")
    }
    let seconds = outcome.cost.seconds
    let bus = seconds > 0 ? Double(size.bytes) / seconds * busFactor(Double(ranks)) / 1e9 : 0
    try options.show(
      CostReport(
        "\(name) of \(size) over \(grouped(ranks)) ranks", on: models.cluster,
        outcome.cost, bytes: Double(size.bytes),
        details: details(outcome, operation, bus: bus, models),
        assumptions: models.assumptions(of: "node.collectives")))
  }

  private func details(
    _ outcome: CollectiveContention.Outcome, _ operation: CollectiveOperation, bus: Double,
    _ models: CostModels
  ) -> [CostReport.Detail] {
    let group = CollectiveGroup(
      ranks: ranks, ranksPerNode: min(ranks, models.cluster.node.devices.value))
    var details: [CostReport.Detail] = [
      .init("bus bandwidth", "\(threeFigures(bus)) GB/s, as NCCL's tests count"),
      .init("nodes", grouped(group.nodes)),
    ]
    if operation.algorithms.count > 1 {
      let way = outcome.way
      details.append(.init("algorithm", "\(way.algorithm.rawValue), \(way.wire.rawValue)"))
    }
    if let link = outcome.bottleneck {
      let alike = outcome.alike > 1 ? ", and \(grouped(outcome.alike - 1)) alike" : ""
      details.append(.init("most loaded link", "\(link)\(alike)"))
    }
    return details
  }
}

/// `sluice cost all-reduce`.
struct AllReduceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all-reduce", abstract: "The sum of every rank's bytes, on every rank.",
    discussion: """
      Example:
        sluice cost all-reduce --bytes 1GiB --ranks 2048
        sluice cost all-reduce --bytes 1GiB --ranks 2048 \\
          --set 'cluster.degraded=[{what: adapter, node: 7, index: 3, share: 0}]'
      """)

  @Option(help: "ring, tree, in-switch or hierarchical; by default what NCCL takes.")
  var algorithm: CollectiveAlgorithm?

  @OptionGroup var collective: CollectiveOptions

  func run() throws {
    try collective.run("all-reduce", .allReduce, by: algorithm, busFactor: { 2 * ($0 - 1) / $0 })
  }
}

/// `sluice cost all-gather`.
struct AllGatherCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all-gather", abstract: "Every rank's part, on every rank.",
    discussion: """
      Example:
        sluice cost all-gather --bytes 1GiB --ranks 256
      """)

  @OptionGroup var collective: CollectiveOptions

  func run() throws {
    try collective.run("all-gather", .allGather, busFactor: { ($0 - 1) / $0 })
  }
}

/// `sluice cost reduce-scatter`.
struct ReduceScatterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reduce-scatter", abstract: "Each rank's part of the sum of all ranks' bytes.",
    discussion: """
      Example:
        sluice cost reduce-scatter --bytes 1GiB --ranks 256
      """)

  @OptionGroup var collective: CollectiveOptions

  func run() throws {
    try collective.run("reduce-scatter", .reduceScatter, busFactor: { ($0 - 1) / $0 })
  }
}

/// `sluice cost all-to-all`.
struct AllToAllCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all-to-all", abstract: "An equal part of every rank's bytes to every rank.",
    discussion: """
      Example:
        sluice cost all-to-all --bytes 256MiB --ranks 64
      """)

  @OptionGroup var collective: CollectiveOptions

  func run() throws {
    try collective.run("all-to-all", .allToAll, busFactor: { ($0 - 1) / $0 })
  }
}

extension CollectiveAlgorithm: ExpressibleByArgument {}
