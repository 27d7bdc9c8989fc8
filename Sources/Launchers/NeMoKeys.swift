/// Keys of NeMo's configurations that are none of Megatron-LM's options, and what each is to sluice.
enum NeMoKeys {
  /// Keys that mean what an option of Megatron-LM means.
  static let names: [String: String] = [
    "model.optim.overlap_grad_sync": "overlap-grad-reduce",
    "model.optim.overlap_param_sync": "overlap-param-gather",
    "model.override_vocab_size": "padded-vocab-size",
    "model.tokenizer.type": "tokenizer-type", "model.tokenizer.model": "tokenizer-model",
    "model.tokenizer.library": "tokenizer-library",
    "model.tokenizer.vocab_size": "vocab-size",
    "model.seq_len_interpolation_factor": "rotary-seq-len-interpolation-factor",
    "model.num_micro_batches_with_partial_activation_checkpoints":
      "num-microbatches-with-partial-activation-checkpoints",
    "model.bias_dropout_add_fusion": "bias-dropout-fusion",
    "model.grad_div_ar_fusion": "gradient-reduce-div-fusion",
    "model.gc_interval": "manual-gc-interval", "model.deteministic_mode": "deterministic-mode",
  ]

  /// Keys without meaning for cost, by the reason; one that ends in a dot stands for all below it.
  private static let costless = table([
    (
      "how the configuration is put together",
      "defaults hydra. name restore_from_path cluster. model.name model.target _target_"
    ),
    ("the launch", "run. trainer.accelerator trainer.plugins model.nccl_communicator_config_path"),
    (
      "how long the run is, and how it is watched",
      """
      trainer.max_steps trainer.max_epochs trainer.max_time trainer.log_every_n_steps
      trainer.val_check_interval trainer.check_val_every_n_epoch trainer.limit_val_batches
      trainer.limit_test_batches trainer.limit_train_batches trainer.num_sanity_val_steps
      trainer.enable_checkpointing trainer.enable_model_summary trainer.enable_progress_bar
      trainer.use_distributed_sampler trainer.replace_sampler_ddp trainer.gradient_clip_val
      trainer.accumulate_grad_batches trainer.benchmark trainer.logger trainer.strategy
      model.nsys_profile. model.memory_profile. model.resume_from_checkpoint
      model.apex_transformer_log_level model.onnx_safe model.sync_batch_comm
      """
    ),
    ("the tokenizer", "model.tokenizer."),
    (
      "numbers that are computed, not how many",
      """
      model.normalize_attention_scores model.scale_positional_embedding model.reduce_amax
      model.do_layer_norm_weight_decay model.native_amp_init_scale model.use_scaled_init_method
      model.native_amp_growth_interval model.use_emha model.get_attention_mask_from_fusion
      model.fp8_e4m3 model.fp8_hybrid model.megatron_legacy model.data. model.optim.sched.
      """
    ),
    ("the optimizer's constants", "model.optim. optim."),
    ("the code path: Megatron-Core and Transformer Engine are priced", "model.mcore_gpt"),
    (
      "parts of the model on the first and the last stage, as always",
      "model.pre_process model.post_process"
    ),
    ("trainer.precision says it", "model.precision"),
  ])

  /// Keys that have no meaning for cost with these values, and one without a key with any other.
  private static let atRest: [String: (values: [String], costless: String, otherwise: String)] = [
    "model.megatron_amp_O2": (["true"], "weights in the trained format", "weights of 32 bits"),
    "model.transformer_engine": (["true"], "Transformer Engine's layers", "layers of its own"),
    "model.use_flash_attention": (
      ["true"], "attention is fused", "attention where Transformer Engine is off"
    ),
    "model.ffn_dropout": (["0", "0.0"], "there is none", "dropout within feed-forward blocks"),
    "model.sharp": (["false"], "not set", "reductions in the switches"),
    "model.ub_tp_comm_overlap_cfg": ([], "not set", "how exchanges beside products are cut"),
    "model.activations_checkpoint_layers_per_pipeline": ([], "not set", "what stages recompute"),
    "model.grad_allreduce_chunk_size_mb": ([], "not set", "how reductions are cut"),
    "model.optim.bucket_cap_mb": ([], "not set", "how reductions are cut"),
    "model.gradient_as_bucket_view": (["true"], "gradients lie in the buckets", "copies of them"),
    "model.optim.contiguous_grad_buffer": (["true"], "as always", "gradients apart"),
    "model.optim.contiguous_param_buffer": (["true", "false"], "where parameters lie", ""),
    "model.fsdp_grad_reduce_dtype": (["32"], "FSDP is not on", "FSDP is not on"),
  ]

  /// Keys that change what is counted, with the only value that has a description.
  static let fixed: [String: (values: [String], what: String)] = [
    "model.fsdp": (["false"], "PyTorch's FSDP (write the plan's zero-stage)"),
    "model.headscale": (["false"], "a scale behind each head"),
    "model.transformer_block_type": (["pre_ln"], "norms elsewhere than in front of blocks"),
    "model.attention_type": (["multihead"], "attention of another kind"),
    "model.mcore_customization_config.parallel_attention": (["false"], "parallel blocks"),
    "model.mcore_customization_config.new_decoder_architecture": (
      ["false"], "Falcon's blocks with two norms"
    ),
    "model.use_post_attn_norm": (["false"], "norms behind blocks"),
  ]

  /// What a key is, with a value; nil for one that is not known here.
  static func reason(
    of path: String, _ value: String
  ) -> (sense: ExplainedOption.Sense, meaning: String)? {
    let text = value.lowercased()
    let says = !GivenOptions.isNothing(text)
    if let (values, rest, otherwise) = atRest[path] {
      return !says || values.contains(text) ? (.costless, rest) : (.unmodelled, otherwise)
    }
    if let (_, what) = fixed[path] { return (.costless, "no \(what)") }
    if path.hasPrefix("model.fsdp_") { return (.costless, "FSDP is not on") }
    if let reason = costless[path] { return (.costless, reason) }
    var parts = path.split(separator: ".")
    while parts.count > 1 {
      parts.removeLast()
      if let reason = costless[parts.joined(separator: ".") + "."] { return (.costless, reason) }
    }
    return nil
  }

  private static func table(_ groups: [(String, String)]) -> [String: String] {
    var table: [String: String] = [:]
    for (reason, names) in groups {
      for name in names.split(whereSeparator: \.isWhitespace) { table[String(name)] = reason }
    }
    return table
  }
}
