import ArgumentParser
import Costs
import Plans
import Quantities
import Reports

/// What both expert exchanges have in common.
struct ExchangeOptions: ParsableArguments {
  /// Formats of tokens on the wire.
  enum Wire: String, ExpressibleByArgument, CaseIterable {
    case fp8, bf16
  }

  @Option(help: "Ranks that share the experts.")
  var ranks: Int

  @Option(help: "Tokens of each rank.")
  var tokens = 4096

  @Option(help: "Width of a token.")
  var hidden = 7168

  @Option(help: "Routed experts in all.")
  var experts = 256

  @Option(help: "Experts that each token is sent to.")
  var expertsPerToken = 8

  @Option(help: "The most nodes that a token's experts may lie on.")
  var nodesPerToken = 4

  @Option(help: "Format on the wire, fp8 or bf16; by default fp8 out and bf16 back.")
  var precision: Wire?

  @Option(help: "Multiprocessors that the exchange takes; by default the cluster's.")
  var sms: Int?

  @Option(help: "Rows of the most loaded rank over the mean.")
  var load = 1.0

  @Flag(help: "Beside busy computation, as in an overlapped pair.")
  var besideComputation = false

  @OptionGroup var options: CostOptions

  func run(_ direction: ExchangeShape.Direction) throws {
    let models = try options.models()
    let perNode = models.cluster.node.devices.value
    let nodes = try checkedNodes(perNode, rankCount: models.cluster.rankCount)
    let routing = ExpertRouting(
      experts: experts, expertsPerToken: expertsPerToken, groups: nodes,
      groupsPerToken: min(nodesPerToken, nodes), scoredPerGroup: 1)
    let reach = routing.reach(ranks: ranks, ranksPerNode: perNode)
    try checkLoad(reach)
    let wire = precision ?? (direction == .dispatch ? .fp8 : .bf16)
    let format: NumberFormat = wire == .fp8 ? .e4m3 : .bfloat16
    let rowBytes = format.rowBytes(columns: hidden, scaleBlock: 128)
    let shape = ExchangeShape(
      direction, tokens: tokens, rowBytes: Double(rowBytes), reach: reach, ranks: ranks,
      ranksPerNode: perNode, load: load)
    let exchange = models.exchange(over: ranks)
    let count = try checked(
      "sms", sms ?? exchange.multiprocessors, in: 1...models.cluster.device.multiprocessors.value)
    let origin = ExchangeConstants.originOfMultiprocessors(on: models.cluster)
    let parts = exchange.parts(
      shape, multiprocessors: count, besideComputation: besideComputation)
    try options.show(
      CostReport(
        "\(direction.rawValue) of \(grouped(tokens)) x \(grouped(hidden)) in \(wire.rawValue) over "
          + "\(ranks) ranks",
        on: models.cluster, parts.total, bytes: shape.countedBytes,
        movingSeconds: parts.payload.seconds,
        details: [
          .init("SMs", sms.map(String.init) ?? "\(count) (\(origin))"),
          .init("layout", parts.layout > 0 ? Seconds(parts.layout).description : "0"),
          .init("notification", Seconds(parts.notify).description),
          .init("payload", Seconds(parts.payload.seconds).description),
          .init("the rate", "counts bytes as DeepEP does: own node's share included, payload only"),
          .init(
            "a token",
            "\(rowBytes) B, reaches \(fixed(reach.nodes, decimals: 2)) nodes (own "
              + "\(fixed(reach.ownNodes, decimals: 2))) and \(fixed(reach.ranks, decimals: 2)) ranks"
          ),
        ] + range(of: exchange, shape, count),
        assumptions: models.assumptions(of: "node.exchange")))
  }

  /// What depends on how much one multiprocessor moves, if anything does.
  private func range(
    of exchange: ExchangeCost, _ shape: ExchangeShape, _ count: Int
  ) -> [CostReport.Detail] {
    let ends = [MultiprocessorRate.End.low, .high].map {
      exchange.at($0).parts(
        shape, multiprocessors: count, besideComputation: besideComputation
      ).payload.seconds
    }
    guard ends[0] > ends[1] else { return [] }
    let rate = exchange.multiprocessorRate(crossingNodes: shape.crossesNodes)
    return [
      .init(
        "each SM",
        "moves \(BytesPerSecond(rate.stated)); payload of \(Seconds(ends[0])) at "
          + "\(BytesPerSecond(rate.low)), of \(Seconds(ends[1])) at \(BytesPerSecond(rate.high))")
    ]
  }

  /// A rank gets every token of all ranks once at most; in the mean it gets what each reaches.
  private func checkLoad(_ reach: ExpertReach) throws(CommandError) {
    let most = Double(ranks) / reach.ranks
    guard load.isFinite, load >= 1, load <= most * (1 + 1e-9) || load == 1 else {
      throw CommandError(
        "--load \(load): must be from 1 to \(fixed(most, decimals: 2)): a rank gets each of "
          + "\(grouped(tokens)) x \(ranks) tokens once at most, and a token reaches "
          + "\(fixed(reach.ranks, decimals: 2)) ranks")
    }
  }

  /// The nodes that the group fills, once everything is known to fit together.
  private func checkedNodes(_ perNode: Int, rankCount: Int) throws(CommandError) -> Int {
    try checked("ranks", ranks, in: 1...rankCount)
    try checked("tokens", tokens, in: 1...1 << 24)
    try checked("hidden", hidden, in: 1...1 << 20)
    try checked("experts", experts, in: 1...1 << 16)
    try checked("experts-per-token", expertsPerToken, in: 1...experts)
    try checked("nodes-per-token", nodesPerToken)
    guard ranks <= perNode || ranks % perNode == 0 else {
      throw CommandError("--ranks \(ranks): more than a node's \(perNode) must fill their nodes")
    }
    guard experts % ranks == 0 else {
      throw CommandError("--experts \(experts): must be a multiple of --ranks \(ranks)")
    }
    let nodes = max(1, ranks / perNode)
    let reachable = experts / nodes * min(nodesPerToken, nodes)
    guard expertsPerToken <= reachable else {
      throw CommandError(
        "--experts-per-token \(expertsPerToken): \(nodesPerToken) nodes hold only \(reachable)")
    }
    return nodes
  }
}

/// `sluice cost dispatch`.
struct DispatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dispatch", abstract: "Tokens to the ranks of their experts.",
    discussion: """
      Example:
        sluice cost dispatch --ranks 64 --tokens 4096 --hidden 7168 \\
          --experts-per-token 8 --nodes-per-token 4 --sms 20
      """)

  @OptionGroup var exchange: ExchangeOptions

  func run() throws { try exchange.run(.dispatch) }
}

/// `sluice cost combine`.
struct CombineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "combine", abstract: "Results of experts back to the ranks of their tokens.",
    discussion: """
      Example:
        sluice cost combine --ranks 64 --tokens 4096 --hidden 7168
      """)

  @OptionGroup var exchange: ExchangeOptions

  func run() throws { try exchange.run(.combine) }
}
