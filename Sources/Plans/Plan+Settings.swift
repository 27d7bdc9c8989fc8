import Documents

/// A plan with the defaults that decide written out.
extension Plan {
  /// The same plan, saying itself what follows where it leaves a key out, as far as that has something to act on.
  ///
  /// What a cluster decides is not known here: libraries, and how many multiprocessors there are.
  public var spelledOut: Plan {
    var plan = self
    if contextParallel > 1 { plan.contextExchange = contextExchange ?? .gather }
    if expertParallel > 1 { plan.tokenCounts = countsAreAwaited ? .host : .device }
    if case .named = schedule, pipelineParallel > 1 { plan.sendMode = sends }
    plan.gradientAccumulationFusion = fusesGradientSums
    if loss != .chunked { plan.fusedHead = fusesHead }
    plan.gradientLanes = laneCount
    if (try? plan.checkLanes()) == nil { plan.gradientLanes = gradientLanes }
    plan.spellOutCopies()
    plan.spellOutOverlap()
    return plan
  }

  /// What is said of copies of parameters; nothing where there are none.
  private mutating func spellOutCopies() {
    guard replicas > 1 else { return }
    gradientBucket = bucketElements ?? gradientBucket
    if zeroStage == .parameters {
      reshardAfterForward = reshardsAfterForward
      overlap.prefetch = prefetchedUnits
    }
    guard zeroStage != .nothing, shardingGroup == nil, dataParallel * contextParallel > 1 else {
      return
    }
    shardingGroup = dataParallel * contextParallel
    if ruleAgainstShardingGroup != nil { shardingGroup = nil }
  }

  private mutating func spellOutOverlap() {
    if case .named = schedule, pipelineParallel > 1 {
      overlap.pipelineSends = overlaps(.pipelineSends)
    }
    if expertParallel > 1 { overlap.expertExchange = overlaps(.expertExchange) }
    if replicas > 1 {
      overlap.gradientReduction = overlaps(.gradientReduction)
      if zeroStage != .nothing { overlap.parameterGather = overlaps(.parameterGather) }
    }
    if tensorParallel > 1 { overlap.tensorExchange = overlap.tensorExchange ?? .no }
  }

  /// The plan as a file with all of its keys: what decides where nothing is said is written out, and `null` stands
  /// where a key says nothing, or has nothing to act on.
  ///
  /// It reads back as a plan of the same step.
  public var settings: String {
    let plan = spelledOut
    var text = plan.yaml
    let known = (try? Document(text: text, name: name))?.keyPaths ?? []
    func add(_ key: String, _ value: some CustomStringConvertible) {
      if !known.contains(key) { text += "\(key): \(value)\n" }
    }
    if case .deviation(let deviation, let seed, LoadCorrelation()) = expertLoad {
      let load = "expert-load: {deviation: \(deviation), seed: \(seed)"
      text = text.replacing(
        "\(load)}", with: "\(load), correlation: {layers: 0.0, microbatches: 0.0}}")
    }
    add("cuda-graphs", cudaGraphs)
    add("execution", execution.rawValue)
    add("loss-average", lossAverage.rawValue)
    add("optimizer", optimizer.rawValue)
    add("redundant-experts", redundantExperts)
    add("pair-order", PairOrder.Name.published.rawValue)
    add("offload", "{activations: \(offload.activations), optimizer: \(offload.optimizer)}")
    for entry in PlanKeys().entries where !Self.otherNames.contains(entry.name) {
      if !text.contains("\n\(entry.name):") { add(entry.name, "null") }
    }
    return text
  }

  /// Keys that say what others say; one of each is there.
  private static let otherNames: Set<String> = [
    "fused-loss", "fused-attention", "attention-library", "schedule", "schedule-file",
    "layers-per-stage", "units-per-stage", "recompute-layers",
  ]
}
