import Documents
import Models
import Plans

/// What becomes of a plan that a launcher is told: the file for it, read as any other job.
///
/// Compared is what plans do, not how they are written: what one leaves open and the other states is the same
/// where it comes to the same.
struct PlanReadBack {
  /// A key whose value comes back as another one; nil where the plan leaves it open.
  struct Difference: Hashable {
    var key: String
    var own: String?
    var other: String?

    /// `execution: fused comes back as eager`.
    var sentence: String { "\(key): \(change)" }

    /// `fused comes back as eager`.
    var change: String { "\(own ?? "left open") comes back as \(other ?? "left open")" }
  }

  let plan: Plan
  let architecture: Architecture
  let again: Plan
  let readModel: Architecture

  /// - Throws: `ConfigurationError` where the file cannot be read.
  init(
    _ text: String, ranks: Int, of plan: Plan, _ architecture: Architecture
  ) throws(ConfigurationError) {
    var settings = ImportSettings()
    settings.ranks = ranks
    let job = try LauncherImport.job(texts: [(plan.name, text)], settings)
    self.plan = plan
    self.architecture = architecture
    again = try Plan.read(Document(text: job.plan, name: plan.name), name: plan.name)
    readModel = try Architecture.read(
      Document(text: job.model, name: "config.json"), name: architecture.name)
  }

  /// Every key that comes back as another value, in the order of plan files, and what of the model does.
  func differences() throws(ConfigurationError) -> [Difference] {
    let (own, other) = (try leaves(plan, architecture), try leaves(again, readModel))
    var differences: [Difference] = []
    for key in own.keys + other.keys.filter({ own[$0] == nil }) where own[key] != other[key] {
      // One says whether attention is fused, the other by whose kernels.
      if key == "fused-attention", own[key] == nil || other[key] == nil { continue }
      differences.append(Difference(key: key, own: own[key], other: other[key]))
    }
    return differences + layout + model
  }

  /// Stages are the same where they hold the same units, whichever key says so.
  private var layout: [Difference] {
    func stages(_ plan: Plan, _ model: Architecture) -> StageLayout? {
      try? plan.validated(for: model).layout
    }
    let (own, other) = (stages(plan, architecture), stages(again, readModel))
    guard plan.stageCount == again.stageCount, own != other else { return [] }
    if let own, let other, own.layerCounts == other.layerCounts {
      let (units, others) = (own.stages.map(\.count), other.stages.map(\.count))
      return [Difference(key: "units-per-stage", own: "\(units)", other: "\(others)")]
    }
    return [
      Difference(
        key: "layers-per-stage", own: own.map { "\($0.layerCounts)" },
        other: other.map { "\($0.layerCounts)" } ?? "stages that the model does not admit")
    ]
  }

  private var model: [Difference] {
    let modules = (architecture.multiTokenPrediction, readModel.multiTokenPrediction)
    guard modules.0 == modules.1 else {
      return [
        Difference(key: "prediction modules", own: "\(modules.0)", other: "\(modules.1)")
      ]
    }
    let counts = (architecture.parameterCounts.total, readModel.parameterCounts.total)
    guard counts.0 != counts.1 else { return [] }
    return [Difference(key: "the model's parameters", own: "\(counts.0)", other: "\(counts.1)")]
  }

  private func leaves(
    _ plan: Plan, _ model: Architecture
  ) throws(ConfigurationError) -> OrderedLeaves {
    let text = plan.settled(for: model).yaml
    var leaves = OrderedLeaves()
    // Names say nothing, nor does the recipe that a list of formats began with.
    let silent = ["name", "source", "precision.name", "precision.base", "layers-per-stage"]
    var load: [String] = []
    for leaf in try Document(text: text, name: plan.name).leaves
    where !silent.contains(leaf.keyPath) {
      // A load in numbers stands in place of a word.
      if leaf.keyPath.hasPrefix("expert-load.") {
        load.append("\(leaf.keyPath.dropFirst("expert-load.".count)): \(leaf.text)")
      } else {
        leaves.append(leaf.keyPath, leaf.text)
      }
    }
    if !load.isEmpty { leaves.append("expert-load", "{\(load.joined(separator: ", "))}") }
    // What a plan file leaves out where it is as usual.
    leaves.append("execution", plan.execution.rawValue)
    leaves.append("cuda-graphs", "\(plan.cudaGraphs)")
    leaves.append("optimizer", plan.optimizer.rawValue)
    leaves.append("loss-average", plan.lossAverage.rawValue)
    leaves.append("redundant-experts", "\(plan.redundantExperts)")
    return leaves
  }
}

