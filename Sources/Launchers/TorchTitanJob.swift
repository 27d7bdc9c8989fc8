import Documents

/// A job of torchtitan: its TOML (until February 2026), or options `--section.key` of a command line.
struct TorchTitanJob {
  let given: GivenOptions
  let settings: ImportSettings
  var plan = PlanText()
  var (tensor, pipeline, context, data) = (1, 1, 1, 1)
  /// Stages of the whole pipeline.
  var stages = 1
  var overlap: [(String, String)] = []

  init(_ given: GivenOptions, _ settings: ImportSettings) {
    (self.given, self.settings) = (given, settings)
  }

  /// The options of a file.
  static func options(_ text: String, file: String) throws(ConfigurationError) -> [GivenOption] {
    try TOML.leaves(of: text, file: file).map { leaf in
      // Lists of lists stay one text.
      let isFlat = !leaf.items.isEmpty && !leaf.text.hasPrefix("[[")
      return GivenOption(
        name: canonical(leaf.path), spelling: leaf.path, values: isFlat ? leaf.items : [leaf.text],
        file: file, line: leaf.line)
    }
  }

  private static let sections = [
    "job", "model", "training", "parallelism", "activation_checkpoint", "optimizer", "checkpoint",
    "metrics", "profiling", "compile", "comm", "float8", "quantize", "lr_scheduler", "experimental",
    "validation", "debug", "fault_tolerance", "memory_estimation", "mx", "profiler",
  ]

  /// Whether a name is one of its options: `training.seq_len`.
  static func isOption(_ name: String) -> Bool {
    guard let dot = name.firstIndex(of: ".") else { return false }
    return sections.contains(String(name[..<dot]))
  }

  mutating func read() throws(ConfigurationError) -> ImportedJob {
    let name = try given.text("model.name") ?? "llama3"
    let flavour = try given.text("model.flavor") ?? "debugmodel"
    let said = try given.integer("training.seq_len", in: 1...(1 << 24))
    try given.checkLength(settings, said, "training.seq_len")
    let length = said ?? settings.sequenceLength ?? 2048
    let model = try model(name, flavour, length)
    let job = "\(name)-\(flavour)".lowercased()
    plan.heading = [
      "Imported from torchtitan by sluice \(Version.current): what each option became, sluice import says."
    ]
    plan.add("name", text: job)
    try readDegrees(hasExperts: model.mixture != nil)
    try readBatch(length)
    try readStages(model)
    try readPrecision()
    try readRecomputation(model)
    try readKernels(model)
    try explainTheRest()
    plan.add("overlap", table: overlap)
    return ImportedJob(
      launcher: "torchtitan", name: job, model: model.config.json, plan: plan.yaml,
      ranks: data * tensor * context * pipeline, options: given.explanations)
  }

  private func model(
    _ name: String, _ flavour: String, _ length: Int
  ) throws(ConfigurationError) -> ModelDescription {
    guard TorchTitanFlavours.models.contains(name) else {
      throw given.error(
        "model.name",
        "its sizes are not known here: one of "
          + TorchTitanFlavours.models.joined(separator: ", "))
    }
    guard let model = TorchTitanFlavours.model(name, flavour, length: length) else {
      throw given.error(
        "model.flavor",
        "\(name) has no such flavour: one of "
          + TorchTitanFlavours.names(of: name).joined(separator: ", "))
    }
    given.explain("model.name", "model.flavor", "\(model.layers) layers of \(model.hidden)")
    if !given.contains("model.flavor") {
      given.imply("model.flavor", flavour, "the smallest model")
    }
    return model
  }

  // MARK: - Degrees

  private func degree(_ name: String) throws(ConfigurationError) -> Int {
    try given.integer("parallelism.\(name)", in: -1...(1 << 20)) ?? 1
  }

