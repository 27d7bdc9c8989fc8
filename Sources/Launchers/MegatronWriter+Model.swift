import Plans

extension MegatronWriter {
  /// The model's sizes and parts.
  mutating func addModel() {
    if let hybrid = model.hybrid { addHybrid(hybrid) } else { add("num-layers", model.layers) }
    add("hidden-size", model.hidden)
    add("num-attention-heads", model.heads)
    if model.latent == nil {
      if model.keyValueHeads != model.heads {
        add("group-query-attention")
        add("num-query-groups", model.keyValueHeads)
      }
      if model.headSize * model.heads != model.hidden { add("kv-channels", model.headSize) }
    }
    add("ffn-hidden-size", model.width)
    add("max-position-embeddings", max(model.positions, plan.sequenceLength))
    switch model.activation {
    case .swiglu: add("swiglu")
    case .squaredReLU: add("squared-relu")
    case .geglu: add("quick-geglu")
    case .gelu: break
    }
    if model.norm == .rms { add("normalization", "RMSNorm") }
    add("norm-epsilon", model.epsilon)
    add("disable-bias-linear", if: !model.linearBias)
    add("add-qkv-bias", if: model.queryKeyValueBias)
    add("qk-layernorm", if: model.latent?.hasNorms ?? model.queryKeyNorm)
    add("untie-embeddings-and-output-weights", if: !model.tied)
    add("init-method-std", model.initializerRange)
    addPositions()
    // The own token is not among those to the left.
    if let window = model.window { add("window-size", "\(window - 1),0") }
    if let layers = model.windowLayers {
      add("window-attn-skip-freq", "'\(Self.pattern(layers))'")
    }
    if model.sinks { add("softmax-type", "learnable") }
    addVocabulary()
    addLatent()
    addMixture()
    if model.predictionModules > 0 { add("mtp-num-layers", model.predictionModules) }
  }

  /// Layers of one block each; bars say the stages.
  private mutating func addHybrid(_ hybrid: ModelDescription.Hybrid) {
    let stages = plan.pipelineParallel > 1 ? placed.layout.layerCounts : [model.layers]
    add("hybrid-layer-pattern", "'\(hybrid.pattern.text(stages: stages))'")
    add("spec", "megatron.core.models.hybrid.hybrid_layer_specs hybrid_stack_spec")
    add("mamba-num-heads", hybrid.heads)
    add("mamba-head-dim", hybrid.headSize)
    add("mamba-num-groups", hybrid.groups)
    add("mamba-state-dim", hybrid.state)
  }

  private mutating func addPositions() {
    switch model.position {
    case .learned: break
    case .none: add("position-embedding-type", "none")
    case .rotary(let rotary):
      if case .yarn = rotary.scaling, model.latent == nil {
        add("position-embedding-type", "yarn")
      } else {
        add("position-embedding-type", "rope")
      }
      add("rotary-base", Self.plain(rotary.theta))
      if rotary.share != 1 { add("rotary-percent", rotary.share) }
      switch rotary.scaling {
      case .none: break
      case .linear(let factor):
        add("rotary-seq-len-interpolation-factor", Self.plain(factor))
      case .llama3(let factor, let low, let high, let original):
        add("use-rope-scaling")
        add("rope-scaling-factor", factor)
        if low != 1 || high != 4 || original != 8192 {
          unsaid.append("rope_scaling: Megatron-LM stretches from 8,192 positions between 1 and 4")
        }
      case .yarn(let factor, let original, let fast, let slow, let magnitude, let all):
        add("rope-type", "yarn")
        add("rotary-scaling-factor", factor)
        add("yarn-original-max-position-embeddings", original)
        add("yarn-beta-fast", fast)
        add("yarn-beta-slow", slow)
        if let magnitude { add("mscale", magnitude) }
        if let all { add("mscale-all-dim", all) }
      }
    }
  }

  /// A number without a point where it is whole.
  private static func plain(_ number: Double) -> String {
    number == number.rounded() && number < 1e15 ? "\(Int(number))" : "\(number)"
  }

  /// A vocabulary that is padded to what it is already.
  private mutating func addVocabulary() {
    add("vocab-size", model.vocabulary)
    let multiple = 128 * plan.tensorParallel
    guard model.vocabulary % multiple != 0 else { return }
    // The largest multiple that does not pad, in steps of the tensor group.
    if model.vocabulary % plan.tensorParallel == 0 {
      let share = model.vocabulary / plan.tensorParallel
      let divisor = (1...128).last { share % $0 == 0 } ?? 1
      add("make-vocab-size-divisible-by", divisor)
    } else {
      add("make-vocab-size-divisible-by", 1)
      unsaid.append(
        "vocab_size: Megatron-LM pads \(model.vocabulary) to a multiple of the tensor group")
    }
  }

