extension Plan {
  /// The plan as a file that reads back to an equal plan: every setting that it has.
  public var yaml: String {
    var lines = ["name: \(quoted(name))"]
    func add(_ key: String, _ value: some CustomStringConvertible) {
      lines.append("\(key): \(value)")
    }
    if let source { add("source", quoted(source)) }
    add("data-parallel", dataParallel)
    add("tensor-parallel", tensorParallel)
    add("sequence-parallel", sequenceParallel)
    add("context-parallel", contextParallel)
    if let contextExchange { add("context-exchange", contextExchange.rawValue) }
    add("pipeline-parallel", pipelineParallel)
    add("expert-parallel", expertParallel)
    add("expert-tensor-parallel", expertTensorParallel)
    add("zero-stage", zeroStage.rawValue)
    add("microbatch-size", microbatchSize)
    add("global-batch", globalBatch)
    add("sequence-length", sequenceLength)
    if let documents { add("documents", documents.yaml) }
    if let gradientLanes { add("gradient-lanes", gradientLanes) }
    switch schedule {
    case .named(let name): add("schedule", quoted(name))
    case .file(let path, _): add("schedule-file", quoted(path))
    }
    add("stages-per-rank", stagesPerRank)
    if let times = passTimes {
      add(
        "pass-times",
        "{forward: \(times.forward) us, backward-input: \(times.backwardInput) us, "
          + "backward-weight: \(times.backwardWeight) us, transfer: \(times.transfer) us}")
    }
    if let sendMode { add("send-mode", sendMode.rawValue) }
    add("scatter-pipeline-sends", scattersPipelineSends)
    if let algorithm = collectiveAlgorithm { add("collective-algorithm", algorithm.rawValue) }
    if let shardingGroup { add("sharding-group", shardingGroup) }
    if let reshardAfterForward { add("reshard-after-forward", reshardAfterForward) }
    if let gradientBucket { add("gradient-bucket", gradientBucket) }
    if cudaGraphs { add("cuda-graphs", cudaGraphs) }
    if execution != .fused { add("execution", execution.rawValue) }
    if let attentionLibrary {
      add("attention-library", attentionLibrary.rawValue)
    } else {
      add("fused-attention", fusedAttention)
    }
    if let fusedHead { add("fused-head", fusedHead) }
    add("loss", loss.rawValue)
    add("dropout", dropout)
    lines += layoutLines + memoryLines + expertLines
    if let communicationSMs { add("communication-sms", communicationSMs) }
    if let computationSMs { add("computation-sms", computationSMs) }
    if pairOrder != .published { add("pair-order", pairOrder) }
    let said =
      Plan.Overlap.Kind.allCases.compactMap { kind in
        overlap.written(kind).map { "  \(kind.rawValue): \($0)" }
      } + (overlap.prefetch.map { ["  prefetch: \($0)"] } ?? [])
    if !said.isEmpty { lines += ["overlap:"] + said }
    return lines.joined(separator: "\n") + "\n"
  }

  private var layoutLines: [String] {
    switch layout {
    case .even: ["layers-per-stage: even"]
    case .balanced: ["layers-per-stage: balanced"]
    case .layers(let counts): ["layers-per-stage: \(counts)"]
    case .units(let counts): ["units-per-stage: \(counts)"]
    case .evenUnits: ["units-per-stage: even"]
    }
  }

  private var memoryLines: [String] {
    let recompute =
      switch recomputation {
      case .none: "none"
      case .full, .firstLayers: "full"
      case .selective: "selective"
      case .modules(let modules): "[\(modules.map(\.rawValue).joined(separator: ", "))]"
      }
    var lines = ["recompute: \(recompute)"]
    if case .firstLayers(let count) = recomputation { lines.append("recompute-layers: \(count)") }
    if !frozen.isEmpty {
      lines.append("frozen: [\(frozen.map(\.rawValue).joined(separator: ", "))]")
    }
    if let lora {
      let targets = lora.targets.map(\.rawValue).joined(separator: ", ")
      lines.append("lora: {rank: \(lora.rank), targets: [\(targets)]}")
    }
    if !offload.isNothing {
      lines.append(
        "offload: {activations: \(offload.activations), optimizer: \(offload.optimizer)}")
    }
    if lossAverage != .step { lines.append("loss-average: \(lossAverage.rawValue)") }
    if optimizer != .adamW { lines.append("optimizer: \(optimizer.rawValue)") }
    if let fuses = gradientAccumulationFusion {
      lines.append("gradient-accumulation-fusion: \(fuses)")
    }
    lines += [
      "framework: \(framework.rawValue)",
      "expandable-segments: \(expandsSegments)", "memory-reserve: \(memoryReserve.bytes) B",
    ]
    return lines + precisionLines
      + (library.map { ["library: \($0.rawValue)"] } ?? [])
  }

  private var precisionLines: [String] {
    if PrecisionRecipe.named(precision.name) == precision {
      return ["precision: \(precision.name)"]
    }
    let formats = PrecisionKeys().formats.map {
      "  \($0.key.name): \(precision[keyPath: $0.path].rawValue)"
    }
    return ["precision:", "  base: \(precision.base)", "  name: \(quoted(precision.name))"]
      + formats + [
        "  master-weights: \(precision.masterWeights?.rawValue ?? "none")",
        "  scale-block: \(precision.scaleBlock)",
        "  fp8-scaling: \(precision.scaling.rawValue)",
        "  fp8-param-gather: \(precision.keepsFloat8Weights)",
        "  bf16-first-layers: \(precision.wideFirstLayers)",
        "  bf16-last-layers: \(precision.wideLastLayers)",
      ]
  }

  private var expertLines: [String] {
    let load =
      switch expertLoad {
      case .balanced: "balanced"
      case .deviation(let deviation, let seed, let correlation):
        "{deviation: \(deviation), seed: \(seed)\(Self.entry(correlation))}"
      case .counts(let file): "{counts: \(quoted(file))}"
      }
    var lines: [String] = []
    if let dispatcher { lines.append("dispatcher: \(dispatcher.rawValue)") }
    if let tokenCounts { lines.append("token-counts: \(tokenCounts.rawValue)") }
    if let nodesPerToken { lines.append("nodes-per-token: \(nodesPerToken)") }
    if redundantExperts > 0 { lines.append("redundant-experts: \(redundantExperts)") }
    lines.append("expert-load: \(load)")
    return lines
  }

  /// How draws hang together, behind other entries; nothing where each is one of its own.
  private static func entry(_ correlation: LoadCorrelation) -> String {
    guard correlation != LoadCorrelation() else { return "" }
    return ", correlation: {layers: \(correlation.layers), "
      + "microbatches: \(correlation.microbatches)}"
  }

  private func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "\"\(escaped)\""
  }
}
