import Documents

extension MegatronJob {
  /// What the backward computes again.
  mutating func readRecomputation(_ facts: ModelFacts) throws(ConfigurationError) {
    var granularity = try given.choice("recompute-granularity", ["full", "selective", "none"])
    let method = try given.choice("recompute-method", ["uniform", "block"])
    try checkRecomputation(granularity, method)
    let layers = try given.integer("recompute-num-layers", in: 0...1024)
    let modules = try given.words("recompute-modules")
    let isRecipe = given.option("recompute-modules")?.spelling.hasPrefix("cfg.") ?? false
    if granularity == nil, isRecipe, modules?.isEmpty == false {
      // Functions of other files, which a recipe calls and nobody opens here, say how modules are used.
      granularity = "selective"
      given.imply(
        "recompute_granularity", "selective", "the recipe names modules that are computed again")
    }
    switch granularity {
    case nil, "none"?:
      if granularity == nil, modules == nil {
        given.imply("--recompute-granularity", "not set", "recompute: none")
      }
      plan.add("recompute", "none")
      given.explain("recompute-granularity", "recompute: none")
      for name in ["recompute-method", "recompute-num-layers", "recompute-modules"] {
        given.explain(
          name, as: .costless, "nothing is computed again without --recompute-granularity")
      }
    case "full"?:
      plan.add("recompute", "full")
      given.explain("recompute-granularity", "recompute: full")
      given.explain("recompute-modules", as: .costless, "whole layers are computed again")
      let onStage = (facts.layers + pipeline * stagesPerRank - 1) / (pipeline * stagesPerRank)
      if method == "block", let layers, layers > 0, layers < onStage {
        plan.add("recompute-layers", layers)
        given.explain(
          "recompute-method", "recompute-num-layers",
          "recompute-layers: \(layers), the first of each stage")
      } else if method == "uniform", let layers, layers > 1 {
        given.explain(
          "recompute-num-layers", as: .unmodelled,
          "groups of \(layers) layers keep one input; the plan keeps each layer's")
      }
      given.explain("recompute-method", "recompute-num-layers", "every layer by itself")
    default:
      given.explain("recompute-method", as: .costless, "is for whole layers")
      try readModules(modules, facts)
      given.explain("recompute-granularity", "parts of layers")
      given.explain("recompute-num-layers", as: .costless, "is for --recompute-granularity full")
    }
  }

  /// Refuses what Megatron-Core refuses: whole layers without a method, and a method for parts of layers.
  ///
  /// NeMo passes a method over where parts are computed again. What a recipe leaves out is its base's.
  private func checkRecomputation(
    _ granularity: String?, _ method: String?
  ) throws(ConfigurationError) {
    if granularity == "selective", method != nil,
      given.option("recompute-method")?.spelling.contains("activations_checkpoint") != true
    {
      throw given.error("recompute-method", "is for --recompute-granularity full")
    }
    guard granularity == "full", let said = given.option("recompute-granularity"),
      !said.spelling.hasPrefix("cfg.")
    else { return }
    for (name, value) in [
      ("recompute-method", "uniform or block"), ("recompute-num-layers", "a number of layers"),
    ] where given.option(name).map({ GivenOptions.isNothing($0.text) }) ?? true {
      throw given.error("recompute-granularity", "needs --\(name), \(value), beside full")
    }
  }

