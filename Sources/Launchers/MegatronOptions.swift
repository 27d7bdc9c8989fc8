import Quantities

/// The options of Megatron-LM (d98e8a6: `megatron/training/arguments.py`, the dataclasses whose fields become
/// options there, and the older spellings), and what each is to sluice.
enum MegatronOptions {
  /// Another spelling of an option: its name, and the value that it stands for where it is a flag.
  struct Alias {
    var name: String
    /// The value of the named option where this flag is set.
    var value: String?
    /// Whether a `false` behind it means the opposite.
    var isFlag: Bool

    init(_ name: String, set value: String? = nil) {
      (self.name, self.value, isFlag) = (name, value, value != nil)
    }
  }

  /// Spellings of command lines, of printed arguments and of configuration fields, without leading dashes and
  /// with dashes for underscores.
  static let aliases: [String: Alias] = [
    "no-gradient-accumulation-fusion": Alias("gradient-accumulation-fusion", set: "false"),
    "disable-bias-linear": Alias("add-bias-linear", set: "false"),
    "no-overlap-p2p-communication": Alias("overlap-p2p-comm", set: "false"),
    "use-rotary-position-embeddings": Alias("position-embedding-type", set: "rope"),
    "recompute-activations": Alias("recompute-granularity", set: "selective"),
    "share-embeddings-and-output-weights":
      Alias("untie-embeddings-and-output-weights", set: "false"),
    "grad-reduce-in-fp32": Alias("grad-reduce-in-bf16", set: "false"),
    "layernorm-epsilon": Alias("norm-epsilon"),
    "layernorm-zero-centered-gamma": Alias("apply-layernorm-1p"),
    "fp8": Alias("fp8-format"), "fp4": Alias("fp4-format"),
    "fp8-param": Alias("fp8-param-gather"), "fp4-param": Alias("fp4-param-gather"),
    "num-moe-experts": Alias("num-experts"),
    "virtual-pipeline-model-parallel-size": Alias("num-virtual-stages-per-pipeline-rank"),
    "num-layers-in-first-pipeline-stage": Alias("decoder-first-pipeline-num-layers"),
    "num-layers-in-last-pipeline-stage": Alias("decoder-last-pipeline-num-layers"),
    "encoder-num-layers": Alias("num-layers"), "encoder-seq-length": Alias("seq-length"),
    "sequence-length": Alias("seq-length"), "bucket-size": Alias("ddp-bucket-size"),
    "cross-entropy-fusion": Alias("cross-entropy-loss-fusion"),
    "use-custom-fsdp": Alias("use-megatron-fsdp"),
    "moe-deepep-num-sms": Alias("moe-flex-dispatcher-num-sms"),
    "cuda-graph-scope": Alias("cuda-graph-modules"),
    "enable-cuda-graph": Alias("cuda-graph-impl", set: "local"),
    "external-cuda-graph": Alias("cuda-graph-impl", set: "transformer_engine"),
    "moe-enable-deepep": Alias("moe-flex-dispatcher-backend", set: "deepep"),
    "moe-layer-recompute": Alias("recompute-modules", set: "moe"),
    "nproc_per_node": Alias("nproc-per-node"), "nproc": Alias("nproc-per-node"),
    "gpus-per-node": Alias("nproc-per-node"), "ntasks-per-node": Alias("nproc-per-node"),
    "num-gpus": Alias("nproc-per-node"),
    "num-nodes": Alias("nnodes"), "nodes": Alias("nnodes"),
    "should-pad-vocab": Alias("pad-vocab-size"), "rotary-theta": Alias("rotary-base"),
    "n-shared-experts": Alias("moe-shared-experts"),
    "use-dist-optimizer": Alias("use-distributed-optimizer"),
    "original-max-position-embeddings": Alias("yarn-original-max-position-embeddings"),
    "beta-fast": Alias("yarn-beta-fast"), "beta-slow": Alias("yarn-beta-slow"),
  ]

