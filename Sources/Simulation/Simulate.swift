import Clusters
import Costs
import Documents
import Models
import Plans
import Quantities
import Schedules

/// A plan of a model on a cluster, ready to be simulated.
public struct PlannedStep: Sendable {
  /// The plan with everything that it leaves to the cluster filled in.
  public let placed: PlacedPlan
  public let cluster: Cluster
  /// The plan as it was read, and what was decided where it does not say.
  private let stated: Plan
  private let assumed: [String]
  public let input: StepInput
  public let pricing: ClusterPricing
  /// What attention takes of each microbatch; nil where sequences are attended to whole.
  package let documents: DocumentLoads?
  /// What whole documents leave of sequences; nil where they are cut, or where there are none.
  package let wholeDocuments: DocumentLoads?
  private let documentLengths: [Int]?
  /// The clock of its kernels and what they draw; nil where nothing is known of the device's power.
  public let clock: StepClock?

  /// Places and lowers a plan and prices it.
  ///
  /// - Throws: `PlanError`, `ScheduleError` or `ConfigurationError`.
  public init(architecture: Architecture, cluster: Cluster, plan: Plan) throws {
    var lowered = LoweredStages()
    try self.init(architecture: architecture, cluster: cluster, plan: plan, lowered: &lowered)
  }

  /// The same, with stages that were lowered before where they are the same.
  ///
  /// - Throws: `PlanError`, `ScheduleError` or `ConfigurationError`.
  public init(
    architecture: Architecture, cluster: Cluster, plan: Plan, lowered: inout LoweredStages
  ) throws {
    if cluster.device.processor != nil { _ = try DeviceModel(cluster.device) }
    stated = plan
    var plan = plan
    assumed = try plan.fillIn(from: cluster, for: architecture)
    func validated() throws(PlanError) -> PlacedPlan {
      try plan.validated(
        for: architecture, on: .devices(cluster.rankCount),
        multiprocessors: cluster.device.multiprocessors.value)
    }
    var placed = try validated()
    let hasExperts = architecture.feedForwards.contains { $0.mixture != nil }
    if !hasExperts, plan.expertTensorParallel != plan.tensorParallel {
      // Nothing is divided so; what is stated is named as idle.
      plan.expertTensorParallel = plan.tensorParallel
      placed = try validated()
    }
    self.placed = placed
    try ExpertSpread(architecture, plan, cluster)?.check(plan)
    self.cluster = cluster
    let book = lowered.book?.prices
    let pricing = try ClusterPricing(
      cluster, plan: plan, architecture: architecture, sharing: book)
    try plan.precision.check(on: cluster.device, pricing.device, plan.library)
    try pricing.checkLibrary()
    try pricing.checkAlgorithm()
    try pricing.checkAttention(of: architecture)
    try pricing.checkOffload()
    let rows = pricing.balancedRows(architecture)
    var input = try StepInput(placed, rows: rows, target: .device, lowered: &lowered)
    if case .counts(let file) = plan.expertLoad {
      let counts = try ExpertCounts(file: file, for: architecture)
      // Where a rank has all experts, its rows are what its own tokens choose.
      if plan.expertParallel > 1 {
        input.rankRows = RankRows(counts, placed, balanced: rows)
      }
    }
    self.input = input
    documentLengths = try plan.documents?.file.map { path throws(ConfigurationError) in
      try PackedDocuments.lengths(file: path)
    }
    documents = Self.loads(placed.plan, input, documentLengths, seedOffset: 0)
    wholeDocuments = plan.documents.flatMap { [documents, documentLengths] packed in
      guard packed.packing == .whole else { return nil }
      return documents
        ?? DocumentLoads(packed, lengths: documentLengths, placed.plan, seedOffset: 0)
    }
    let powered = StepPower(input).clock(pricing, sharing: book)
    clock = powered?.0
    self.pricing = powered?.1 ?? pricing
    try checkDuration(book)
  }

  /// What attention takes of each microbatch, where its kernels skip what lies in other documents.
  private static func loads(
    _ plan: Plan, _ input: StepInput, _ lengths: [Int]?, seedOffset: UInt64
  ) -> DocumentLoads? {
    guard input.attendsWithinDocuments, let documents = plan.documents else { return nil }
    return DocumentLoads(documents, lengths: lengths, plan, seedOffset: seedOffset)
  }

  /// What was decided because the plan does not say, and what it says in vain, one short phrase each.
  ///
  /// Lowers the stages again for every format of the plan's own.
  public var assumptions: [String] {
    assumed + IdleKeys(stated, placed, input).phrases
      + [saturation, partsOfHead].compactMap(\.self)
  }

  /// In how many parts the head and its loss go over a microbatch, by Liger-Kernel's rule; nil where in one.
  private var partsOfHead: String? {
    guard let last = input.stages.last, placed.plan.loss == .chunked else { return nil }
    let parts = last.forward.operations.compactMap { operation -> Int? in
      guard case .headLoss(let tokens, _, _, module: 0) = operation.kernel else { return nil }
      return tokens
    }
    guard parts.count > 1 else { return nil }
    return
      "loss chunked: \(parts.count) parts of \(parts[0]) rows, each adding to the head's whole gradient"
  }

