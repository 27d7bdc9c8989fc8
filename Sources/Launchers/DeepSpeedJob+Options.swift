import Quantities

/// DeepSpeed's options that are not read, by what each is about.
extension DeepSpeedJob {
  /// Beginnings of names, by what they are.
  private static let groups: [(ExplainedOption.Sense, String, String)] = [
    (.costless, "the optimizer's constants", "optimizer. gradient_clipping"),
    (.costless, "the learning rate", "scheduler."),
    (.costless, "the scale of the loss", "fp16. bf16. bfloat16."),
    (.costless, "which operations Apex casts", "amp."),
    (
      .costless, "logging",
      "steps_per_print wall_clock_breakdown tensorboard. wandb. csv_monitor. comet. "
        + "dump_state flops_profiler. comms_logger. monitor_config. memory_breakdown log_level"
    ),
    (
      .costless, "checkpoints",
      "checkpoint. load_universal zero_optimization.stage3_gather "
        + "zero_optimization.load_from zero_optimization.elastic zero_optimization.pipeline_loading"
    ),
    (
      .costless, "data",
      "data_efficiency. curriculum_learning. dataloader_drop_last data_sampling."
    ),
    (
      .costless, "where tensors lie in memory",
      "zero_optimization.contiguous_gradients zero_optimization.round_robin "
        + "zero_optimization.offload_optimizer. zero_optimization.offload_param."
    ),
    (
      .costless, "chance and checks",
      "seed zero_allow_untested_optimizer zero_force_ds_cpu_optimizer "
        + "zero_optimization.ignore_unused zero_optimization.log_trace zero_optimization.enable_sanity "
        + "prescale_gradients gradient_predivide_factor gradient_allreduce_op autotuning. elasticity. "
        + "torch_autocast. sparse_gradients disable_allgather"
    ),
    (
      .unmodelled, "buckets and prefetches by numbers of parameters: a plan has layers",
      "zero_optimization.allgather_bucket zero_optimization.stage3_ zero_optimization.sub_group "
        + "zero_optimization.reduce_scatter zero_optimization.allgather_partitions "
        + "zero_optimization.prefetch zero_optimization.max_ zero_optimization.param_persistence "
        + "zero_optimization.use_multi_rank zero_optimization.memory_efficient "
        + "zero_optimization.legacy zero_optimization.override_module zero_optimization.leaf_module"
    ),
    (
      .unmodelled, "gradients and weights that travel in 8 bits",
      "zero_optimization.zero_quantized zero_optimization.zeropp zero_optimization.mics_hier"
    ),
    (
      .unmodelled, "how recomputed activations are kept, where the model's code asks for it",
      "activation_checkpointing."
    ),
    (.unmodelled, "how layers are cut into stages", "pipeline. tensor_parallel."),
    (
      .unmodelled, "training in fewer bits, layers or tokens",
      "compression_training. progressive_layer_drop. random_ltd. sparse_attention. aio. zenflow. "
        + "zero_optimization.zenflow hybrid_engine. eigenvalue. compile. data_types. seq_parallel"
    ),
  ]

  /// What nobody read.
  func explainTheRest() {
    for option in given.unexplained {
      let found = Self.groups.first { group in
        group.2.split(separator: " ").contains { option.name.hasPrefix($0) || option.name == $0 }
      }
      if let (sense, meaning, _) = found {
        given.explain(option.name, as: sense, meaning)
      } else {
        let near = nearestName(to: option.name, among: Self.names)
          .map { "; did you mean \($0)?" }
        given.explain(
          option.name, as: .unknown, "no option of DeepSpeed that is known here\(near ?? "")")
      }
    }
  }

  /// Names that misspelt ones are held against (`runtime/config.py`, `runtime/zero/config.py`).
  private static let names: [String] = """
    train_batch_size train_micro_batch_size_per_gpu gradient_accumulation_steps gradient_clipping
    prescale_gradients gradient_predivide_factor steps_per_print wall_clock_breakdown
    communication_data_type sparse_gradients dump_state seed zero_allow_untested_optimizer
    zero_force_ds_cpu_optimizer sequence_parallel_size bf16.enabled bfloat16.enabled fp16.enabled
    fp16.loss_scale fp16.loss_scale_window fp16.initial_scale_power fp16.hysteresis
    fp16.min_loss_scale fp16.auto_cast amp.enabled amp.opt_level data_types.grad_accum_dtype
    optimizer.type scheduler.type tensor_parallel.autotp_size tensor_parallel.tp_size pipeline.stages
    activation_checkpointing.partition_activations activation_checkpointing.cpu_checkpointing
    activation_checkpointing.number_checkpoints
    activation_checkpointing.contiguous_memory_optimization
    zero_optimization.stage zero_optimization.contiguous_gradients zero_optimization.reduce_scatter
    zero_optimization.reduce_bucket_size zero_optimization.allgather_partitions
    zero_optimization.allgather_bucket_size zero_optimization.overlap_comm
    zero_optimization.load_from_fp32_weights zero_optimization.elastic_checkpoint
    zero_optimization.offload_param.device zero_optimization.offload_optimizer.device
    zero_optimization.offload_optimizer.ratio zero_optimization.sub_group_size
    zero_optimization.stage3_max_live_parameters zero_optimization.stage3_max_reuse_distance
    zero_optimization.stage3_prefetch_bucket_size
    zero_optimization.stage3_param_persistence_threshold
    zero_optimization.stage3_gather_16bit_weights_on_model_save
    zero_optimization.round_robin_gradients zero_optimization.zero_hpz_partition_size
    zero_optimization.zero_quantized_weights zero_optimization.zero_quantized_gradients
    zero_optimization.mics_shard_size zero_optimization.cpu_offload
    """.split(whereSeparator: \.isWhitespace).map(String.init)
}
