import Clusters
import Costs
import Documents
import Engines
import Models
import Plans
import Programs

/// A step of CPU ranks on a cluster that describes them: the very programs that `train` carries out, on a
/// clock of their own.
///
/// Ranks fill one node after the other.
public struct ProcessorStep: Sendable {
  public let placed: PlacedPlan
  public let cluster: Cluster
  public private(set) var input: StepInput
  private let cost: ProcessorCost
  private let scripts: [ProcessorScript]

  /// What the step came to.
  public struct Outcome: Sendable {
    public var seconds: Double
    /// By rank.
    public var timelines: [Timeline]
    public var parts: [ProcessorParts]
  }

  /// Places and lowers a plan for CPU ranks.
  ///
  /// - Parameters:
  ///   - recorded: the rows that a run's exchanges had, and where they went; nil for an even spread.
  /// - Throws: `PlanError`, `ScheduleError` or `ConfigurationError`.
  public init(
    _ placed: PlacedPlan, on cluster: Cluster, objective: Objective = .crossEntropy,
    recorded: (rows: (StepInput) -> RankRows, routes: RecordedRoutes)? = nil
  ) throws {
    self.placed = placed
    self.cluster = cluster
    let plan = placed.plan
    // Before the plan: whoever names another kind of cluster reads this first.
    let perNode = min(plan.worldSize, cluster.node.devices.value)
    // Nodes on one machine share its cores, as far as the plan fills them.
    let onMachine = perNode * (cluster.device.processor?.nodesOnMachine ?? 1)
    cost = try ProcessorCost(cluster, ranks: min(plan.worldSize, onMachine))
    guard plan.worldSize <= cluster.rankCount else {
      throw ConfigurationError(
        file: cluster.name, keyPath: "node.devices",
        rule: "has \(cluster.rankCount) CPU ranks in all, and the plan has \(plan.worldSize)")
    }
    guard plan.worldSize % perNode == 0 else {
      throw ConfigurationError(
        file: cluster.name, keyPath: "node.devices",
        rule: "is \(perNode), of which the plan's \(plan.worldSize) ranks do not fill whole nodes")
    }
    let even = EvenRoutes(placed)
    var input = try StepInput(placed, rows: even.rows, target: .cpuRank, objective: objective)
    if let recorded {
      input.rankRows = recorded.rows(input)
      input.routes = recorded.routes
    } else {
      input.routes = even.routes(input)
    }
    self.input = input
    scripts = try Self.scripts(input, cost, cluster)
  }

  /// Refuses what CPU ranks do not do, which `train` refuses as well.
  public static func check(_ plan: Plan, for architecture: Architecture) throws(PlanError) {
    guard let refusal = plan.refusalOnProcessors(for: architecture) else { return }
    throw .onProcessors(refusal)
  }

  /// What every rank does, with the time that the engine itself takes in front.
  private static func scripts(
    _ input: StepInput, _ cost: ProcessorCost, _ cluster: Cluster
  ) throws(ConfigurationError) -> [ProcessorScript] {
    let ranks = input.plan.worldSize
    var scripts: [ProcessorScript] = []
    for rank in 0..<ranks {
      let position = rank / (ranks / input.ranks.count)
      var engine = Engine(input.ranks[position], stages: input.stages.map { Optional($0) })
      var backend = ProcessorScriptBackend(input, rank: rank)
      guard engine.advance(&backend) == .finished else {
        preconditionFailure("A script waits for nobody.")
      }
      if let unknown = backend.unknown {
        throw ConfigurationError(
          file: cluster.name, rule: "CPU ranks have no kernel for \(unknown)")
      }
      var script = backend.script
      let gradients = StageProgram.held(by: input.ranks[position].stages, of: input.stages)
        .reduce(0) { sum, held in
          let buffer = input.stages[held.stage].buffers[Int(held.buffer.index)]
          return buffer.use == .gradient
            ? sum + input.balancedRows[held.stage](buffer.rows) * buffer.bytesPerRow : sum
        }
      let walk = ProcessorWork(
        .step, bytes: Double(gradients), rows: Double(script.operations))
      script.entries.insert(.compute(walk, operation: nil, isForward: true), at: 0)
      for case .compute(let work, _, _) in script.entries where !cost.knows(work.kernel) {
        throw ConfigurationError(
          file: cluster.name, keyPath: "device.processor.kernels",
          rule:
            "lacks \(work.kernel.rawValue) with \(cost.ranks) ranks on a machine, which the step needs"
        )
      }
      scripts.append(script)
    }
    return scripts
  }