  /// Options that become something in the model or the plan.
  static let read: Set<String> = words(
    """
    num-layers hidden-size num-attention-heads group-query-attention num-query-groups kv-channels
    ffn-hidden-size max-position-embeddings position-embedding-type rotary-base rotary-percent
    rotary-seq-len-interpolation-factor use-rope-scaling rope-scaling-factor rope-type normalization
    norm-epsilon apply-layernorm-1p swiglu squared-relu quick-geglu add-bias-linear add-qkv-bias
    qk-layernorm untie-embeddings-and-output-weights init-method-std window-size vocab-size
    padded-vocab-size make-vocab-size-divisible-by pad-vocab-size tokenizer-type tokenizer-model
    multi-latent-attention q-lora-rank kv-lora-rank qk-head-dim qk-pos-emb-head-dim v-head-dim
    rotary-scaling-factor mscale mscale-all-dim yarn-original-max-position-embeddings yarn-beta-fast
    yarn-beta-slow num-experts moe-router-topk moe-ffn-hidden-size moe-layer-freq
    moe-shared-expert-intermediate-size moe-shared-expert-gate moe-router-score-function
    moe-router-num-groups moe-router-group-topk moe-router-topk-scaling-factor
    moe-router-enable-expert-bias mtp-num-layers
    tensor-model-parallel-size pipeline-model-parallel-size context-parallel-size cp-comm-type
    expert-model-parallel-size expert-tensor-parallel-size sequence-parallel
    num-layers-per-virtual-pipeline-stage num-virtual-stages-per-pipeline-rank
    pipeline-model-parallel-layout decoder-first-pipeline-num-layers decoder-last-pipeline-num-layers
    account-for-embedding-in-pipeline-split account-for-loss-in-pipeline-split overlap-p2p-comm
    micro-batch-size global-batch-size rampup-batch-size step-batch-size-schedule seq-length
    use-distributed-optimizer num-distributed-optimizer-instances use-megatron-fsdp use-torch-fsdp2
    data-parallel-sharding-strategy torch-fsdp2-no-reshard-after-forward
    bf16 fp16 grad-reduce-in-bf16 accumulate-allreduce-grads-in-fp32 fp8-format fp8-recipe
    fp8-param-gather first-last-layers-bf16 num-layers-at-start-in-bf16 num-layers-at-end-in-bf16
    use-precision-aware-optimizer main-grads-dtype main-params-dtype exp-avg-dtype exp-avg-sq-dtype
    recompute-granularity recompute-method recompute-num-layers recompute-modules
    attention-backend transformer-impl use-flash-attn cross-entropy-loss-fusion
    cross-entropy-fusion-impl hidden-dropout attention-dropout gradient-accumulation-fusion
    overlap-grad-reduce overlap-param-gather tp-comm-overlap ddp-bucket-size
    moe-token-dispatcher-type moe-flex-dispatcher-backend moe-flex-dispatcher-num-sms
    overlap-moe-expert-parallel-comm moe-router-force-load-balancing cuda-graph-impl
    optimizer optimizer-cpu-offload optimizer-offload-fraction
    fine-grained-activation-offloading activation-offload-fraction cpu-offloading
    cpu-offloading-num-layers
    nproc-per-node nnodes world-size data-parallel-size gpus gated-linear-unit activation-func
    use-glu mixed-precision extra-vocab-size patch-tokenizer-type
    window-attn-skip-freq softmax-type enable-gpt-oss export-qk-l2-norm qk-l2-norm
    program
    hybrid-layer-pattern hybrid-override-pattern hybrid-attention-ratio hybrid-mlp-ratio
    is-hybrid-model mamba-head-dim mamba-num-heads mamba-num-groups mamba-state-dim
    """)

  /// Options that nothing can be counted with: what each would change.
  static let refused: [String: String] = [
    "linear-attention-freq": "layers of linear attention",
    "experimental-attention-variant": "attention of another kind",
    "attention-output-gate": "a gate behind attention",
    "heterogeneous-layers-config-path": "layers that differ from each other",
    "heterogeneous-layers-config-encoded-json": "layers that differ from each other",
    "fp4-format": "products in 4 bits", "moe-latent-size": "experts on a latent",
    "enable-mhc-connections": "several residual streams",
    "vision-pretraining": "a model of images", "encoder-tensor-model-parallel-size": "an encoder",
    "encoder-pipeline-model-parallel-size": "an encoder", "decoder-num-layers": "an encoder",
    "tensor-parallel-num-weight-shards": "weights that are gathered within a tensor group",
    "expert-tensor-parallel-num-weight-shards": "weights that are gathered within a tensor group",
    "perform-rl-step": "rollouts beside the step", "yaml-cfg": "options in another file",
    "use-checkpoint-args": "options in a checkpoint",
  ]

  private static func words(_ text: String) -> Set<String> {
    Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
  }

