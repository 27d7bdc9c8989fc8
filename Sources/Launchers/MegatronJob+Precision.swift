import Documents

extension MegatronJob {
  /// What of the training state is divided.
  mutating func readSharding() throws(ConfigurationError) {
    let isDistributed = try given.flag("use-distributed-optimizer") ?? false
    if try given.flag("use-torch-fsdp2") ?? false {
      zero = 3
      given.explain("use-torch-fsdp2", "zero-stage: 3")
    } else if try given.flag("use-megatron-fsdp") ?? false {
      let strategies = ["no_shard", "optim", "optim_grads", "optim_grads_params"]
      let strategy = try given.choice("data-parallel-sharding-strategy", strategies)
      zero = strategies.firstIndex(of: strategy ?? "optim_grads_params") ?? 3
      given.explain("use-megatron-fsdp", "data-parallel-sharding-strategy", "zero-stage: \(zero)")
      if strategy == nil {
        given.imply("--data-parallel-sharding-strategy", "optim_grads_params", "zero-stage: 3")
      }
    } else {
      zero = isDistributed ? 1 : 0
      if !isDistributed {
        given.imply("--use-distributed-optimizer", "not set", "zero-stage: 0")
      }
    }
    given.explain("use-distributed-optimizer", "zero-stage: \(zero)")
    given.explain("use-torch-fsdp2", "use-megatron-fsdp", as: .costless, "not set")
    given.explain("data-parallel-sharding-strategy", as: .costless, "Megatron's FSDP is not used")
    try readOptimizer()
    plan.add("zero-stage", zero)
    let instances = try given.integer("num-distributed-optimizer-instances") ?? 1
    if instances > 1, zero > 0 {
      guard data * context % instances == 0 else {
        throw given.error(
          "num-distributed-optimizer-instances",
          "does not divide data \(data) x context \(context)")
      }
      guard instances < data * context else {
        throw given.error(
          "num-distributed-optimizer-instances",
          "leaves one rank in each, which divides nothing: leave --use-distributed-optimizer out")
      }
      plan.add("sharding-group", data * context / instances)
      given.explain(
        "num-distributed-optimizer-instances", "sharding-group: \(data * context / instances)")
    }
    if zero == 3, try given.flag("torch-fsdp2-no-reshard-after-forward") ?? false,
      data * context > 1, pipeline == 1
    {
      plan.add("reshard-after-forward", false)
      given.explain("torch-fsdp2-no-reshard-after-forward", "reshard-after-forward: false")
    }
  }

  private mutating func readOptimizer() throws(ConfigurationError) {
    switch try given.text("optimizer") {
    case nil: given.imply("--optimizer", "adam", "optimizer: adamw")
    case "adam"?, "adamw"?: given.explain("optimizer", "optimizer: adamw")
    case "muon"?, "dist_muon"?, "adaptive_muon"?:
      plan.add("optimizer", "muon")
      if zero > 0 {
        given.imply(
          "layer-wise division", "muon",
          "zero-stage: 0, since sluice divides no matrix that muon orthogonalises")
      }
      zero = 0
      given.explain("optimizer", "optimizer: muon")
    case let other?:
      throw given.error(
        "optimizer", "\(other) has a state that sluice does not count: adam or muon")
    }
  }

  /// Formats of what is stored, multiplied and sent.
  mutating func readPrecision() throws(ConfigurationError) {
    let half = try given.flag("fp16") ?? false
    let brain = try given.flag("bf16") ?? false
    guard !half || !brain else { throw given.error("fp16", "excludes --bf16") }
    given.explain("bf16", "fp16", "precision: \(half ? "float16" : brain ? "bf16" : "float32")")
    let is8 = try given.text("fp8-format") != nil
    if !half, !brain, !is8 { given.imply("--bf16", "not set", "precision: float32") }
    var table: [(String, String)] = []
    if let narrow = try float8() {
      table = narrow
      if !brain, !half {
        given.imply(
          "activations beside FP8", "float32",
          "priced in BF16, as the plan's recipes of 8 bits have them")
      }
    } else {
      table = [("base", half ? "float16" : brain ? "bf16" : "float32")]
    }
    if half || brain { table += try gradients(isHalf: half) + states() }
    if table.count == 1, let base = table.first {
      plan.add("precision", base.1)
    } else {
      plan.add("precision", table: table)
    }
    for name in ["grad-reduce-in-bf16", "accumulate-allreduce-grads-in-fp32"] {
      given.explain(name, "the format of gradients")
    }
  }

  /// 32 bits, but for FP16 where nothing asks for them, and for BF16 where it is asked for.
  private func gradients(isHalf: Bool) throws(ConfigurationError) -> [(String, String)] {
    let wide = try given.flag("accumulate-allreduce-grads-in-fp32") ?? false
    let narrow = try given.flag("grad-reduce-in-bf16") ?? false
    let main = try given.text("main-grads-dtype")
    if isHalf, !wide, given.option("grad-reduce-in-bf16")?.text != "false" {
      given.imply(
        "--accumulate-allreduce-grads-in-fp32", "not set", "gradients in float16, beside FP16 alone"
      )
      return [("gradients", "float16"), ("gradient-reduction", "float16")]
    }
    if narrow || main?.contains("bf16") == true || main?.contains("bfloat16") == true {
      guard !wide else {
        throw given.error(
          "accumulate-allreduce-grads-in-fp32", "gradients are asked for in BF16 too")
      }
      return [("gradients", "bf16"), ("gradient-reduction", "bf16")]
    }
    return []
  }

