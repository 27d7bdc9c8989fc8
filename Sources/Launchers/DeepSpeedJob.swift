import Documents
import Models

/// A configuration of DeepSpeed beside the `config.json` of the model that it trains
/// (DeepSpeed, `docs/_pages/config-json.md`, `runtime/zero/config.py`).
struct DeepSpeedJob {
  let given: GivenOptions
  let settings: ImportSettings
  let model: (text: String, architecture: Architecture)
  var plan = PlanText()
  var (tensor, pipeline, context, data) = (1, 1, 1, 1)
  var overlap: [(String, String)] = []

  /// Keys by which a table is known for one.
  static let marks: Set<String> = [
    "zero_optimization", "train_micro_batch_size_per_gpu", "train_batch_size",
    "zero_allow_untested_optimizer",
  ]

  init(
    _ given: GivenOptions, _ settings: ImportSettings, model: (String, Architecture)
  ) { (self.given, self.settings, self.model) = (given, settings, model) }

  /// The options of a file.
  static func options(_ document: Document, file: String) -> [GivenOption] {
    document.locatedLeaves.map { leaf, line in
      var option = GivenOption(
        name: leaf.keyPath, spelling: leaf.keyPath, values: [leaf.text], file: file, line: line)
      // As one word it was stage 1 or none, and still is.
      if option.name == "zero_optimization", let stage = ["true": "1", "false": "0"][leaf.text] {
        (option.name, option.written) = ("zero_optimization.stage", leaf.text)
        option.values = [stage]
      }
      return option
    }
  }

  mutating func read() throws(ConfigurationError) -> ImportedJob {
    let name = "\(model.architecture.name)-deepspeed"
    plan.heading = [
      "Imported from DeepSpeed by sluice \(Version.current): what each option became, sluice import says."
    ]
    plan.add("name", text: name)
    let zero = try given.integer("zero_optimization.stage", in: 0...3) ?? 0
    given.explain("zero_optimization.stage", "zero-stage: \(zero)")
    if !given.contains("zero_optimization.stage") {
      given.imply("zero_optimization.stage", "0", "zero-stage: 0")
    }
    try readDegreesAndBatch()
    plan.add("zero-stage", zero)
    try readSharding(zero)
    try readPrecision(zero)
    try readOverlap(zero)
    try readMemory(zero)
    plan.add("framework", "plain")
    plan.add("execution", "eager")
    plan.add("attention-library", "flash-2")
    plan.add("fused-loss", false)
    plan.add("gradient-accumulation-fusion", false)
    given.imply("model's code", "PyTorch's operators", "execution: eager, fused-loss: false")
    given.imply("attention", "PyTorch's own", "attention-library: flash-2")
    plan.add("recompute", "none")
    given.imply(
      "gradient checkpointing", "the model's code decides",
      "recompute: none; set it if the code asks for it")
    explainTheRest()
    plan.add("overlap", table: overlap)
    return ImportedJob(
      launcher: "DeepSpeed", name: name, model: model.text, plan: plan.yaml,
      ranks: data * tensor * context * pipeline, options: given.explanations)
  }

  /// A number that may be left to the program that reads the file.
  private func automatic(_ name: String) throws(ConfigurationError) -> Int? {
    guard let text = try given.text(name), text != "auto" else { return nil }
    return try given.integer(name)
  }

  private mutating func readDegreesAndBatch() throws(ConfigurationError) {
    let older = try automatic("tensor_parallel.tp_size")
    tensor = try automatic("tensor_parallel.autotp_size") ?? older ?? 1
    pipeline = try automatic("pipeline.stages") ?? 1
    context = try automatic("sequence_parallel_size") ?? 1
    let whole = try automatic("train_batch_size")
    let micro = try automatic("train_micro_batch_size_per_gpu")
    let steps = try automatic("gradient_accumulation_steps")
    let others = tensor * pipeline * context
    let ranks = try dataRanks(whole, micro, steps, others)
    data = ranks
    // What is left out follows from the others (train_batch_size = micro x accumulation x data ranks).
    let passes = ranks * (steps ?? 1)
    if micro == nil, let whole, whole % passes != 0 {
      throw given.error("train_batch_size", "does not divide over \(passes) passes")
    }
    let size = micro ?? whole.map { $0 / passes } ?? 1
    let batch = whole ?? size * (steps ?? 1) * ranks
    guard batch % (size * ranks) == 0, steps.map({ batch == size * $0 * ranks }) ?? true else {
      throw given.error(
        "train_batch_size",
        "must be train_micro_batch_size_per_gpu \(size) x gradient_accumulation_steps "
          + "\(steps.map { "\($0)" } ?? "auto") x \(ranks) data ranks")
    }
    plan.add("data-parallel", ranks)
    if tensor > 1 {
      plan.add("tensor-parallel", tensor)
      plan.add("sequence-parallel", false)
    }
    if pipeline > 1 {
      plan.add("pipeline-parallel", pipeline)
      plan.add("schedule", "1f1b")
    }
    if context > 1 { plan.add("context-parallel", context) }
    plan.add("microbatch-size", size)
    plan.add("global-batch", batch)
    guard let length = settings.sequenceLength else {
      throw ConfigurationError(
        file: given.file, rule: "does not say how long sequences are: give --seq-length N")
    }
    plan.add("sequence-length", length)
    given.imply("--seq-length", "\(length)", "sequence-length: \(length)")
    given.explain("train_batch_size", "global-batch: \(batch)")
    given.explain("train_micro_batch_size_per_gpu", "microbatch-size: \(size)")
    given.explain("gradient_accumulation_steps", "\(batch / size / ranks) microbatches a data rank")
    given.explain(
      "tensor_parallel.autotp_size", "tensor_parallel.tp_size", "tensor-parallel: \(tensor)")
    given.explain("pipeline.stages", "pipeline-parallel: \(pipeline)")
    given.explain(
      "sequence_parallel_size", as: .unmodelled,
      "context-parallel: \(context); DeepSpeed exchanges heads, which is priced as a gather")
    if micro == nil {
      given.imply("train_micro_batch_size_per_gpu", "\(size)", "microbatch-size: \(size)")
    }
  }