  /// Runs the step.
  public func run() -> Outcome {
    let plan = placed.plan
    func crowded(_ way: Processor.Way) -> [Processor.Messages] {
      cluster.device.processor?.messages.filter { $0.way == way && $0.ranks == cost.ranks } ?? []
    }
    var links = ProcessorClock.Links(
      node: ProcessorMessageCost(
        start: cluster.node.link.latency.value.value,
        rate: cluster.node.link.rate.reached.value.value, crowded: crowded(.node)))
    if let adapters = cluster.node.adapters, let network = cluster.network {
      links.network = ProcessorMessageCost(
        start: network.latency.sameLeaf.value.value,
        rate: adapters.rate.reached.value.value * Double(adapters.count.value),
        crowded: crowded(.network))
    }
    let nodes = (0..<plan.worldSize).map { cluster.node(of: $0) }
    var clock = ProcessorClock(
      scripts, cost: cost, links: links, nodes: nodes,
      machines: nodes.indices.map { $0 / cost.ranks },
      agreementSeconds: agreementSeconds(links, nodes))
    let (seconds, timelines, parts) = clock.run()
    return Outcome(seconds: seconds, timelines: timelines, parts: parts)
  }

  /// The sum of losses and squares over all ranks, by doubling: what Open MPI does with short vectors.
  ///
  /// A square is summed for every block of 4,096 elements of every trained tensor.
  private func agreementSeconds(_ links: ProcessorClock.Links, _ nodes: [Int]) -> Double {
    let ranks = placed.plan.worldSize
    guard ranks > 1 else { return 0 }
    let blocks = placed.architecture.parameters.filter { $0.sharedWith == nil }.reduce(0) {
      $0 + ($1.count + GradientSegment.blockElements - 1) / GradientSegment.blockElements
    }
    let isInside = (nodes.last ?? 0) == 0
    let bytes = 8 * blocks
    var rounds = 0
    while 1 << rounds < ranks { rounds += 1 }
    let link = isInside ? links.node : links.network
    return Double(rounds) * link.seconds(bytes, computing: 0)
  }
}

/// Where tokens go that spread evenly over the experts.
private struct EvenRoutes {
  let rows: (received: Int, routed: Int, sent: Int)
  private let toRank: [Int]

  /// A token has so many of all experts, each equally likely: of a rank's share it has at least one with
  /// one less the probability that all lie elsewhere.
  init(_ placed: PlacedPlan) {
    let plan = placed.plan
    let tokens = plan.tokensPerMicrobatch
    guard let mixture = placed.architecture.feedForwards.compactMap(\.mixture).first else {
      rows = (0, 0, 0)
      toRank = []
      return
    }
    let (all, chosen) = (mixture.routedExperts, mixture.expertsPerToken)
    let share = all / plan.expertParallel
    var elsewhere = 1.0
    for place in 0..<chosen {
      elsewhere *= Double(max(0, all - share - place)) / Double(all - place)
    }
    let sent = Int((Double(tokens) * (1 - elsewhere)).rounded())
    toRank = Array(repeating: sent, count: plan.expertParallel)
    rows = (
      received: sent * plan.expertParallel, routed: tokens * chosen,
      sent: sent * plan.expertParallel
    )
  }

  /// The same of every rank, microbatch and layer.
  func routes(_ input: StepInput) -> RecordedRoutes {
    var routes = RecordedRoutes()
    guard !toRank.isEmpty, input.expertRanks > 1 else { return routes }
    for rank in 0..<input.plan.worldSize {
      for (stage, program) in input.stages.enumerated() {
        for microbatch in 0..<input.plan.microbatchCount {
          for exchange in 0..<program.exchangeCount {
            routes[rank: rank, stage: stage, microbatch: microbatch, exchange: exchange] = toRank
          }
        }
      }
    }
    return routes
  }
}
