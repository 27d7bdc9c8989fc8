import Documents

extension TorchTitanJob {
  /// Its schedules by PyTorch's names.
  static let schedules: [(name: String, own: String, stages: Int?)] = [
    ("1F1B", "1f1b", 1), ("GPipe", "gpipe", 1), ("Interleaved1F1B", "interleaved-1f1b", nil),
    ("LoopedBFS", "looped-bfs", nil), ("InterleavedZeroBubble", "interleaved-zero-bubble", nil),
    ("ZBVZeroBubble", "zbv", 2), ("DualPipeV", "dualpipev", 2),
  ]

  mutating func readStages(_ model: ModelDescription) throws(ConfigurationError) {
    let names = [
      "schedule", "schedule_csv", "layers_per_stage", "first_stage_less_layers",
      "last_stage_less_layers", "split_points", "expert_parallel_overlap",
    ].map { "parallelism.pipeline_parallel_\($0)" }
    guard pipeline > 1 else {
      for name in names { given.explain(name, as: .costless, "there is no pipeline") }
      given.explain(
        "parallelism.module_fqns_per_model_part", as: .costless, "there is no pipeline")
      return
    }
    let said = try given.text(names[0]) ?? "1F1B"
    let found = Self.schedules.first { $0.name.lowercased() == said.lowercased() }
    guard let schedule = found else {
      throw given.error(
        names[0],
        "expected one of " + Self.schedules.map(\.name).joined(separator: ", "))
    }
    if let file = try given.text(names[1]), !file.isEmpty {
      plan.add("schedule-file", text: file)
      given.explain(names[1], "schedule-file: its path starts from the plan's folder")
    } else {
      plan.add("schedule", schedule.own)
      given.explain(names[1], as: .costless, "names no file")
    }
    if !given.contains(names[0]) { given.imply(names[0], "1F1B", "schedule: 1f1b") }
    let first = try given.integer(names[3], in: 0...1024) ?? 1
    let last = try given.integer(names[4], in: 0...1024) ?? 1
    let counts = try counts(model, schedule, names: names, first: first, last: last)
    stages = counts.count
    let perRank = stages / pipeline
    if schedule.stages == nil || given.contains(names[1]) { plan.add("stages-per-rank", perRank) }
    plan.add("layers-per-stage", "\(counts)")
    given.explain(names[0], "schedule: \(schedule.own), \(perRank) stages a rank")
    given.explain(names[2], names[3], names[4], names[5], "layers-per-stage: \(counts)")
    given.explain("parallelism.module_fqns_per_model_part", "layers-per-stage: \(counts)")
    let overlaps = try given.flag(names[6])
    if schedule.own == "dualpipev", overlaps == false {
      overlap.append(("expert-exchange", "false"))
    }
    given.explain(names[6], "overlap.expert-exchange, under DualPipeV")
    if first == 1, last == 1, !given.contains(names[3]), !given.contains(names[4]) {
      given.imply(names[3], "1", "the first and the last stage have a layer less")
    }
  }

  private func counts(
    _ model: ModelDescription, _ schedule: (name: String, own: String, stages: Int?),
    names: [String], first: Int, last: Int
  ) throws(ConfigurationError) -> [Int] {
    if let parts = given.option("parallelism.module_fqns_per_model_part") {
      return try counts(ofModules: parts.values, model)
    }
    let units = model.layers + first + last
    var stages = pipeline * (schedule.stages ?? 2)
    if let size = try given.integer(names[2]) {
      stages = (units + size - 1) / size
      guard stages % pipeline == 0, schedule.stages.map({ $0 * pipeline == stages }) ?? true else {
        throw given.error(
          names[2], "makes \(stages) stages for \(pipeline) pipeline ranks under \(schedule.name)")
      }
    }
    // pipeline_parallel.py, generate_llm_fqn_per_model_part: embedding and head weigh as layers do, and the
    // first stages take what does not divide.
    guard stages <= units, first <= units / stages, last <= units / stages else {
      throw given.error(names[0], "\(stages) stages do not fit \(model.layers) layers")
    }
    var counts = (0..<stages).map { units / stages + ($0 < units % stages ? 1 : 0) }
    counts[0] -= first
    counts[stages - 1] -= last
    return counts
  }

  /// Layers of each part of a list of lists of modules.
  private func counts(
    ofModules modules: [String], _ model: ModelDescription
  ) throws(ConfigurationError) -> [Int] {
    let name = "parallelism.module_fqns_per_model_part"
    let parts = modules.joined(separator: " ").split(separator: "]").filter { $0.contains("[") }
    let counts = parts.map { part in
      part.split { " ,[".contains($0) }.count { $0.hasPrefix("layers.") }
    }
    guard counts.reduce(0, +) == model.layers, counts.count % pipeline == 0 else {
      throw given.error(
        name, "holds \(counts.reduce(0, +)) of \(model.layers) layers in \(counts.count) parts")
    }
    return counts
  }

  // MARK: - Precision, recomputation, kernels

