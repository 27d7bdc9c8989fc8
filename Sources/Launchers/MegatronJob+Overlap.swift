import Documents

extension MegatronJob {
  /// What runs beside computation.
  mutating func readOverlap() throws(ConfigurationError) {
    let copies = data * context
    let reduces = try given.flag("overlap-grad-reduce")
    let gathers = try given.flag("overlap-param-gather")
    if gathers == true, reduces != true, launcher == "Megatron-LM" {
      throw given.error("overlap-param-gather", "needs --overlap-grad-reduce beside it")
    }
    if copies > 1 {
      overlap.append(("gradient-reduction", "\(reduces ?? false)"))
      given.explain("overlap-grad-reduce", "overlap.gradient-reduction: \(reduces ?? false)")
      if reduces == nil {
        given.imply("--overlap-grad-reduce", "not set", "overlap.gradient-reduction: false")
      }
      if zero > 0 {
        overlap.append(("parameter-gather", "\(gathers ?? false)"))
        given.explain("overlap-param-gather", "overlap.parameter-gather: \(gathers ?? false)")
        if gathers == nil {
          given.imply("--overlap-param-gather", "not set", "overlap.parameter-gather: false")
        }
      }
      try readBucket(reduces ?? false)
    }
    given.explain(
      "overlap-grad-reduce", "overlap-param-gather", "ddp-bucket-size", as: .costless,
      copies > 1 ? "nothing is gathered" : "there are no copies")
    try readTensorExchange()
  }

  private mutating func readBucket(_ overlaps: Bool) throws(ConfigurationError) {
    guard let size = try given.integer("ddp-bucket-size", in: 1...(1 << 40)) else { return }
    guard overlaps, zero <= 1 else {
      given.explain(
        "ddp-bucket-size", as: .costless, "gradients are reduced at once, or a layer at a time")
      return
    }
    plan.add("gradient-bucket", size)
    given.explain("ddp-bucket-size", "gradient-bucket: \(size)")
  }

  private mutating func readTensorExchange() throws(ConfigurationError) {
    let name = "tp-comm-overlap"
    let chunks = try given.flag(name) ?? false
    guard tensor > 1 else {
      given.explain(name, as: .costless, "there is no tensor group")
      return
    }
    let isSequence = plan.value("sequence-parallel") == "true"
    guard !chunks || isSequence else { throw given.error(name, "needs --sequence-parallel") }
    // Without it a backward's exchanges run beside the product that does not wait for them
    // (Megatron-LM d98e8a6, core/tensor_parallel/layers.py).
    overlap.append(("tensor-exchange", chunks ? "chunked" : "bulk"))
    given.explain(name, "overlap.tensor-exchange: \(chunks ? "chunked" : "bulk")")
    if !given.contains(name) {
      given.imply("--tp-comm-overlap", "not set", "overlap.tensor-exchange: bulk")
    }
  }

  /// What lies in the host's memory.
  mutating func readMemory(_ facts: ModelFacts) throws(ConfigurationError) {
    var table: [(String, String)] = []
    if try given.flag("optimizer-cpu-offload") ?? false {
      let share = try given.number("optimizer-offload-fraction", in: 0...1) ?? 1
      table.append(("optimizer", "\(share)"))
      given.explain(
        "optimizer-cpu-offload", "optimizer-offload-fraction", "offload.optimizer: \(share)")
    }
    given.explain(
      "optimizer-cpu-offload", "optimizer-offload-fraction", as: .costless,
      "the optimizer stays on the device")
    if let layers = try given.integer("cpu-offloading-num-layers", in: 0...1024), layers > 0 {
      let own = max(1, facts.layers / (pipeline * stagesPerRank))
      let share = min(1, Double(layers) / Double(own))
      table.append(("activations", "\(share)"))
      given.explain("cpu-offloading-num-layers", "offload.activations: \(share)")
    } else if try given.flag("fine-grained-activation-offloading") ?? false {
      given.explain(
        "fine-grained-activation-offloading", "activation-offload-fraction", as: .unmodelled,
        "inputs of some modules go to the host; a plan's offload is of whole layers")
    }
    given.explain(
      "cpu-offloading-num-layers", "cpu-offloading", "fine-grained-activation-offloading",
      "activation-offload-fraction", as: .costless, "activations stay on the device")
    if !table.isEmpty { plan.add("offload", table: table) }
  }
}
