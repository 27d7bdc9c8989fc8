import Models
import Plans

/// How a plan lays a model on the ranks of a cluster.
public struct PlanReport: Encodable, Sendable {
  /// Degrees of parallelism.
  public struct Degrees: Encodable, Sendable {
    public var data: Int
    public var tensor: Int
    public var pipeline: Int
    public var context: Int
    public var expert: Int
    public var expertTensor: Int
    /// Ranks of a pipeline position that hold the same part of the same experts.
    public var expertData: Int
    public var stagesPerRank: Int
  }

  /// What one stage holds.
  public struct Stage: Encodable, Sendable {
    public var stage: Int
    /// The pipeline ranks that hold it.
    public var pipelineRanks: [Int]
    public var units: String
    public var parameters: Int
  }

  /// Ranks that work together, by what they share.
  public struct Group: Encodable, Sendable {
    public var kind: String
    /// What its ranks share: the work on it, or the same copies of it.
    public var shares: String
    public var groups: Int
    public var ranksPerGroup: Int
    /// The group of rank 0.
    public var first: [Int]
  }

  public var name: String
  public var source: String?
  public var model: String
  public var cluster: String
  public var ranks: Int
  public var clusterDevices: Int
  public var degrees: Degrees
  /// Places for copies of routed experts, beyond one for each.
  public var redundantExperts: Int
  /// The model has routed experts, which have a mesh of their own.
  public var hasExperts: Bool
  public var zeroStage: Int
  public var schedule: String
  public var sendMode: String
  /// Pipeline ranks compute beside their sends and receives.
  public var overlapsSends: Bool
  /// Forwards run as one with backwards of earlier microbatches.
  public var mergesPairs: Bool
  public var microbatches: Int
  public var microbatchSequences: Int
  public var globalBatchSequences: Int
  public var sequenceTokens: Int
  public var tokensPerStep: Int
  public var precision: String
  public var recomputation: [String]
  public var groups: [Group]
  public var stages: [Stage]
  /// What it was made from; nil for the plan inside of a run.
  public var inputs: Inputs?

  /// Describes a placed plan on a cluster of `devices` devices.
  public init(_ placed: PlacedPlan, cluster: String, devices: Int, _ inputs: Inputs? = nil) {
    self.inputs = inputs
    let plan = placed.plan
    name = plan.name
    source = plan.source
    model = placed.architecture.name
    self.cluster = cluster
    ranks = plan.worldSize
    clusterDevices = devices
    degrees = Degrees(
      data: plan.dataParallel, tensor: plan.tensorParallel, pipeline: plan.pipelineParallel,
      context: plan.contextParallel, expert: plan.expertParallel,
      expertTensor: plan.expertTensorParallel, expertData: placed.mesh.expertDataParallel,
      stagesPerRank: plan.stagesPerRank)
    hasExperts = placed.architecture.feedForwards.contains { $0.mixture != nil }
    redundantExperts = plan.redundantExperts
    zeroStage = plan.zeroStage.rawValue
    switch plan.schedule {
    case .named(let name): schedule = name
    case .file(let path, _): schedule = path
    }
    sendMode = plan.sends.rawValue
    overlapsSends = plan.overlapsSends(of: placed.schedule) ?? !placed.schedule.isGrouped
    mergesPairs = placed.schedule.hasPairs
    microbatches = plan.microbatchCount
    microbatchSequences = plan.microbatchSize
    globalBatchSequences = plan.globalBatch
    sequenceTokens = plan.sequenceLength
    tokensPerStep = plan.globalBatch * plan.sequenceLength
    precision = plan.precision.name
    switch plan.recomputation {
    case .none: recomputation = []
    case .full: recomputation = ["full"]
    case .firstLayers(let count): recomputation = ["first \(count) layers of a stage"]
    case .selective, .modules: recomputation = plan.recomputation.modules.map(\.rawValue)
    }
    groups = Self.groups(placed, hasExperts: hasExperts)
    stages = placed.layout.stages.indices.map { stage in
      Stage(
        stage: stage,
        pipelineRanks: placed.mesh.positions(
          ofStages: [stage], placement: placed.schedule.placement),
        units: Self.describe(placed.layout.stages[stage]),
        parameters: placed.layout.stages[stage].reduce(0) {
          $0 + placed.architecture.parameterCounts(of: $1).total
        })
    }
  }