  mutating func readPrecision() throws(ConfigurationError) {
    let converters = try given.words("model.converters") ?? []
    let known = ["float8", "quantize.linear.float8", "mx", "quantize.linear.mx"]
    for converter in converters
    where !known.contains(converter) && !converter.hasPrefix("quantize.grouped_mm") {
      throw given.error("model.converters", "what \(converter) changes is not known here")
    }
    // A switch of its own before converters had names.
    let isOlder = try given.flag("float8.enable_float8_linear") ?? false
    let isFloat =
      isOlder || converters.contains { $0.hasSuffix("float8") && !$0.contains("grouped") }
    if isOlder { given.explain("float8.enable_float8_linear", "precision: fp8-tensor") }
    let isMicro = converters.contains { $0.hasSuffix("mx") && !$0.contains("grouped") }
    let master = try given.choice("training.dtype", ["float32", "bfloat16"]) ?? "float32"
    let parameters =
      try given.choice("training.mixed_precision_param", ["bfloat16", "float32"]) ?? "bfloat16"
    var table: [(String, String)]
    if isMicro {
      table = [("base", "mxfp8")]
    } else if isFloat {
      // torchao's: scales of the tensors' own, inputs kept in 16 bits and cast again.
      table = [
        ("base", "fp8-tensor"), ("fp8-scaling", "current"), ("kept-linear-inputs", "bf16"),
        ("tensor-gather", "bf16"),
      ]
    } else {
      table = [("base", parameters == "float32" ? "float32" : "bf16")]
    }
    if master == "bfloat16", table[0].1 == "bf16" {
      table += [("master-weights", "none"), ("moments", "bf16"), ("gradients", "bf16")]
    }
    plan.add("precision", table.count == 1 ? table[0].1 : Self.flow(table))
    given.explain("training.dtype", "training.mixed_precision_param", "precision: \(table[0].1)")
    given.explain("training.mixed_precision_reduce", "gradients are reduced in 32 bits")
    given.explain("model.converters", isFloat || isMicro ? "precision: \(table[0].1)" : "none")
    if !given.contains("training.mixed_precision_param") {
      given.imply("training.mixed_precision_param", "bfloat16", "precision: \(table[0].1)")
    }
    readFloat8(isOn: isFloat || isMicro)
    let optimizer = try given.text("optimizer.name") ?? "AdamW"
    guard ["AdamW", "Adam"].contains(optimizer) else {
      throw given.error("optimizer.name", "has a state that sluice does not count: AdamW")
    }
    given.explain("optimizer.name", "optimizer: adamw")
  }

  private func readFloat8(isOn: Bool) {
    for option in given.unexplained
    where ["float8.", "quantize.", "mx."].contains(where: option.name.hasPrefix) {
      let words = option.text.lowercased()
      let isIdle = !isOn || words == "false" || words == "[]"
      given.explain(
        option.name, as: isIdle ? .costless : .unmodelled,
        isIdle
          ? "model.converters does not ask for it" : "how tensors in 8 bits are cast and gathered")
    }
  }

  private static func flow(_ table: [(String, String)]) -> String {
    "{\(table.map { "\($0.0): \($0.1)" }.joined(separator: ", "))}"
  }

  mutating func readRecomputation(_ model: ModelDescription) throws(ConfigurationError) {
    let name = "activation_checkpoint.mode"
    let mode =
      try given.choice(name, ["none", "selective", "full", "memory_budget"]) ?? "selective"
    let option = try given.text("activation_checkpoint.selective_ac_option") ?? "2"
    if !given.contains(name) { given.imply(name, "selective", "recompute") }
    switch mode {
    case "none": plan.add("recompute", "none")
    case "full": plan.add("recompute", "full")
    case "memory_budget":
      throw given.error(
        name, "what a budget recomputes is the compiler's choice: none, selective or full")
    default:
      if option == "op" {
        // Every second product of plain gated layers; norms and gates of all.
        let parts =
          model.latent == nil && (model.mixture?.layers.contains(false) ?? true)
          ? "[rms-norm, swiglu, alternate-products]" : "[rms-norm, swiglu]"
        plan.add("recompute", parts)
      } else if let every = Int(option), every > 0 {
        plan.add("recompute", "full")
        let layers = max(1, model.layers / stages / every)
        if every > 1 { plan.add("recompute-layers", layers) }
      } else {
        throw given.error(
          "activation_checkpoint.selective_ac_option", "expected op or a number of layers")
      }
      if !given.contains("activation_checkpoint.selective_ac_option") {
        given.imply("activation_checkpoint.selective_ac_option", "2", "every second layer")
      }
    }
    let layers = plan.value("recompute-layers").map { ", recompute-layers: \($0) of each stage" }
    let meaning = "recompute: \(plan.value("recompute") ?? "none")\(layers ?? "")"
    given.explain(name, meaning)
    if mode == "selective" {
      given.explain("activation_checkpoint.selective_ac_option", meaning)
    } else {
      given.explain(
        "activation_checkpoint.selective_ac_option", as: .costless, "is for mode selective")
    }
  }