  /// Parts of layers by Megatron-Core's names.
  private mutating func readModules(
    _ modules: [String]?, _ facts: ModelFacts
  ) throws(ConfigurationError) {
    guard let modules else {
      plan.add("recompute", "selective")
      given.imply("--recompute-modules", "core_attn", "recompute: selective")
      return
    }
    var parts: [String] = []
    var left: [String] = []
    for module in modules {
      switch module {
      case "core_attn": parts.append("attention-core")
      case "mla_up_proj": parts.append("mla-up-projection")
      case "layernorm": parts.append("norm")
      case "moe_act": parts.append(facts.isGated ? "swiglu" : "gelu")
      case "mlp":
        if facts.hasDenseBlocks { parts.append("mlp") } else { left.append(module) }
      case "moe": if facts.hasExperts { parts.append("moe") } else { left.append(module) }
      case "shared_experts", "mhc": left.append(module)
      default:
        throw given.error(
          "recompute-modules", "\(module) is no part that Megatron-Core recomputes by itself",
          suggestion: "core_attn")
      }
    }
    // A gate lies in what is computed again as a whole.
    let blocks = (facts.hasDenseBlocks ? ["mlp"] : []) + (facts.hasExperts ? ["moe"] : [])
    if blocks.allSatisfy(parts.contains) { parts.removeAll { $0 == "swiglu" || $0 == "gelu" } }
    plan.add("recompute", parts.isEmpty ? "none" : "[\(parts.joined(separator: ", "))]")
    let rest = left.isEmpty ? "" : "; left out: \(left.joined(separator: ", "))"
    given.explain("recompute-modules", "recompute: \(parts.joined(separator: ", "))\(rest)")
  }

  /// Megatron-Core's fusion is its own, called native, unless Transformer Engine's is asked for.
  private mutating func readLoss() throws(ConfigurationError) {
    let fuses = try given.flag("cross-entropy-loss-fusion") ?? false
    let isNative = try given.text("cross-entropy-fusion-impl")?.lowercased() != "te"
    let loss = !fuses ? "native" : isNative ? "compiled" : "fused"
    plan.add("loss", loss)
    given.explain("cross-entropy-loss-fusion", "cross-entropy-fusion-impl", "loss: \(loss)")
    if !given.contains("cross-entropy-loss-fusion") {
      given.imply("--cross-entropy-loss-fusion", "not set", "loss: native")
    } else if fuses, !given.contains("cross-entropy-fusion-impl") {
      given.imply("--cross-entropy-fusion-impl", "native", "loss: compiled")
    }
  }

  /// Attention, loss, dropout, graphs.
  mutating func readKernels() throws(ConfigurationError) {
    let implementation = try given.text("transformer-impl") ?? "transformer_engine"
    let usesEngine = implementation != "local"
    let framework = usesEngine ? "megatron-lm" : "megatron-local"
    given.explain("transformer-impl", "framework: \(framework)")
    if !given.contains("transformer-impl") {
      given.imply("--transformer-impl", "transformer_engine", "framework: megatron-lm")
    }
    plan.add("framework", framework)
    let backend = try given.text("attention-backend")?.lowercased()
      .replacing("attnbackend.", with: "")
    let asksForFlash = try given.flag("use-flash-attn") ?? false
    isFused = usesEngine ? backend != "unfused" && backend != "local" : asksForFlash
    plan.add("fused-attention", isFused)
    given.explain("attention-backend", "use-flash-attn", "fused-attention: \(isFused)")
    if backend == nil {
      given.imply("--attention-backend", "auto", "fused-attention: \(isFused)")
    }
    try readLoss()
    try readDropout()
    let fuses = try given.flag("gradient-accumulation-fusion")
    plan.add("gradient-accumulation-fusion", fuses ?? true)
    given.explain("gradient-accumulation-fusion", "gradient-accumulation-fusion: \(fuses ?? true)")
    if fuses == nil {
      given.imply(
        "--no-gradient-accumulation-fusion", "not set", "gradient-accumulation-fusion: true")
    }
    let graphs = try given.text("cuda-graph-impl") ?? "none"
    if graphs != "none", graphs.lowercased() != "false" { plan.add("cuda-graphs", true) }
    given.explain("cuda-graph-impl", "cuda-graphs: \(graphs != "none")")
  }

