import Models
import Plans

/// Writes Megatron-LM's arguments for a plan and its model, one a line.
struct MegatronWriter {
  let placed: PlacedPlan
  let model: ModelDescription
  var lines: [String] = []
  var unsaid: [String] = []

  var plan: Plan { placed.plan }

  init(_ placed: PlacedPlan, _ model: ModelDescription) {
    (self.placed, self.model) = (placed, model)
  }

  mutating func add(_ option: String, _ value: (some CustomStringConvertible)? = String?.none) {
    lines.append("--\(option)" + (value.map { " \($0)" } ?? ""))
  }

  mutating func add(_ option: String, if isSet: Bool) { if isSet { add(option) } }

  /// The arguments.
  mutating func write() -> String {
    addModel()
    addDegrees()
    addStages()
    addBatch()
    addSharding()
    addPrecision()
    addRecomputation()
    addKernels()
    addOverlap()
    unsaid += plan.unsaidAnywhere
    unsaid.append(
      "data-parallel: \(plan.dataParallel) follows from starting \(plan.worldSize) GPUs")
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: - The plan

  private mutating func addDegrees() {
    add("tensor-model-parallel-size", plan.tensorParallel)
    add("pipeline-model-parallel-size", plan.pipelineParallel)
    add("context-parallel-size", plan.contextParallel)
    add("sequence-parallel", if: plan.sequenceParallel)
    if plan.contextParallel > 1 {
      add("cp-comm-type", plan.contextExchange == .ring ? "p2p" : "all_gather")
    }
    guard model.mixture != nil else { return }
    add("expert-model-parallel-size", plan.expertParallel)
    add("expert-tensor-parallel-size", plan.expertTensorParallel)
    switch placed.plan.dispatcher(for: placed.architecture) {
    case .allGather: add("moe-token-dispatcher-type", "allgather")
    case .allToAll: add("moe-token-dispatcher-type", "alltoall")
    case .deepEP:
      add("moe-token-dispatcher-type", "flex")
      add("moe-flex-dispatcher-backend", "deepep")
      if let count = plan.communicationSMs { add("moe-flex-dispatcher-num-sms", count) }
    }
  }

  private mutating func addStages() {
    guard plan.pipelineParallel > 1 else { return }
    let known: Bool =
      switch plan.schedule {
      case .named(let name): name == "1f1b" || name == "interleaved-1f1b"
      case .file: false
      }
    if !known { unsaid.append("schedule: Megatron-LM has 1F1B and its interleaved form") }
    let counts = placed.layout.layerCounts
    let isEven = Set(counts).count == 1 && Self.hasPlainEnds(placed)
    if model.hybrid != nil {
      // The bars of the pattern say the stages; embedding and head are on the outer ones.
      if !Self.hasPlainEnds(placed) {
        unsaid.append(
          "units-per-stage: a hybrid model's embedding and head are on its outer stages")
      }
    } else if isEven, plan.stagesPerRank > 1 {
      add("num-virtual-stages-per-pipeline-rank", plan.stagesPerRank)
    } else if !isEven {
      let layout = PipelineLayout(stages: placed.layout.stages.map(Self.letters))
      add("pipeline-model-parallel-layout", "'\(layout.text)'")
    }
    if plan.stagesPerRank > 1 {
      add("no-overlap-p2p-communication", if: !plan.overlaps(.pipelineSends))
    } else if plan.overlaps(.pipelineSends) {
      unsaid.append(
        "overlap.pipeline-sends: with one stage a rank Megatron-LM waits for every send")
    }
  }

  /// Whether the embedding lies on the first stage, and head and prediction modules on the last.
  private static func hasPlainEnds(_ placed: PlacedPlan) -> Bool {
    let stages = placed.layout.stages
    return stages.indices.allSatisfy { index in
      stages[index].allSatisfy { unit in
        switch unit {
        case .embedding: index == 0
        case .layer: true
        case .head, .multiTokenPrediction: index == stages.count - 1
        }
      }
    }
  }

  /// Prediction modules stand in front of the loss, as Megatron-Core has them.
  private static func letters(_ units: [Unit]) -> String {
    let letters: [String] = units.map { unit in
      switch unit {
      case .embedding: "E"
      case .layer: "t"
      case .head: "L"
      case .multiTokenPrediction: "m"
      }
    }
    let ordered =
      letters.filter { $0 != "L" && $0 != "m" }
      + letters.filter { $0 == "m" } + letters.filter { $0 == "L" }
    return ordered.joined()
  }

  private mutating func addBatch() {
    add("micro-batch-size", plan.microbatchSize)
    add("global-batch-size", plan.globalBatch)
    add("seq-length", plan.sequenceLength)
  }

  private mutating func addSharding() {
    switch plan.zeroStage {
    case .nothing: break
    case .optimizer: add("use-distributed-optimizer")
    case .gradients, .parameters:
      add("use-megatron-fsdp")
      add("use-distributed-optimizer")
      add(
        "data-parallel-sharding-strategy",
        plan.zeroStage == .parameters ? "optim_grads_params" : "optim_grads")
      add("ckpt-format", "fsdp_dtensor")
    }
    if let group = plan.shardingRanks {
      add(
        "num-distributed-optimizer-instances",
        plan.dataParallel * plan.contextParallel / group)
    }
    if plan.reshardAfterForward == false {
      unsaid.append("reshard-after-forward: no option says so")
    }
    if plan.optimizer == .muon { add("optimizer", "muon") }
    if plan.offload.optimizer > 0 {
      add("optimizer-cpu-offload")
      add("optimizer-offload-fraction", plan.offload.optimizer)
    }
  }

  private mutating func addRecomputation() {
    switch plan.recomputation {
    case .none: break
    case .full:
      add("recompute-granularity", "full")
      add("recompute-method", "uniform")
      add("recompute-num-layers", 1)
    case .firstLayers(let count):
      add("recompute-granularity", "full")
      add("recompute-method", "block")
      add("recompute-num-layers", count)
    case .selective: add("recompute-granularity", "selective")
    case .modules(let modules):
      let names: [Recomputation.Module: String] = [
        .attentionCore: "core_attn", .norm: "layernorm", .rmsNorm: "layernorm",
        .layerNorm: "layernorm", .latentUpProjection: "mla_up_proj", .swiGLU: "moe_act",
        .gelu: "moe_act", .mlp: "mlp", .moe: "moe",
      ]
      let said = modules.compactMap { module -> String? in
        // Megatron recomputes activations of experts alone.
        let isActivation = module == .swiGLU || module == .gelu
        let isWhole = !isActivation || model.mixture.map { $0.layers.allSatisfy(\.self) } ?? false
        guard isWhole, let name = names[module] else {
          unsaid.append("recompute: Megatron-LM has no part like \(module.rawValue)")
          return nil
        }
        return name
      }
      guard !said.isEmpty else { return }
      add("recompute-granularity", "selective")
      add("recompute-modules", said.joined(separator: " "))
    }
  }

  private mutating func addKernels() {
    let usesEngine = ![.plain, .megatronLocal].contains(plan.framework)
    if plan.framework == .torchtitan { unsaid.append("framework: torchtitan's own buffers") }
    add("transformer-impl", usesEngine ? "transformer_engine" : "local")
    if usesEngine {
      add("attention-backend", plan.fusedAttention ? "auto" : "unfused")
    } else {
      add("use-flash-attn", if: plan.fusedAttention)
    }
    if let library = plan.attentionLibrary, library != .unfused {
      unsaid.append("attention-library: Transformer Engine chooses \(library.rawValue) or another")
    }
    if plan.loss == .fused || plan.loss == .compiled {
      add("cross-entropy-loss-fusion")
      add("cross-entropy-fusion-impl", plan.loss == .fused ? "te" : "native")
    }
    add("hidden-dropout", plan.dropout ? "0.1" : "0.0")
    add("attention-dropout", plan.dropout ? "0.1" : "0.0")
    add("no-gradient-accumulation-fusion", if: !plan.fusesGradientSums)
    if plan.cudaGraphs { add("cuda-graph-impl", "local") }
    if plan.execution != .fused { unsaid.append("execution: Megatron-LM's kernels are fused") }
  }

  private mutating func addOverlap() {
    let copies = plan.replicas > 1
    let reduces = copies && plan.overlaps(.gradientReduction)
    let gathers = copies && plan.zeroStage != .nothing && plan.overlaps(.parameterGather)
    add("overlap-grad-reduce", if: reduces || gathers)
    if gathers, !reduces {
      unsaid.append(
        "overlap.gradient-reduction: Megatron-LM gathers early only where it reduces early")
    }
    add("overlap-param-gather", if: gathers)
    if let bucket = plan.gradientBucket { add("ddp-bucket-size", bucket) }
    if plan.tensorParallel > 1 {
      add("tp-comm-overlap", if: plan.splitsTensorExchange)
      if !plan.splitsTensorExchange, plan.overlap.tensorExchange != .bulk {
        unsaid.append("overlap.tensor-exchange: Megatron-LM's backward exchanges in bulk")
      }
    }
    add(
      "overlap-moe-expert-parallel-comm",
      if: plan.overlap.expertExchange == true && plan.expertParallel > 1)
  }
}