  mutating func readKernels(_ model: ModelDescription) throws(ConfigurationError) {
    plan.add("framework", "torchtitan")
    plan.add("attention-library", "flash-2")
    plan.add("fused-loss", false)
    given.imply("attention", "PyTorch's own", "attention-library: flash-2")
    given.imply("loss", "cross entropy over 32-bit logits", "fused-loss: false")
    let older = try given.flag("training.compile")
    let compiles = try given.flag("compile.enable") ?? older ?? false
    let components = try given.words("compile.components") ?? ["model", "loss"]
    let isCompiled = compiles && components.contains("model")
    plan.add("execution", isCompiled ? "compiled" : "eager")
    given.explain(
      "compile.enable", "training.compile", "execution: \(isCompiled ? "compiled" : "eager")")
    given.explain("compile.components", "what is compiled")
    if !given.contains("compile.enable") {
      given.imply("compile.enable", "false", "execution: eager")
    }
    let name = "parallelism.enable_async_tensor_parallel"
    if tensor > 1, try given.flag(name) ?? false { overlap.append(("tensor-exchange", "true")) }
    given.explain(name, tensor > 1 ? "overlap.tensor-exchange" : "there is no tensor group")
    if try given.flag("training.enable_cpu_offload") ?? false {
      plan.add("offload", "{optimizer: 1.0}")
      given.explain(
        "training.enable_cpu_offload", as: .unmodelled,
        "offload.optimizer: 1; parameters and gradients stay on the device here, and the update too"
      )
    }
    if try given.flag("debug.moe_force_load_balance") ?? false, model.mixture != nil {
      plan.add("expert-load", "balanced")
      given.explain("debug.moe_force_load_balance", "expert-load: balanced")
    }
  }

  /// What nobody read.
  func explainTheRest() throws(ConfigurationError) {
    let costless: [(String, String)] = [
      ("job.", "the run's folders"), ("metrics.", "logging"), ("profiling.", "profiling"),
      ("profiler.", "profiling"), ("checkpoint.", "checkpoints"),
      ("lr_scheduler.", "the learning rate"),
      ("optimizer.", "the optimizer's constants"), ("comm.", "time limits and traces"),
      ("validation.", "evaluation"), ("debug.", "diagnosis"), ("memory_estimation.", "an estimate"),
      ("fault_tolerance.", "restarts"), ("training.dataset", "data"), ("training.data", "data"),
      ("training.steps", "how long the run is"), ("training.max_norm", "a constant of the update"),
      ("training.gc_", "how often Python collects"), ("training.seed", "chance"),
      ("training.deterministic", "which kernels run"), ("training.enable_cpu", "not set"),
      ("training.tokenizer", "the tokenizer"), ("model.tokenizer", "the tokenizer"),
      ("model.hf_assets", "the tokenizer"), ("model.print", "logging"),
      ("compile.", "the compiler"),
      ("activation_checkpoint.", "how recomputed parts are checked"),
      ("model.norm_type", "the norms"),
      ("parallelism.context_parallel_load", "how sequences are dealt out"),
      ("parallelism.enable_compiled", "how autograd runs"),
      ("experimental.custom", "code of one's own"),
      ("parallelism.", "not set for this job"), ("gpus", "GPUs"),
      ("nproc-per-node", "as many GPUs as a node has"),
      ("nnodes", "nothing says how many GPUs a node has"),
      ("script-arguments", "the script's arguments: none are given"),
      ("other-launch", "a launch that is not the one taken"),
      ("same-launch", "says the same as the launch taken"),
    ]
    for option in given.unexplained {
      if Self.namesDegree(option.name) {
        throw given.error(
          option.name, "names a way to divide the job that is not known here",
          suggestion: Self.nearest(to: option.name))
      }
      if option.name == "parallelism.disable_loss_parallel" {
        given.explain(
          option.name, as: .unmodelled, "the loss over logits that are whole on every rank")
      } else if option.name.hasPrefix("experimental.custom"), !GivenOptions.isNothing(option.text) {
        given.explain(option.name, as: .unknown, "code of one's own, which is not read")
      } else if let (_, reason) = costless.first(where: { option.name.hasPrefix($0.0) }),
        !option.name.hasPrefix("parallelism.") || Self.known.contains(option.name)
      {
        given.explain(option.name, as: .costless, reason)
      } else {
        let near = Self.nearest(to: option.name).map { "; did you mean \($0)?" } ?? ""
        given.explain(
          option.name, as: .unknown, "no option of torchtitan that is known here\(near)")
      }
    }
  }

  /// Options that a job may leave unused.
  static let known: Set<String> = Set(
    [
      "context_parallel_load_balancer", "enable_compiled_autograd", "enable_async_tensor_parallel",
      "pipeline_parallel_schedule", "expert_parallel_degree", "expert_tensor_parallel_degree",
      "expert_parallel_comm_backend", "context_parallel_rotate_method",
      "fsdp_reshard_after_forward",
      "data_parallel_replicate_degree",
    ].map { "parallelism.\($0)" })
}