  private mutating func readDropout() throws(ConfigurationError) {
    let hidden = try given.number("hidden-dropout", in: 0...1)
    let attention = try given.number("attention-dropout", in: 0...1)
    let drops = hidden != 0
    plan.add("dropout", drops)
    if hidden == nil { given.imply("--hidden-dropout", "0.1", "dropout: true") }
    if attention == nil, drops {
      given.imply("--attention-dropout", "0.1", "dropout: true")
    } else if attention == nil {
      given.lose(
        "--attention-dropout", "0.1",
        "Megatron's default, which stays: the plan's dropout is that of --hidden-dropout")
    }
    given.explain("hidden-dropout", "dropout: \(drops)")
    if (attention != 0) == drops {
      given.explain("attention-dropout", "dropout: \(drops)")
    } else {
      given.explain(
        "attention-dropout", as: .unmodelled, "the plan's dropout is that of --hidden-dropout")
    }
  }

  /// How rows get to experts, and how keys and values get to a context group.
  mutating func readExchanges(_ facts: ModelFacts) throws(ConfigurationError) {
    try readContext()
    let names = [
      "moe-token-dispatcher-type", "moe-flex-dispatcher-backend", "moe-flex-dispatcher-num-sms",
      "overlap-moe-expert-parallel-comm", "moe-router-force-load-balancing",
    ]
    guard facts.hasExperts else {
      for name in names { given.explain(name, as: .costless, "the model has no experts") }
      return
    }
    let kind = try given.choice(names[0], ["allgather", "alltoall", "flex", "alltoall_seq"])
    if kind == nil {
      given.imply("--moe-token-dispatcher-type", "allgather", "dispatcher: all-gather")
    }
    let dispatcher =
      kind == "flex" ? "deepep" : kind == nil || kind == "allgather" ? "all-gather" : "all-to-all"
    plan.add("dispatcher", dispatcher)
    given.explain(names[0], "dispatcher: \(dispatcher)")
    let backend = try given.text(names[1])
    if kind == "flex", backend ?? "deepep" != "deepep" {
      given.explain(names[1], as: .unmodelled, "priced as DeepEP")
    } else {
      given.explain(names[1], kind == "flex" ? "dispatcher: deepep" : "without the flex dispatcher")
    }
    if let count = try given.integer(names[2], in: 1...512) {
      if kind == "flex", expert * expertTensor > 1 { plan.add("communication-sms", count) }
      given.explain(names[2], "communication-sms: \(count)")
    }
    if try given.flag(names[3]) ?? false {
      guard expert > 1 else {
        throw given.error(names[3], "needs --expert-model-parallel-size above 1")
      }
      overlap.append(("expert-exchange", "true"))
    }
    given.explain(names[3], "overlap.expert-exchange")
    if try given.flag(names[4]) ?? false { plan.add("expert-load", "balanced") }
    given.explain(names[4], "expert-load: balanced")
    if !given.contains(names[4]) {
      given.imply("router", "learned", "expert-load: balanced; a plan can say how it scatters")
    }
  }

  private mutating func readContext() throws(ConfigurationError) {
    guard context > 1 else {
      given.explain("cp-comm-type", as: .costless, "there is no context group")
      return
    }
    let kinds = try given.words("cp-comm-type") ?? []
    let kind = kinds.first ?? "p2p"
    let isRing = kind == "p2p" || kind == "a2a+p2p"
    guard ["p2p", "a2a", "all_gather", "a2a+p2p"].contains(kind) else {
      throw given.error("cp-comm-type", "expected p2p, a2a, all_gather or a2a+p2p")
    }
    plan.add("context-exchange", isRing && isFused ? "ring" : "gather")
    if kinds.isEmpty {
      given.imply("--cp-comm-type", "p2p", "context-exchange: ring")
    } else if kind.hasPrefix("a2a") || Set(kinds).count > 1 {
      given.explain(
        "cp-comm-type", as: .unmodelled, "priced as context-exchange: \(isRing ? "ring" : "gather")"
      )
    } else {
      given.explain("cp-comm-type", "context-exchange: \(isRing ? "ring" : "gather")")
    }
  }
}