  private static func groups(_ placed: PlacedPlan, hasExperts: Bool) -> [Group] {
    let mesh = placed.mesh
    var groups = Mesh.Group.allCases.compactMap { kind -> Group? in
      let first = mesh.group(kind, of: 0)
      guard first.count > 1, hasExperts || !kind.isOfExperts else { return nil }
      return Group(
        kind: kind.rawValue, shares: kind.shares(hasExperts: hasExperts),
        groups: mesh.worldSize / first.count,
        ranksPerGroup: first.count, first: first)
    }
    groups += shardingGroups(placed, hasExperts: hasExperts)
    let positions = mesh.positions(ofStages: [0], placement: placed.schedule.placement)
    if positions.count > 1 {
      // Each stage lies on several positions, so more ranks than one data group share its gradients.
      let shared = mesh.gradientGroup(
        ofStages: [0], placement: placed.schedule.placement, rank: 0)
      groups.append(
        Group(
          kind: "gradient, shared parts",
          shares: Mesh.Group.data.shares(hasExperts: hasExperts),
          groups: mesh.worldSize / shared.count,
          ranksPerGroup: shared.count, first: shared))
      guard hasExperts else { return groups }
      let experts = mesh.expertGradientGroup(
        ofStage: 0, placement: placed.schedule.placement, rank: 0)
      groups.append(
        Group(
          kind: "gradient, each expert", shares: "the same experts",
          groups: mesh.worldSize / experts.count,
          ranksPerGroup: experts.count, first: experts))
    }
    return groups
  }

  /// Where copies divide their state in groups: those groups, and the ranks of equal shards.
  private static func shardingGroups(_ placed: PlacedPlan, hasExperts: Bool) -> [Group] {
    guard placed.plan.shardingRanks != nil else { return [] }
    let (mesh, placement) = (placed.mesh, placed.schedule.placement)
    let dense = mesh.gradientGroup(ofStages: [0], placement: placement, rank: 0)
    let experts = mesh.expertGradientGroup(ofStage: 0, placement: placement, rank: 0)
    var groups: [Group] = []
    for (copies, isExpert) in [(dense, false), (experts, true)] where hasExperts || !isExpert {
      let parts = placed.plan.shardingGroups(of: copies, ofExperts: isExpert)
      let what = isExpert ? " of experts" : ""
      for (kind, list) in [
        ("sharding\(what)", parts.dividing), ("equal shards\(what)", parts.equal),
      ] where list[0].count > 1 {
        groups.append(
          Group(
            kind: kind,
            shares: kind.hasPrefix("sharding") ? "the same parameters" : "the same shard",
            groups: mesh.worldSize / list[0].count, ranksPerGroup: list[0].count, first: list[0]))
      }
    }
    return groups
  }

  /// `embedding, layers 0-3`.
  private static func describe(_ units: [Unit]) -> String {
    var parts: [String] = []
    var layers: ClosedRange<Int>?
    func flush() {
      guard let range = layers else { return }
      parts.append(
        range.count == 1
          ? "layer \(range.lowerBound)" : "layers \(range.lowerBound)-\(range.upperBound)")
      layers = nil
    }
    for unit in units {
      switch unit {
      case .layer(let index):
        layers = (layers?.lowerBound ?? index)...index
      case .embedding:
        flush()
        parts.append("embedding")
      case .head:
        flush()
        parts.append("final norm and head")
      case .multiTokenPrediction(let index):
        flush()
        parts.append("prediction module \(index)")
      }
    }
    flush()
    return parts.joined(separator: ", ")
  }
}

extension PlanReport {
  /// The report as a page of at most 100 columns.
  public var text: String { page(of: "devices") }

