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

  /// A degree under a name that nobody reads is no option to pass over: the ranks would be others.
  static func namesDegree(_ name: String) -> Bool {
    name.hasPrefix("parallelism.")
      ? name.hasSuffix("_degree") && !known.contains(name) : name.contains("parallel")
  }
}