  private mutating func addLatent() {
    guard let latent = model.latent else { return }
    add("multi-latent-attention")
    if let rank = latent.queryRank { add("q-lora-rank", rank) }
    add("kv-lora-rank", latent.keyValueRank)
    add("qk-head-dim", latent.nopeHeadSize)
    add("qk-pos-emb-head-dim", latent.ropeHeadSize)
    add("v-head-dim", latent.valueHeadSize)
  }

  private mutating func addMixture() {
    guard let mixture = model.mixture else { return }
    add("num-experts", mixture.experts)
    add("moe-router-topk", mixture.perToken)
    add("moe-ffn-hidden-size", mixture.width)
    add("moe-grouped-gemm")
    if model.hybrid == nil, !mixture.layers.allSatisfy(\.self) {
      add("moe-layer-freq", "'\(Self.pattern(mixture.layers))'")
    }
    if mixture.sharedWidth > 0 {
      add("moe-shared-expert-intermediate-size", mixture.sharedWidth)
      add("moe-shared-expert-gate", if: mixture.sharedGate)
    }
    if mixture.isSigmoid { add("moe-router-score-function", "sigmoid") }
    add("moe-router-enable-expert-bias", if: mixture.correctionBias)
    if mixture.groups > 1 {
      add("moe-router-num-groups", mixture.groups)
      add("moe-router-group-topk", mixture.groupsPerToken)
    }
    if mixture.scale != 1 { add("moe-router-topk-scaling-factor", mixture.scale) }
    add("moe-router-pre-softmax", if: !mixture.isSigmoid && !mixture.normalizes)
  }

  /// `([0]*3+[1]*58)`.
  private static func pattern(_ layers: [Bool]) -> String {
    var parts: [String] = []
    var index = 0
    while index < layers.count {
      let end = layers[index...].firstIndex { $0 != layers[index] } ?? layers.count
      parts.append("[\(layers[index] ? 1 : 0)]*\(end - index)")
      index = end
    }
    return "(\(parts.joined(separator: "+")))"
  }

  // MARK: - Precision

  mutating func addPrecision() {
    let recipe = plan.precision
    let half = recipe.activations == .float16
    if recipe.activations == .float32 {
      if recipe.linearOperands != .float32 { unsaid.append("precision: products in other formats") }
      return
    }
    add(half ? "fp16" : "bf16")
    if half, recipe.gradients == .float32 { add("accumulate-allreduce-grads-in-fp32") }
    if !half, recipe.gradients != .float32 { add("grad-reduce-in-bf16") }
    let names: [NumberFormat: String] = [
      .float32: "fp32", .bfloat16: "bf16", .float16: "fp16", .e4m3: "fp8",
    ]
    if recipe.moments != .float32 || recipe.masterWeights == .float16 {
      add("use-precision-aware-optimizer")
      if let name = names[recipe.moments], recipe.moments != .float32 {
        add("exp-avg-dtype", name)
        add("exp-avg-sq-dtype", name)
      }
      if recipe.masterWeights == .float16 { add("main-params-dtype", "fp16") }
    }
    if recipe.masterWeights == nil {
      unsaid.append("precision.master-weights: Megatron-LM has them")
    }
    guard recipe.linearOperands == .e4m3 else { return }
    switch recipe.scaling {
    case .delayed: addFloat8("hybrid", "delayed")
    case .current: addFloat8("hybrid", "tensorwise")
    case .microscaling: addFloat8("e4m3", "mxfp8")
    case .blocks: addFloat8("e4m3", "blockwise")
    }
    add("fp8-param-gather", if: recipe.keepsFloat8Weights)
    if recipe.wideFirstLayers > 0 || recipe.wideLastLayers > 0 {
      add("first-last-layers-bf16")
      add("num-layers-at-start-in-bf16", recipe.wideFirstLayers)
      add("num-layers-at-end-in-bf16", recipe.wideLastLayers)
    }
    let own = [
      ("dispatch", recipe.dispatch), ("combine", recipe.combine),
      ("kept-attention-outputs", recipe.keptAttentionOutputs),
      ("kept-activation-inputs", recipe.keptActivationInputs),
    ].filter { $0.1 != recipe.activations }
    unsaid += own.map { "precision.\($0.0): no option says so" }
  }

  private mutating func addFloat8(_ format: String, _ recipe: String) {
    add("fp8-format", format)
    add("fp8-recipe", recipe)
  }
}
