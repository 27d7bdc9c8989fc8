import Clusters
import Costs
import Documents
import Models
import Plans
import Programs

/// A model that serves on a cluster, laid out by a plan.
///
/// Of the plan it takes degrees, copies of experts, expert load, precision with its libraries, execution, and the
/// reserve of memory; batch, length, schedule, recomputation and ZeRO are training's (`idleKeys`).
public struct PlannedInference: Sendable {
  public let architecture: Architecture
  public let cluster: Cluster
  public let plan: Plan
  /// The plan as it was given, and the same with what it leaves to the cluster.
  let stated: Plan
  let filled: Plan
  let layout: StageLayout
  let pricing: ClusterPricing
  let lowLatency: LowLatencyExchangeCost?
  /// Rows of the most loaded rank of an expert group over the mean.
  let load: Double
  private let assumed: [String]
  /// What the plan says of the dispatcher, and what was filled in of exchanges.
  private let statedDispatcher: Plan.Dispatcher?
  private let ofExchanges: [String]

  /// - Throws: `PlanError` where the plan is no deployment, `ConfigurationError` where the cluster's file lacks
  ///   a constant.
  public init(architecture: Architecture, cluster: Cluster, plan: Plan) throws {
    var plan = plan
    try Self.checkCluster(cluster)
    try Self.checkLayout(plan)
    try Self.checkModel(architecture)
    stated = plan
    statedDispatcher = plan.dispatcher
    ofExchanges = try plan.fillInExchanges(from: cluster, for: architecture)
    _ = try plan.validated(
      for: architecture, on: .devices(cluster.rankCount),
      multiprocessors: cluster.device.multiprocessors.value)
    filled = plan
    plan.zeroStage = .nothing
    (plan.offload, plan.recomputation) = (Plan.Offload(), .none)
    self.architecture = architecture
    self.cluster = cluster
    self.plan = plan
    layout = try plan.stageLayout(of: architecture)
    let pricing = try ClusterPricing(cluster, plan: plan, architecture: architecture)
    try plan.precision.check(on: cluster.device, pricing.device, plan.library)
    try pricing.checkLibrary()
    try pricing.checkAttention(of: architecture)
    self.pricing = pricing.serving()
    let constants = try LowLatencyConstants(cluster)
    if plan.expertParallel > 1, constants == nil {
      throw PlanError.cannotSimulate(
        key: "expert-parallel", value: "\(plan.expertParallel)",
        rule: "needs node.exchange.low-latency-link-start and its neighbours to serve, which "
          + "\(cluster.name) does not describe")
    }
    lowLatency = constants.map(LowLatencyExchangeCost.init)
    let (load, phrases) = try Self.load(plan)
    self.load = load
    let isUneven = cluster.device.jitter != nil
    assumed =
      plan.precision.borrowings + phrases
      + (isUneven ? ["devices that do not differ (device.jitter acts in training alone)"] : [])
  }

  /// Every device of a deployment does the same in serving: what makes some of them slower has no effect.
  private static func checkCluster(_ cluster: Cluster) throws(ConfigurationError) {
    for (key, isThere) in [
      ("degraded", !cluster.degradations.isEmpty), ("slow-hosts", cluster.slowHosts != nil),
    ] where isThere {
      throw ConfigurationError(
        file: cluster.name, keyPath: key,
        rule:
          "has no effect on a step of serving, in which all devices are as described: null leaves it out"
      )
    }
  }

  /// Rows of decoding go by the kernels for few tokens, which are DeepEP's.
  func checkExchange(of request: InferenceRequest) throws(PlanError) {
    guard case .decode = request.kind, plan.expertParallel > 1, let statedDispatcher,
      statedDispatcher != .deepEP
    else { return }
    throw .cannotSimulate(
      key: "dispatcher", value: statedDispatcher.rawValue,
      rule: "does not decode: deepep, whose low-latency kernels exchange few tokens")
  }

  /// What was filled in for a request.
  func said(of request: InferenceRequest) -> [String] {
    guard plan.expertParallel > 1 else { return [] }
    if case .prefill = request.kind { return ofExchanges }
    return ["experts' rows by DeepEP's low-latency kernels"]
  }

  /// A deployment has no pipeline and no context ranks, and experts on all of its ranks or whole on each.
  private static func checkLayout(_ plan: Plan) throws(PlanError) {
    func refuse(_ key: String, _ value: Int, _ rule: String) -> PlanError {
      .cannotSimulate(key: key, value: "\(value)", rule: rule)
    }
    guard plan.pipelineParallel == 1 else {
      throw refuse(
        "pipeline-parallel", plan.pipelineParallel, "does not serve: 1, all layers on every rank")
    }
    guard plan.contextParallel == 1 else {
      throw refuse(
        "context-parallel", plan.contextParallel, "does not serve: 1, whole caches on every rank")
    }
    guard plan.fusedAttention else {
      let isLibrary = plan.attentionLibrary == .unfused
      throw .cannotSimulate(
        key: isLibrary ? "attention-library" : "fused-attention",
        value: isLibrary ? "unfused" : "false",
        rule: "does not serve: kernels over caches are fused")
    }
    let ranks = plan.dataParallel * plan.tensorParallel
    guard plan.expertParallel == 1 || plan.expertParallel * plan.expertTensorParallel == ranks
    else {
      throw refuse(
        "expert-parallel", plan.expertParallel,
        "does not serve: 1, or all \(ranks / plan.expertTensorParallel) ranks beside "
          + "expert-tensor-parallel \(plan.expertTensorParallel)")
    }
  }

  private static func checkModel(_ architecture: Architecture) throws(PlanError) {
    for layer in architecture.layers {
      switch layer.attention {
      case .recurrent:
        throw .cannotSimulate(
          key: "model", value: architecture.name,
          rule: "has recurrent layers, whose states in serving are not described")
      case .latent(let shape) where shape.indexer != nil:
        throw .cannotSimulate(
          key: "model", value: architecture.name,
          rule: "chooses keys by an indexer, whose kernels in serving are not described")
      default: break
      }
    }
  }

  /// What the most loaded rank gets, in the mean over draws, and what is said of it.
  private static func load(_ plan: Plan) throws(PlanError) -> (Double, [String]) {
    guard plan.expertParallel > 1 else { return (1, []) }
    switch plan.expertLoad {
    case .balanced: return (1, ["every rank's experts get equal rows"])
    case .deviation(let deviation, _, _):
      let most = 1 + deviation * LargestOfNormals(of: plan.expertParallel).mean
      return (most, ["the most loaded of \(plan.expertParallel) ranks as it is in the mean"])
    case .counts:
      throw .cannotSimulate(
        key: "expert-load", value: "{counts: ...}",
        rule: "is of a training step: balanced, or a "
          + "deviation")
    }
  }

  /// What a step takes.
  ///
  /// - Throws: `PlanError` where the request does not go with plan and model.
  public func report(_ request: InferenceRequest) throws -> InferenceReport {
    try InferenceStep(self, request).report(assumed)
  }
}