  private mutating func readDegrees(hasExperts: Bool) throws(ConfigurationError) {
    tensor = max(1, try degree("tensor_parallel_degree"))
    pipeline = max(1, try degree("pipeline_parallel_degree"))
    context = max(1, try degree("context_parallel_degree"))
    let replicas = max(1, try degree("data_parallel_replicate_degree"))
    let shards =
      try given.integer("parallelism.data_parallel_shard_degree", in: -1...(1 << 20)) ?? -1
    let others = tensor * pipeline * context * replicas
    guard others <= 1 << 20 else {
      throw given.error(
        "parallelism.tensor_parallel_degree", "the product of the degrees exceeds 2^20")
    }
    let group = try shardRanks(shards, others)
    data = replicas * group
    plan.add("data-parallel", data)
    if tensor > 1 {
      plan.add("tensor-parallel", tensor)
      plan.add("sequence-parallel", true)
      given.imply(
        "sequence parallelism", "on", "sequence-parallel: true, beside tensor parallelism")
    }
    if pipeline > 1 { plan.add("pipeline-parallel", pipeline) }
    if context > 1 {
      plan.add("context-parallel", context)
      let rotates = try given.text("parallelism.context_parallel_rotate_method") == "alltoall"
      plan.add("context-exchange", rotates ? "ring" : "gather")
    }
    for (name, key) in [
      ("tensor", "tensor-parallel: \(tensor)"), ("pipeline", "pipeline-parallel: \(pipeline)"),
      ("context", "context-parallel: \(context)"),
    ] { given.explain("parallelism.\(name)_parallel_degree", key) }
    given.explain("parallelism.context_parallel_rotate_method", "context-exchange")
    try readExperts(hasExperts)
    try readSharding(replicas: replicas, group: group)
  }

  /// Ranks that divide the state: as said, or what is left of the world.
  private func shardRanks(_ shards: Int, _ others: Int) throws(ConfigurationError) -> Int {
    let name = "parallelism.data_parallel_shard_degree"
    if let ranks = try ranks() {
      guard ranks % others == 0 else {
        throw given.error(name, "the other degrees, \(others) in all, do not divide \(ranks) GPUs")
      }
      guard shards == -1 || shards == ranks / others else {
        throw given.error(name, "leaves \(ranks / others) of \(ranks) GPUs")
      }
      given.explain(name, "data-parallel: what is left of \(ranks) GPUs")
      return ranks / others
    }
    if shards > 0 {
      given.explain(name, "data-parallel: \(shards) in a group")
      return shards
    }
    let rest = max(1, 8 / others)
    given.explain(name, "data-parallel: what is left of the GPUs")
    given.imply("--gpus", "\(rest * others)", "a node of 8; nothing says how many GPUs there are")
    return rest
  }

  /// All ranks, as the import is told or `torchrun` is; nil where neither is.
  private func ranks() throws(ConfigurationError) -> Int? {
    if let ranks = settings.ranks {
      for name in ["nproc-per-node", "nnodes"] {
        given.explain(name, as: .costless, "--gpus of the import is \(ranks)")
      }
      return ranks
    }
    // `gpu` and `auto` are as many as a node has; `1:4` nodes are one to four.
    guard let perNode = given.option("nproc-per-node").flatMap({ Int($0.text) }), perNode > 0 else {
      return nil
    }
    let nodes = try given.integer("nnodes", in: 1...(1 << 20)) ?? 1
    given.explain("nproc-per-node", "\(perNode) GPUs a node")
    given.explain("nnodes", "\(nodes) nodes")
    return perNode * nodes
  }