  /// The name of an option as it is written anywhere, and the value that the spelling stands for.
  static func canonical(
    _ spelling: String, _ values: [String]
  ) -> (name: String, values: [String]) {
    let bare = String(spelling.drop { $0 == "-" })
    let name = bare.replacing("_", with: "-").lowercased()
    guard let alias = aliases[name] ?? aliases[bare] else { return (name, values) }
    guard let value = alias.value else { return (alias.name, values) }
    let isSet = values.first.map { !["false", "0", "none", "null", ""].contains($0.lowercased()) }
    if isSet ?? true { return (alias.name, [value]) }
    // `disable_bias_linear: false` says that there are biases.
    return value == "false" ? (alias.name, ["true"]) : ("\(alias.name)-unset", values)
  }

  /// Whether a word is an option of Megatron's.
  static func isKnown(_ word: String) -> Bool {
    guard word.hasPrefix("--"), word.count > 2 else { return false }
    let name = canonical(String(word.prefix { $0 != "=" && $0 != " " }), []).name
    return read.contains(name) || refused[name] != nil || reason(of: name) != nil
  }

  /// Why an option that is not read changes nothing, or what it changes; nil for an unknown one.
  static func reason(of name: String) -> (sense: ExplainedOption.Sense, meaning: String)? {
    if let reason = costless[name] { return (.costless, reason) }
    if let reason = unmodelled[name] { return (.unmodelled, reason) }
    if name.hasSuffix("-unset") { return (.costless, "not set") }
    for (prefix, reason) in families where name.hasPrefix(prefix) { return (.costless, reason) }
    return nil
  }

  /// The known options that are nearest to a name, as they are written.
  static func nearest(to name: String) -> String? {
    let known = read.union(costless.keys).union(unmodelled.keys).sorted()
    return alternatives(nearestNames(to: name, among: known).map { "--\($0)" })
  }

  private static func table(_ groups: [(String, String)]) -> [String: String] {
    var table: [String: String] = [:]
    for (reason, names) in groups { for name in words(names) { table[name] = reason } }
    return table
  }

  /// Beginnings of names that are all of one kind.
  private static let families: [(String, String)] = [
    ("inference-", "inference alone"), ("rl-", "reinforcement learning, which is not on"),
    ("grpo-", "reinforcement learning, which is not on"), ("inprocess-", "restarts"),
    ("ft-", "fault tolerance"), ("flight-recorder-", "diagnosis"), ("one-logger-", "logging"),
    ("wandb-", "logging"), ("tensorboard-", "logging"), ("log-", "logging"),
    ("save-", "checkpoints"), ("ckpt-", "checkpoints"), ("dist-ckpt-", "checkpoints"),
    ("async-ckpt-", "checkpoints"), ("non-persistent-", "checkpoints"), ("eval-", "evaluation"),
    ("fim-", "data"), ("muon-", "constants of the optimizer"), ("lr-", "the learning rate"),
    ("adam-", "constants of the optimizer"), ("lion-", "constants of the optimizer"),
    ("soap-", "constants of the optimizer"), ("mamba-", "state-space layers, which are not on"),
    ("linear-", "linear attention, which is not on"), ("dsa-", "sparse attention, which is not on"),
    ("logits-", "distillation, which is not on"), ("retriever-", "retrieval, which is not on"),
    ("dino-", "images"), ("ict-", "retrieval"), ("nccl-", "how NCCL is set up"),
    ("tiktoken-", "the tokenizer"), ("tokenizer-", "the tokenizer"), ("mup-", "initialisation"),
    ("profile-", "profiling"), ("pytorch-profiler-", "profiling"), ("otel-", "logging"),
    ("gdp-", "state-space layers, which are not on"), ("app-tag-", "logging"),
    ("rdzv-", "the launch"), ("fp8-amax-", "how FP8 scales are remembered"),
    ("check-for-", "checks"), ("error-injection-", "checks"), ("straggler-", "diagnosis"),
    ("sbatch-", "the launch"), ("relative-attention-", "positions that are not asked for"),
    ("hybrid-context-", "context groups that are not asked for"), ("dataloader-", "data"),
    ("exit-", "when the run ends"), ("train-", "how long the run is"),
    ("local-", "the launch"), ("sft-", "data"), ("moe-routing-trace-", "diagnosis"),
    ("mla-down-proj-fusion-", "kernels"), ("inproc-", "restarts"),
    ("delay-offload-", "offloading that is not on"), ("megatron-fsdp-enable-", "how FSDP gathers"),
  ]

  /// What changes neither time nor memory of a step.
  static let costless = table(costlessGroups)

  /// What changes them, and has no key.
  static let unmodelled = table(unmodelledGroups)
}
