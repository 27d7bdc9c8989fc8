import Quantities

/// Where torchtitan's options stood before they had tables of their own.
///
/// Until February 2025 degrees lay under `training` and `experimental` (v0.1 of its `job_config.md`), and
/// before that one degree divided the state over all data ranks.
extension TorchTitanJob {
  /// The name that an option has today.
  static func canonical(_ name: String) -> String {
    if let known = renamed[name] { return known }
    for section in ["training.", "experimental."] where name.hasPrefix(section) {
      let key = String(name.dropFirst(section.count))
      if moved.contains(key) || key.hasPrefix("pipeline_parallel_") { return "parallelism.\(key)" }
    }
    return name
  }

  private static let renamed = [
    "training.data_parallel_degree": "parallelism.data_parallel_shard_degree",
    "training.warmup_steps": "lr_scheduler.warmup_steps",
    "training.enable_float8_linear": "float8.enable_float8_linear",
  ]

  private static let moved: Set<String> = [
    "tensor_parallel_degree", "context_parallel_degree", "context_parallel_rotate_method",
    "data_parallel_replicate_degree", "data_parallel_shard_degree", "disable_loss_parallel",
    "enable_async_tensor_parallel", "enable_compiled_autograd", "enable_loss_parallel",
    "fsdp_reshard_after_forward",
  ]

  /// The option that a misspelt one is nearest to, in its table where that is known.
  static func nearest(to name: String) -> String? {
    nearestName(to: name, among: names)
  }

  /// Names that decide something, and those beside which they stand.
  private static let names: [String] = """
    model.name model.flavor model.converters model.tokenizer_path model.hf_assets_path
    training.local_batch_size training.global_batch_size training.seq_len training.steps
    training.max_norm training.dataset training.dtype training.mixed_precision_param
    training.mixed_precision_reduce training.enable_cpu_offload training.gc_freq training.seed
    parallelism.data_parallel_replicate_degree parallelism.data_parallel_shard_degree
    parallelism.fsdp_reshard_after_forward parallelism.tensor_parallel_degree
    parallelism.disable_loss_parallel parallelism.enable_async_tensor_parallel
    parallelism.pipeline_parallel_degree parallelism.pipeline_parallel_split_points
    parallelism.pipeline_parallel_layers_per_stage parallelism.pipeline_parallel_schedule
    parallelism.pipeline_parallel_schedule_csv parallelism.pipeline_parallel_microbatch_size
    parallelism.pipeline_parallel_first_stage_less_layers
    parallelism.pipeline_parallel_last_stage_less_layers parallelism.module_fqns_per_model_part
    parallelism.pipeline_parallel_expert_parallel_overlap parallelism.context_parallel_degree
    parallelism.context_parallel_rotate_method parallelism.context_parallel_load_balancer
    parallelism.expert_parallel_degree parallelism.expert_tensor_parallel_degree
    parallelism.expert_parallel_comm_backend activation_checkpoint.mode
    activation_checkpoint.selective_ac_option compile.enable compile.components optimizer.name
    optimizer.lr optimizer.eps lr_scheduler.warmup_steps float8.enable_float8_linear
    """.split(whereSeparator: \.isWhitespace).map(String.init)

  /// A degree under a name that nobody reads is no option to pass over: the ranks would be others.
  static func namesDegree(_ name: String) -> Bool {
    name.hasPrefix("parallelism.")
      ? name.hasSuffix("_degree") && !known.contains(name) : name.contains("parallel")
  }
}
