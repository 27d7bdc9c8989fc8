import Models
import Schedules

/// A plan that a model and a cluster admit, with everything that follows from it.
public struct PlacedPlan: Hashable, Sendable {
  /// The plan, unchanged.
  public let plan: Plan
  /// The model that it is placed on.
  public let architecture: Architecture
  /// The units of each stage.
  public let layout: StageLayout
  /// What each pipeline rank does in one step.
  public let schedule: Schedule
  /// The grid of ranks.
  public let mesh: Mesh

  /// The stages that hold a copy of a tensor: its unit's, and those of its copies or original.
  public func stages(holding tensor: ParameterTensor) -> [Int] {
    let name = tensor.sharedWith ?? tensor.name
    var units = [tensor.unit]
    if tensor.sharedWith != nil || tensor.role == .tokenEmbedding || tensor.role == .head {
      let shared: [Unit] = [.embedding, .head] + architecture.units.filter(\.isPrediction)
      units = shared.filter { unit in
        architecture.parameters(of: unit).contains { ($0.sharedWith ?? $0.name) == name }
      }
    }
    let stages = units.compactMap { layout.stage(of: $0) }
    return stages.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The ranks that reduce a tensor's gradient together, seen from a rank that holds it.
  public func gradientGroup(of tensor: ParameterTensor, rank: Int) -> [Int] {
    let stages = stages(holding: tensor)
    if tensor.expert != nil {
      return mesh.expertGradientGroup(
        ofStage: stages[0], placement: schedule.placement, rank: rank)
    }
    return mesh.gradientGroup(ofStages: stages, placement: schedule.placement, rank: rank)
  }

  /// The stages whose parameters a rank holds, in ascending order.
  public func stages(ofRank rank: Int) -> [Int] {
    schedule.placement.stages(ofRank: mesh.coordinates(of: rank).pipeline)
  }
}

extension Plan {
  /// The plan placed on a model, or the first rule that it breaks.
  ///
  /// - Parameters:
  ///   - world: the devices of the cluster, of which the plan may use a part, or the running ranks,
  ///     which it must use all.
  ///   - multiprocessors: those of one device, if known.
  public func validated(
    for architecture: Architecture, on world: World = .unknown, multiprocessors: Int? = nil
  ) throws(PlanError) -> PlacedPlan {
    try checkSettings(for: architecture, on: world, multiprocessors: multiprocessors)
    let layout = try stageLayout(of: architecture)
    let schedule = try pipelineSchedule()
    try checkOverlap(schedule)
    try checkPairOrder(hasPairs: schedule.hasPairs)
    try checkLanes()
    return PlacedPlan(
      plan: self, architecture: architecture, layout: layout, schedule: schedule, mesh: mesh)
  }

  /// The rules that need neither a layout nor a schedule, in the order in which they are told.
  ///
  /// - Parameters: as of `validated`.
  public func checkSettings(
    for architecture: Architecture, on world: World = .unknown, multiprocessors: Int? = nil
  ) throws(PlanError) {
    try checkSizes(on: world)
    try checkBatch(for: architecture)
    try checkTensorParallelism(for: architecture)
    try checkExperts(for: architecture)
    try checkRecomputation(for: architecture)
    try precision.check(fusesHead: fusesHead)
    try precision.checkFloat8Weights(zeroStage: zeroStage)
    try precision.checkWideLayers(of: architecture.layerCount)
    try checkOptimizer()
    try checkOffload()
    try checkFrozen(for: architecture)
    try checkLoRA(for: architecture)
    try checkMultiprocessors(of: multiprocessors)
  }

  /// Which units each stage holds.
  public func stageLayout(of architecture: Architecture) throws(PlanError) -> StageLayout {
    let (stages, overflow) = pipelineParallel.multipliedReportingOverflow(by: stagesPerRank)
    guard !overflow else { throw .overflow(what: "pipeline-parallel times stages-per-rank") }
    // Checked first: a list that is right for the model is still wrong for the plan.
    let even = try StageLayout(evenly: stages, of: architecture)
    switch layout {
    case .even: return even
    case .balanced: throw .unresolvedLayout
    case .evenUnits:
      return try StageLayout(
        unitCounts: StageLayout.evenCounts(of: architecture.units.count, over: stages),
        of: architecture)
    case .layers(let counts):
      try check(counts, key: "layers-per-stage", stages: stages)
      return try StageLayout(layerCounts: counts, of: architecture)
    case .units(let counts):
      try check(counts, key: "units-per-stage", stages: stages)
      return try StageLayout(unitCounts: counts, of: architecture)
    }
  }

  private func check(_ counts: [Int], key: String, stages: Int) throws(PlanError) {
    guard counts.count == stages else {
      throw .layoutStages(
        key: key, count: counts.count, stages: stages,
        product: "pipeline \(pipelineParallel) x \(stagesPerRank) a rank")
    }
  }
}