  /// Data ranks: of --gpus, else what the three numbers of the batch leave, else those of a node of 8.
  private func dataRanks(
    _ whole: Int?, _ micro: Int?, _ steps: Int?, _ others: Int
  ) throws(ConfigurationError) -> Int {
    if let ranks = settings.ranks {
      guard ranks % others == 0 else {
        throw given.error(
          "tensor_parallel.autotp_size", "\(others) ranks do not divide \(ranks) GPUs")
      }
      given.imply("--gpus", "\(ranks)", "given to the import")
      return ranks / others
    }
    if let whole, let micro, let steps {
      guard whole % (micro * steps) == 0 else {
        throw given.error("train_batch_size", "is no multiple of \(micro) x \(steps)")
      }
      given.imply(
        "--gpus", "\(whole / (micro * steps) * others)",
        "data-parallel: \(whole / (micro * steps)), what train_batch_size leaves")
      return whole / (micro * steps)
    }
    let most = max(1, 8 / others)
    let data =
      (1...most).last { data in whole.map { $0 % (data * (micro ?? 1)) == 0 } ?? true } ?? 1
    given.imply(
      "--gpus", "\(data * others)",
      "data-parallel: \(data), a node of 8; nothing says how many GPUs there are")
    return data
  }

  private mutating func readSharding(_ zero: Int) throws(ConfigurationError) {
    let name = "zero_optimization.mics_shard_size"
    if let size = try given.integer(name, in: -1...(1 << 20)), size > 0, zero > 0,
      size < data * context
    {
      guard size > 1 else {
        throw given.error(name, "divides nothing among one rank: that is stage 0")
      }
      plan.add("sharding-group", size)
      given.explain(name, "sharding-group: \(size)")
    }
    given.explain(name, as: .costless, "all data ranks divide the state")
    if let size = try given.integer("zero_optimization.zero_hpz_partition_size", in: 0...(1 << 20)),
      size > 1
    {
      given.explain(
        "zero_optimization.zero_hpz_partition_size", as: .unmodelled,
        "a second copy of the parameters within \(size) ranks")
    }
  }

  private mutating func readOverlap(_ zero: Int) throws(ConfigurationError) {
    let name = "zero_optimization.overlap_comm"
    let said = try given.flag(name)
    let overlaps = said ?? (zero == 3)
    if data * context > 1 {
      overlap.append(("gradient-reduction", "\(overlaps)"))
      if zero == 3 { overlap.append(("parameter-gather", "true")) }
    }
    given.explain(name, "overlap.gradient-reduction: \(overlaps)")
    if said == nil { given.imply(name, "\(overlaps)", "overlap.gradient-reduction: \(overlaps)") }
    let bucket = "zero_optimization.reduce_bucket_size"
    if let text = try given.text(bucket), text != "auto",
      let size = try given.integer(bucket, in: 0...(1 << 40))
    {
      if size > 0, overlaps, zero <= 1, data * context > 1 {
        plan.add("gradient-bucket", size)
        given.explain(bucket, "gradient-bucket: \(size)")
      } else {
        given.explain(
          bucket, as: .unmodelled, "gradients are reduced a layer at a time, or at once")
      }
    }
    given.explain(bucket, as: .costless, "left to the program that reads the file")
  }

  private mutating func readMemory(_ zero: Int) throws(ConfigurationError) {
    let device = "zero_optimization.offload_optimizer.device"
    let older = try given.flag("zero_optimization.cpu_offload") ?? false
    let place = try given.text(device) ?? "none"
    if place != "none" || older {
      let share = try given.number("zero_optimization.offload_optimizer.ratio", in: 0...1) ?? 1
      plan.add("offload", table: [("optimizer", "\(share)")])
      given.explain(
        device, "zero_optimization.cpu_offload",
        "offload.optimizer: \(share); the update is the device's here, and DeepSpeed's the host's")
      if place == "nvme" { given.imply("NVMe", "offload", "priced as the host's memory") }
    }
    given.explain(device, "zero_optimization.cpu_offload", as: .costless, "nothing is offloaded")
    given.explain("zero_optimization.offload_optimizer.ratio", "the share that is offloaded")
    let parameters = "zero_optimization.offload_param.device"
    if let place = try given.text(parameters), place != "none" {
      given.explain(
        parameters, as: .unmodelled, "parameters in the host's memory stay on the device here")
    }
    if let optimizer = try given.text("optimizer.type") {
      let known = ["adam", "adamw", "fusedadam", "deepspeedcpuadam", "cpuadam"]
      if optimizer.lowercased() == "muon" {
        guard zero == 0 else {
          throw given.error(
            "optimizer.type", "divides matrices under ZeRO, which sluice does not describe")
        }
        plan.add("optimizer", "muon")
      } else if !known.contains(optimizer.lowercased()) {
        throw given.error("optimizer.type", "has a state that sluice does not count: AdamW or Muon")
      }
      given.explain(
        "optimizer.type", "optimizer: \(optimizer.lowercased() == "muon" ? "muon" : "adamw")")
    } else {
      given.imply("optimizer.type", "AdamW", "optimizer: adamw")
    }
  }
}