  /// Formats of the optimizer's state, where it may have others.
  private func states() throws(ConfigurationError) -> [(String, String)] {
    let names = ["main-grads-dtype", "main-params-dtype", "exp-avg-dtype", "exp-avg-sq-dtype"]
    guard try given.flag("use-precision-aware-optimizer") ?? false else {
      for name in names {
        given.explain(name, as: .costless, "without --use-precision-aware-optimizer")
      }
      given.explain("use-precision-aware-optimizer", as: .costless, "not set")
      return []
    }
    given.explain("use-precision-aware-optimizer", "the optimizer's state may be narrow")
    given.explain("main-grads-dtype", "the format of gradients")
    func format(_ name: String) throws(ConfigurationError) -> String? {
      switch try given.text(name)?.replacing("torch.", with: "") {
      case nil, "fp32"?, "float32"?: return nil
      case "bf16"?, "bfloat16"?: return "bf16"
      case "fp16"?, "float16"?, "half"?: return "float16"
      case "fp8"?, "uint8"?: return "e4m3"
      default: throw given.error(name, "expected fp32, bf16, fp16 or fp8")
      }
    }
    var table: [(String, String)] = []
    if let master = try format("main-params-dtype") {
      table.append(("master-weights", master))
      given.explain("main-params-dtype", "precision.master-weights: \(master)")
    }
    let (first, second) = (try format("exp-avg-dtype"), try format("exp-avg-sq-dtype"))
    if first == second, let first {
      table.append(("moments", first))
      given.explain("exp-avg-dtype", "exp-avg-sq-dtype", "precision.moments: \(first)")
    } else if first != second {
      given.explain(
        "exp-avg-dtype", "exp-avg-sq-dtype", as: .unmodelled,
        "the two moments in formats of their own; both are counted in 32 bits")
    }
    return table
  }

  private func float8() throws(ConfigurationError) -> [(String, String)]? {
    let format = try given.text("fp8-format")
    let others = [
      "fp8-recipe", "fp8-param-gather", "first-last-layers-bf16", "num-layers-at-start-in-bf16",
      "num-layers-at-end-in-bf16",
    ]
    guard let format, format.lowercased() != "false" else {
      for name in ["fp8-format"] + others {
        given.explain(name, as: .costless, "FP8 is not asked for")
      }
      return nil
    }
    guard ["hybrid", "e4m3"].contains(format) else {
      throw given.error("fp8-format", "expected hybrid or e4m3")
    }
    let recipe = try given.choice(
      "fp8-recipe", ["delayed", "tensorwise", "mxfp8", "blockwise", "custom"])
    var table: [(String, String)]
    switch recipe {
    case nil, "delayed"?: table = [("base", "fp8-tensor")]
    case "tensorwise"?: table = [("base", "fp8-tensor"), ("fp8-scaling", "current")]
    case "mxfp8"?: table = [("base", "mxfp8")]
    case "blockwise"?:
      table = [("base", "fp8-tensor"), ("fp8-scaling", "blocks"), ("tensor-gather", "bf16")]
    default: throw given.error("fp8-recipe", "a recipe of one's own cannot be read")
    }
    if recipe == nil { given.imply("--fp8-recipe", "delayed", "scales from steps before") }
    given.explain(
      "fp8-format", "fp8-recipe", "precision: \(table.map { $0.1 }.joined(separator: ", "))")
    let isOfTensors = recipe != "mxfp8" && recipe != "blockwise"
    if try given.flag("fp8-param-gather") ?? false {
      if isOfTensors, zero == 1 {
        table.append(("fp8-param-gather", "true"))
        given.explain("fp8-param-gather", "precision.fp8-param-gather: true")
      } else {
        given.explain(
          "fp8-param-gather", as: .unmodelled,
          "weights in 8 bits alone are for one scale a tensor and zero-stage 1")
      }
    }
    if try given.flag("first-last-layers-bf16") ?? false {
      let first = try given.integer("num-layers-at-start-in-bf16", in: 0...1024) ?? 1
      let last = try given.integer("num-layers-at-end-in-bf16", in: 0...1024) ?? 1
      if recipe == nil || recipe == "delayed" {
        given.explain(
          "first-last-layers-bf16", as: .unmodelled, "layers in BF16 beside scales of steps before")
      } else {
        if first > 0 { table.append(("bf16-first-layers", "\(first)")) }
        if last > 0 { table.append(("bf16-last-layers", "\(last)")) }
        given.explain("first-last-layers-bf16", "\(first) first and \(last) last layers in BF16")
      }
    }
    for name in others { given.explain(name, "in the plan's precision") }
    return table
  }
}