  /// That exchanges are no faster on as many multiprocessors as the plan gives them; nil where they are.
  private var saturation: String? {
    let hasPairs = input.hasPairs
    guard let count = stated.communicationSMs, stated.expertParallel > 1,
      let fewest = pricing.exchange.fewestAsFast(
        input.stages, rows: input.balancedRows, besideComputation: hasPairs), fewest < count
    else { return nil }
    return Self.saturation(count, beyond: fewest)
      + (hasPairs ? ", and pairs compute on fewer" : "")
  }

  static func saturation(_ count: Int, beyond fewest: Int) -> String {
    "communication-sms \(count): on more than \(fewest) exchanges are no faster"
  }

  /// Refuses a step that may take longer than the simulated clock holds.
  private func checkDuration(_ book: PriceBook?) throws(ConfigurationError) {
    if let book, book.isShort(placed.plan, on: cluster) { return }
    var bound = LongestStep(input, pricing: pricing)
    let seconds =
      bound.seconds() * input.largestLoad * (waits?.bound ?? 1)
      * Double(documents == nil ? 1 : placed.plan.contextParallel) / cluster.leastShare
    if let book, seconds < LongestStep.limit / 1000 { book.noteShort(placed.plan, on: cluster) }
    guard !(seconds < LongestStep.limit) else { return }
    throw ConfigurationError(
      file: cluster.name,
      rule: "a step of \(placed.plan.name) may take more than \(Seconds(LongestStep.limit)), which "
        + "the simulated clock does not hold: some rate, latency or clock is out of all proportion")
  }

  /// What ranks wait for because devices of one kind do not take equal times; nil where they do.
  private var waits: ExpectedWaits? {
    cluster.device.jitter.map {
      ExpectedWaits($0, placed.plan, positions: input.ranks.count)
    }
  }

  /// The simulation of the step, to be adjusted and run.
  ///
  /// Where a device or a link of the cluster is degraded, nodes are slow, ranks share uplinks that are thinner than what
  /// they carry, or have loads of their own, a replica of the pipeline stands only for those that have the
  /// same devices, links and ways.
  public var simulation: StepSimulation<ClusterPricing> { simulation(pricing) }

  /// The simulation with other prices of the same cluster, or with what is drawn from so many seeds further.
  ///
  /// - Parameter hostOffset: how many seeds further slow nodes are drawn; nil for as many as all else.
  package func simulation(
    _ pricing: ClusterPricing? = nil, seedOffset: UInt64 = 0, hostOffset: UInt64? = nil
  ) -> StepSimulation<ClusterPricing> {
    let pricing = pricing ?? self.pricing
    var simulation = StepSimulation(input, pricing: pricing)
    simulation.seedOffset = seedOffset
    simulation.waits = waits
    simulation.documents =
      seedOffset == 0
      ? documents : Self.loads(placed.plan, input, documentLengths, seedOffset: seedOffset)
    if let links = pricing.sharedLinks {
      simulation.linkSlowness = links.slowness(input.stages.flatMap(\.transfers))
    }
    if pricing.sharedLinks != nil || cluster.slowHosts != nil {
      let hosts = SlowHostDraws(cluster, seedOffset: hostOffset ?? seedOffset)
      simulation.slowness = (0..<placed.plan.worldSize).map {
        hosts.slowness(of: $0) / cluster.speed(of: $0)
      }
    } else if input.rankRows == nil {
      return simulation
    }
    // Rows that follow from counts are the same in every group of ranks that exchange.
    simulation.representatives =
      ReplicaClasses(
        input, pricing, slowness: simulation.slowness, linkSlowness: simulation.linkSlowness
      ).representatives
    return simulation
  }

  /// Simulates the step, with one rank for all that do the same where there are such, and reads the
  /// figures.
  ///
  /// - Parameter replaysAllocator: whether the fullest rank's step is replayed through the caching
  ///   allocator; else it fits if its peak does.
  public func report(replaysAllocator: Bool = false) -> StepReport {
    report(simulation.run(), replaysAllocator: replaysAllocator)
  }

  /// The figures with what the caching allocator holds on the fullest rank.
  public func replaying(_ report: StepReport) -> StepReport {
    var report = report
    report.replayAllocator(input)
    return report
  }

  /// Whether the step of the fullest rank, whose allocator was replayed, runs in so many bytes beside the
  /// reserve, and that of every other rank.
  public func fits(_ report: StepReport, within bytes: Int) -> Bool {
    let room = bytes - report.memory.reserve
    let others = report.stages.allSatisfy {
      $0.position == report.memory.position || $0.memory.peak <= room
    }
    guard others, let held = report.memory.reservation?.reserved, held > room else { return others }
    return AllocationReplay.reservation(
      input, position: report.memory.position, replica: report.memory.replica,
      beside: report.memory.workspace.map(\.bytes), limit: room
    ).fits
  }

  /// Reads the figures of a simulation that was run.
  public func report(_ result: StepResult, replaysAllocator: Bool) -> StepReport {
    var report = StepReport(result, placed: placed, cluster: cluster)
    if let documents { report.count(documents.work, of: placed) }
    if let wholeDocuments {
      report.leaveOut(wholeDocuments.padding, attendsToIt: documents == nil, placed)
    }
    report.addFramework(input, cluster.device)
    if replaysAllocator { report.replayAllocator(input) }
    return report
  }
}