  /// The same where the cluster's ranks are called otherwise: ranks of a machine are no devices.
  public func page(of noun: String) -> String {
    var facts = TextTable([.left, .left])
    if let source { facts.add("source", source) }
    facts.add("model", model)
    facts.add(
      "ranks", "\(grouped(ranks)) of the \(grouped(clusterDevices)) \(noun) of \(cluster)")
    facts.add("degrees", degreesText)
    if hasExperts {
      facts.add("dense mesh", denseMeshText)
      facts.add("expert mesh", expertMeshText)
      if redundantExperts > 0 {
        facts.add(
          "redundant experts", "\(redundantExperts) a layer: copies of those that are chosen most")
      }
    }
    facts.add("ZeRO stage", String(zeroStage))
    facts.add(
      "batch",
      "\(grouped(globalBatchSequences)) sequences of \(grouped(sequenceTokens)): "
        + "\(grouped(tokensPerStep)) tokens a step")
    facts.add(
      "schedule",
      "\(schedule), \(counted(microbatches, "microbatch", plural: "microbatches")) of "
        + "\(counted(microbatchSequences, "sequence")) per pipeline, \(sendMode) sends"
        + (overlapsSends ? "" : " that are waited for")
        + (mergesPairs ? ", merged forward-backward pairs" : ""))
    facts.add("precision", precision)
    facts.add(
      "recomputed", recomputation.isEmpty ? "nothing" : recomputation.joined(separator: ", "))
    let changes = inputs?.lines(width: 100).map { $0 + "\n" }.joined() ?? ""
    var text = "\(name)\n" + changes + facts.text(width: 100)
    if !groups.isEmpty {
      var table = TextTable([.left, .left, .right, .right, .left])
      table.add("ranks that work together", "share", "groups", "ranks each", "the first")
      for group in groups {
        table.add(
          group.kind, group.shares, grouped(group.groups), grouped(group.ranksPerGroup),
          firstText(group.first))
      }
      text += "\n" + table.text()
    }
    var table = TextTable([.left, .left, .right, .left])
    table.add("stage", "pipeline rank", "parameters", "holds")
    for stage in stages {
      table.add(
        String(stage.stage), stage.pipelineRanks.map(String.init).joined(separator: ", "),
        parameterText(stage.parameters), stage.units)
    }
    return text + "\n" + table.text()
  }

  private var degreesText: String {
    var parts = [
      "dp \(degrees.data)", "tp \(degrees.tensor)", "pp \(degrees.pipeline)",
      "cp \(degrees.context)", "ep \(degrees.expert)",
    ]
    if degrees.stagesPerRank > 1 { parts.append("\(degrees.stagesPerRank) stages a rank") }
    return parts.joined(separator: ", ")
  }

  /// `tp 2 x cp 1 x dp 16: the 32 ranks of a pipeline position`.
  private var denseMeshText: String {
    "tp \(degrees.tensor) x cp \(degrees.context) x dp \(degrees.data): the "
      + "\(grouped(degrees.tensor * degrees.context * degrees.data)) ranks of a pipeline position"
  }

  /// `etp 1 x ep 32 x edp 1: the same ranks`.
  private var expertMeshText: String {
    "etp \(degrees.expertTensor) x ep \(degrees.expert) x edp \(degrees.expertData): the same ranks"
  }

  /// `0, 1, 2, … 127`.
  private func firstText(_ ranks: [Int]) -> String {
    guard ranks.count > 6 else { return ranks.map(String.init).joined(separator: ", ") }
    let shown = ranks.prefix(4).map(String.init).joined(separator: ", ")
    return "\(shown), … \(ranks[ranks.count - 1])"
  }
}

extension Mesh.Group {
  /// Belongs to the experts' mesh.
  fileprivate var isOfExperts: Bool {
    switch self {
    case .tensor, .context, .data, .pipeline: false
    case .expertTensor, .expert, .expertData: true
    }
  }

  /// What the ranks of a group share.
  fileprivate func shares(hasExperts: Bool) -> String {
    switch self {
    case .tensor: "a layer's products"
    case .context: "a sequence"
    case .data: hasExperts ? "all but experts" : "parameters"
    case .pipeline: "the stages"
    case .expertTensor: "an expert's products"
    case .expert: "a layer's experts"
    case .expertData: "the same experts"
    }
  }
}
