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
    _ name: String, busFactor: (Double) -> Double,
    _ price: (CollectiveCost, Double, CollectiveGroup) -> Cost
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
    let group = CollectiveGroup(
      ranks: ranks, ranksPerNode: min(ranks, models.cluster.node.devices.value))
    let cost = price(models.collectives, Double(size.bytes), group)
    let bus =
      cost.seconds > 0
      ? Double(size.bytes) / cost.seconds * busFactor(Double(ranks)) / 1e9 : 0
    try options.show(
      CostReport(
        "\(name) of \(size) over \(grouped(ranks)) ranks", on: models.cluster.name, cost,
        bytes: Double(size.bytes),
        details: [
          .init("bus bandwidth", "\(threeFigures(bus)) GB/s, as NCCL's tests count"),
          .init("nodes", grouped(group.nodes)),
        ]))
  }
}

/// `sluice cost all-reduce`.
struct AllReduceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all-reduce", abstract: "The sum of every rank's bytes, on every rank.",
    discussion: """
      Example:
        sluice cost all-reduce --bytes 1GiB --ranks 2048
      """)

  @Option(help: "ring, tree or hierarchical; by default the fastest.")
  var algorithm: CollectiveAlgorithm?

  @OptionGroup var collective: CollectiveOptions

  func run() throws {
    try collective.run("all-reduce", busFactor: { 2 * ($0 - 1) / $0 }) { formula, bytes, group in
      formula.allReduce(bytes: bytes, group: group, algorithm: algorithm)
    }
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
    try collective.run("all-gather", busFactor: { ($0 - 1) / $0 }) { formula, bytes, group in
      formula.allGather(bytes: bytes, group: group)
    }
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
    try collective.run("reduce-scatter", busFactor: { ($0 - 1) / $0 }) { formula, bytes, group in
      formula.reduceScatter(bytes: bytes, group: group)
    }
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
    try collective.run("all-to-all", busFactor: { ($0 - 1) / $0 }) { formula, bytes, group in
      formula.allToAll(bytes: bytes, group: group)
    }
  }
}

extension CollectiveAlgorithm: ExpressibleByArgument {}
