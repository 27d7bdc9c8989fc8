import Documents
import Models
import Plans

/// Writes torchtitan's TOML for a plan and its model.
struct TorchTitanWriter {
  let placed: PlacedPlan
  let model: ModelDescription
  var unsaid: [String] = []
  private var tables: [(name: String, lines: [String])] = []

  private var plan: Plan { placed.plan }

  init(_ placed: PlacedPlan, _ model: ModelDescription) {
    (self.placed, self.model) = (placed, model)
  }

  private mutating func add(_ table: String, _ key: String, _ value: some CustomStringConvertible) {
    if let index = tables.firstIndex(where: { $0.name == table }) {
      tables[index].lines.append("\(key) = \(value)")
    } else {
      tables.append((table, ["\(key) = \(value)"]))
    }
  }

  private mutating func add(_ table: String, _ key: String, text: String) {
    add(table, key, "\"\(text)\"")
  }

  /// The file.
  mutating func write() throws -> String {
    try addModel()
    addTraining()
    addParallelism()
    addPipeline()
    addRest()
    unsaid += plan.unsaidAnywhere
    unsaid.append(
      "data-parallel: \(plan.dataParallel) follows from starting \(plan.worldSize) GPUs")
    return tables.map { "[\($0.name)]\n" + $0.lines.joined(separator: "\n") + "\n" }
      .joined(separator: "\n")
  }

  /// The flavour of the same sizes.
  private mutating func addModel() throws(ConfigurationError) {
    for name in TorchTitanFlavours.models where name != "llama3_ft" && name != "deepseek_v2" {
      for flavour in TorchTitanFlavours.names(of: name) {
        guard
          let known = TorchTitanFlavours.model(name, flavour, length: plan.sequenceLength),
          known.hasSizes(of: model)
        else { continue }
        add("model", "name", text: name)
        add("model", "flavor", text: flavour)
        return
      }
    }
    // Without one torchtitan would train a small model of its own.
    throw ConfigurationError(
      file: model.name,
      rule: "torchtitan has no flavour of its sizes, and is told sizes by flavours alone")
  }

  private mutating func addTraining() {
    let perRank = plan.globalBatch / plan.dataParallel
    // Under a pipeline the microbatches of a step are one local batch.
    add(
      "training", "local_batch_size",
      plan.pipelineParallel > 1 ? perRank : plan.microbatchSize)
    add("training", "global_batch_size", plan.globalBatch)
    add("training", "seq_len", plan.sequenceLength)
    if plan.precision.activations == .float32 {
      add("training", "mixed_precision_param", text: "float32")
    }
    if plan.precision.masterWeights == nil, plan.precision.activations == .bfloat16 {
      add("training", "dtype", text: "bfloat16")
    }
    if plan.precision.linearOperands == .e4m3 {
      add(
        "model", "converters",
        plan.precision.scaling == .microscaling ? "[\"mx\"]" : "[\"float8\"]")
      if plan.precision.scaling == .delayed || plan.precision.scaling == .blocks {
        unsaid.append("precision: torchtitan's scales are of the tensors' own")
      }
    }
    if plan.precision.activations == .float16 { unsaid.append("precision: torchtitan has no FP16") }
  }

  private mutating func addParallelism() {
    let table = "parallelism"
    let group = plan.shardingRanks.map { $0 / plan.contextParallel } ?? plan.dataParallel
    add(table, "data_parallel_replicate_degree", plan.dataParallel / max(1, group))
    add(table, "data_parallel_shard_degree", group)
    add(table, "tensor_parallel_degree", plan.tensorParallel)
    add(table, "context_parallel_degree", plan.contextParallel)
    add(table, "pipeline_parallel_degree", plan.pipelineParallel)
    if plan.contextParallel > 1 {
      add(
        table, "context_parallel_rotate_method",
        text: plan.contextExchange == .ring ? "alltoall" : "allgather")
    }
    if plan.tensorParallel > 1 {
      add(table, "enable_async_tensor_parallel", plan.splitsTensorExchange)
      if !plan.sequenceParallel { unsaid.append("sequence-parallel: torchtitan always has it") }
    }
    if model.mixture != nil {
      add(table, "expert_parallel_degree", plan.expertParallel)
      add(table, "expert_tensor_parallel_degree", plan.expertTensorParallel)
      let dispatcher = plan.dispatcher(for: placed.architecture)
      add(
        table, "expert_parallel_comm_backend", text: dispatcher == .deepEP ? "deepep" : "standard")
    }
    let copies = plan.dataParallel * plan.contextParallel
    let zero = plan.zeroStage.rawValue
    if copies > 1, plan.pipelineParallel == 1, zero != 3 {
      unsaid.append("zero-stage: FSDP divides parameters too")
    }
    if plan.reshardAfterForward == false {
      add(table, "fsdp_reshard_after_forward", text: "never")
    } else if plan.pipelineParallel > 1, zero == 3 {
      add(table, "fsdp_reshard_after_forward", text: "always")
    }
  }