  private mutating func readExperts(_ hasExperts: Bool) throws(ConfigurationError) {
    let expert = max(1, try degree("expert_parallel_degree"))
    let name = "parallelism.expert_parallel_degree"
    guard hasExperts else {
      guard expert == 1 else { throw given.error(name, "the model has no experts to spread") }
      return
    }
    plan.add("expert-parallel", expert)
    let inside = try given.integer("parallelism.expert_tensor_parallel_degree") ?? 1
    plan.add("expert-tensor-parallel", inside)
    let backend = try given.text("parallelism.expert_parallel_comm_backend") ?? "standard"
    plan.add("dispatcher", backend == "deepep" ? "deepep" : "all-to-all")
    given.explain(name, "expert-parallel: \(expert)")
    given.explain("parallelism.expert_tensor_parallel_degree", "expert-tensor-parallel: \(inside)")
    given.explain("parallelism.expert_parallel_comm_backend", "dispatcher")
    if !given.contains("parallelism.expert_parallel_comm_backend") {
      given.imply("parallelism.expert_parallel_comm_backend", "standard", "dispatcher: all-to-all")
    }
  }

  private mutating func readSharding(
    replicas: Int, group: Int
  ) throws(ConfigurationError) {
    let name = "parallelism.fsdp_reshard_after_forward"
    let policy = try given.choice(name, ["default", "always", "never"]) ?? "default"
    let copies = data * context
    // FSDP2 keeps parameters gathered under a pipeline: what is moved is what ZeRO 1 moves.
    let gathers = pipeline == 1 || policy == "always"
    // Groups of one rank divide nothing, as DDP does.
    let zero = min(copies, group * context) == 1 ? 0 : gathers ? 3 : 1
    plan.add("zero-stage", zero)
    if replicas > 1, zero > 0, group * context < copies {
      plan.add("sharding-group", group * context)
    }
    given.explain(
      "parallelism.data_parallel_replicate_degree",
      replicas > 1 ? "sharding-group: \(group * context)" : "one group divides the state")
    if zero == 3, policy == "never", pipeline == 1 { plan.add("reshard-after-forward", false) }
    given.explain(name, "zero-stage: \(zero)\(policy == "never" ? ", reshard-after-forward" : "")")
    given.imply("FSDP2", "on", "zero-stage: \(zero)")
  }

  // MARK: - Batch

  private mutating func readBatch(_ length: Int) throws(ConfigurationError) {
    // Until the middle of 2025 the key was batch_size.
    let older = try given.integer("training.batch_size")
    let local = try given.integer("training.local_batch_size") ?? older ?? 8
    let global = try given.integer("training.global_batch_size", in: -1...(1 << 30)) ?? -1
    let whole = global == -1 ? local * data : global
    guard whole > 0, whole % (local * data) == 0 else {
      throw given.error(
        "training.global_batch_size", "is no multiple of \(local) sequences on \(data) data ranks")
    }
    var size = local
    if pipeline > 1 {
      size = try given.integer("parallelism.pipeline_parallel_microbatch_size") ?? 1
      guard local % size == 0 else {
        throw given.error(
          "parallelism.pipeline_parallel_microbatch_size", "does not divide \(local) sequences")
      }
      if !given.contains("parallelism.pipeline_parallel_microbatch_size") {
        given.imply("parallelism.pipeline_parallel_microbatch_size", "1", "microbatch-size: 1")
      }
      if whole != local * data {
        given.imply(
          "gradient accumulation", "\(whole / (local * data))",
          "its passes through the pipeline are one here: \(whole / data / size) microbatches in a row"
        )
      }
    }
    plan.add("microbatch-size", size)
    plan.add("global-batch", whole)
    plan.add("sequence-length", length)
    given.explain(
      "training.local_batch_size", "training.batch_size", "\(local) sequences on a rank")
    given.explain("training.global_batch_size", "global-batch: \(whole)")
    given.explain("training.seq_len", "sequence-length: \(length)")
    given.explain("parallelism.pipeline_parallel_microbatch_size", "microbatch-size: \(size)")
    if !given.contains("training.local_batch_size"), !given.contains("training.batch_size") {
      given.imply("training.local_batch_size", "8", "\(local) sequences on a rank")
    }
    if !given.contains("training.seq_len") {
      given.imply("training.seq_len", "\(length)", "sequence-length: \(length)")
    }
  }
}