/// Values by key, with the keys in their order.
private struct OrderedLeaves {
  private(set) var keys: [String] = []
  private var values: [String: String] = [:]

  subscript(key: String) -> String? { values[key] }

  mutating func append(_ key: String, _ value: String) {
    if values.updateValue(value, forKey: key) == nil { keys.append(key) }
  }
}

extension Plan {
  /// The plan with what follows from its other keys stated, and what cannot act left out.
  fileprivate func settled(for model: Architecture) -> Plan {
    var plan = self
    plan.layout = .even
    plan.sequenceParallel = tensorParallel > 1 && sequenceParallel
    plan.contextExchange = contextParallel > 1 ? contextExchange ?? .gather : nil
    plan.fusedAttention = true
    if !fusedAttention { plan.attentionLibrary = .unfused }
    plan.fusedHead = fusesHead && loss != .chunked
    plan.gradientAccumulationFusion = fusesGradientSums
    plan.recomputation = settledRecomputation(for: model)
    // The name alone would hide which of its formats differ.
    plan.precision.name = "its own"
    settlePipeline(of: &plan)
    settleCopies(of: &plan)
    settleExperts(of: &plan, model)
    return plan
  }

  private func settlePipeline(of plan: inout Plan) {
    if stageCount == 1 { plan.schedule = .named("1f1b") }
    plan.sendMode = pipelineParallel > 1 ? sends : nil
    plan.overlap.pipelineSends = pipelineParallel > 1 ? overlaps(.pipelineSends) : nil
    if tensorParallel == 1 {
      plan.overlap.tensorExchange = nil
    } else if splitsTensorExchange {
      plan.overlap.tensorExchange = .chunked
    } else {
      plan.overlap.tensorExchange = overlaps(.tensorExchange) ? .bulk : .no
    }
  }

  private func settleCopies(of plan: inout Plan) {
    let hasCopies = replicas > 1
    if !hasCopies { plan.zeroStage = .nothing }
    let divides = plan.zeroStage != .nothing
    plan.shardingGroup = divides ? shardingRanks : nil
    plan.gradientBucket = bucketElements
    plan.overlap.gradientReduction = hasCopies ? overlaps(.gradientReduction) : nil
    plan.overlap.parameterGather = divides ? overlaps(.parameterGather) : nil
    let gathers = plan.zeroStage == .parameters
    plan.overlap.prefetch = gathers ? prefetchedUnits : nil
    plan.reshardAfterForward = gathers ? reshardsAfterForward : nil
  }

  private func settleExperts(of plan: inout Plan, _ model: Architecture) {
    let hasExperts = model.feedForwards.contains { $0.mixture != nil }
    if !hasExperts { plan.expertTensorParallel = 1 }
    let exchanges = hasExperts && expertParallel > 1
    plan.dispatcher = exchanges ? dispatcher(for: model) : nil
    plan.tokenCounts = exchanges ? countsAreAwaited ? .host : .device : nil
    plan.overlap.expertExchange = exchanges ? overlaps(.expertExchange) : nil
    if !exchanges { (plan.expertLoad, plan.nodesPerToken) = (.balanced, nil) }
  }

  /// Parts by the kinds that the model has, and whole layers where all of a stage's are.
  private func settledRecomputation(for model: Architecture) -> Recomputation {
    switch recomputation {
    case .none, .full: return recomputation
    case .firstLayers(let count):
      let most = (try? validated(for: model))?.layout.layerCounts.max() ?? model.layerCount
      return count < most ? recomputation : .full
    case .selective, .modules:
      var isRMS = false
      if case .rmsNorm = model.normalization { isRMS = true }
      let norm: Recomputation.Module = isRMS ? .rmsNorm : .layerNorm
      let parts = Set(recomputation.modules.map { $0 == .norm ? norm : $0 })
      let modules = Recomputation.Module.allCases.filter(parts.contains)
      return modules.isEmpty ? .none : .modules(modules)
    }
  }
}