  private mutating func addPipeline() {
    guard plan.pipelineParallel > 1 else { return }
    let table = "parallelism"
    add(table, "pipeline_parallel_microbatch_size", plan.microbatchSize)
    switch plan.schedule {
    case .named(let name):
      if let known = TorchTitanJob.schedules.first(where: { $0.own == name }) {
        add(table, "pipeline_parallel_schedule", text: known.name)
      } else {
        unsaid.append("schedule: PyTorch has no \(name)")
      }
    case .file(let path, _): add(table, "pipeline_parallel_schedule_csv", text: path)
    }
    let counts = placed.layout.layerCounts
    let stages = counts.count
    for ends in 0...2 {
      let units = model.layers + 2 * ends
      var even = (0..<stages).map { units / stages + ($0 < units % stages ? 1 : 0) }
      even[0] -= ends
      even[stages - 1] -= ends
      guard even == counts else { continue }
      if ends != 1 {
        add(table, "pipeline_parallel_first_stage_less_layers", ends)
        add(table, "pipeline_parallel_last_stage_less_layers", ends)
      }
      if plan.stagesPerRank > 2 {
        add(table, "pipeline_parallel_layers_per_stage", (units + stages - 1) / stages)
      }
      return
    }
    add(table, "module_fqns_per_model_part", modules(counts))
  }

  /// The modules of each stage, by torchtitan's names.
  private func modules(_ counts: [Int]) -> String {
    var layer = 0
    let parts = counts.enumerated().map { index, count in
      var names = (layer..<layer + count).map { "\"layers.\($0)\"" }
      layer += count
      if index == 0 { names.insert("\"tok_embeddings\"", at: 0) }
      if index == counts.count - 1 { names += ["\"norm\"", "\"output\""] }
      return "[\(names.joined(separator: ", "))]"
    }
    return "[\(parts.joined(separator: ", "))]"
  }

  private mutating func addRest() {
    let table = "activation_checkpoint"
    switch plan.recomputation {
    case .none: add(table, "mode", text: "none")
    case .full: add(table, "mode", text: "full")
    case .firstLayers(let count):
      let stages = plan.stageCount
      add(table, "mode", text: "selective")
      add(table, "selective_ac_option", text: "\(max(1, model.layers / stages / count))")
    case .selective, .modules:
      let modules = plan.recomputation.modules
      let known: Set<Recomputation.Module> = [.rmsNorm, .swiGLU, .alternateProducts]
      add(table, "mode", text: "selective")
      add(table, "selective_ac_option", text: "op")
      if !Set(modules).isSubset(of: known) || !modules.contains(.rmsNorm) {
        unsaid.append("recompute: torchtitan is told to choose by operators")
      }
    }
    add("compile", "enable", plan.execution == .compiled)
    if plan.optimizer == .muon { unsaid.append("optimizer: torchtitan has AdamW here") }
    add("optimizer", "name", text: "AdamW")
    if plan.dropout { unsaid.append("dropout: torchtitan's models have none") }
    if plan.offload.optimizer > 0 { unsaid.append("offload.optimizer: no option says so") }
  }
}

extension ModelDescription {
  /// Whether two models have the same sizes and parts, whatever their names, frequencies and lengths.
  fileprivate func hasSizes(of other: ModelDescription) -> Bool {
    func plain(_ model: ModelDescription) -> ModelDescription {
      var model = model
      (model.name, model.positions, model.epsilon, model.initializerRange) = ("", 0, 0, 0)
      if case .rotary(let rotary) = model.position {
        model.position = .rotary(.init(theta: 1, share: rotary.share))
      }
      // Latent heads have sizes of their own.
      if model.latent != nil { (model.headSize, model.keyValueHeads) = (0, 0) }
      model.predictionModules = 0
      return model
    }
    return plain(self) == plain(other)
  }
}
