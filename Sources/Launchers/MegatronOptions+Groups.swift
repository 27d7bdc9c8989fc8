extension MegatronOptions {
  /// Options without meaning for cost, by the reason.
  static let costlessGroups: [(String, String)] = [
    (
      "data",
      """
      data-path split train-data-path valid-data-path test-data-path data-args-path
      per-split-data-args-path per-dataset-sequences-path data-cache-path no-mmap-bin-files
      mmap-bin-files mock-data num-workers num-dataset-builder-threads object-storage-cache-path
      mid-level-dataset-surplus vocab-file merge-file vocab-extra-ids reset-position-ids eod-mask-loss
      no-create-attention-mask-in-dataloader create-attention-mask-in-dataloader data-sharding
      no-data-sharding sample-rate mask-prob short-seq-prob phase-transition-iterations
      allow-ambiguous-pad-tokens sft special-tokens trust-remote-code metadata-path
      null-tokenizer-eod-id null-tokenizer-pad-id chat-template use-gigatoken data-parallel-random-init
      add-bos-token add-eos-token
      """
    ),
    (
      "how long the run is",
      """
      train-iters train-samples skip-train iterations-to-skip exit-interval exit-duration-in-mins
      exit-signal-handler exit-signal decrease-batch-size-if-needed start-eval-at-iter
      """
    ),
    (
      "the learning rate and the optimizer's constants",
      """
      lr min-lr warmup weight-decay start-weight-decay end-weight-decay weight-decay-incr-style
      clip-grad sgd-momentum decoupled-lr decoupled-min-lr override-opt-param-scheduler
      override-opt_param-scheduler use-checkpoint-opt-param-scheduler
      use-checkpoint-opt_param-scheduler apply-wd-to-qk-layernorm no-weight-decay-cond-type loss-scale
      initial-loss-scale min-loss-scale loss-scale-window hysteresis head-lr-mult
      decoupled-weight-decay grad-norm-skip-threshold
      """
    ),
    (
      "initialisation",
      """
      seed init-method-xavier-uniform embedding-init-method-std perform-initialization
      no-initialization use-cpu-initialization init-model-with-meta-device use-mup te-rng-tracker
      use-te-rng-tracker inference-rng-tracker init-method output-layer-init-method
      embedding-init-method
      """
    ),
    (
      "checkpoints",
      """
      save load finetune pretrained-checkpoint use-mp-args-from-checkpoint-args
      use-tokenizer-model-from-checkpoint-args exit-on-missing-checkpoint auto-detect-ckpt-format
      async-save async-strategy use-persistent-ckpt-worker no-ckpt-fully-parallel-save
      fully-parallel-save fully-parallel-load no-save-optim no-save-rng no-load-optim no-load-rng
      persistent-save-interval use-dist-ckpt override-ckpt-iteration strict-fsdp-dtensor-load
      distrib-optim-fully-reshardable-mem-efficient load-main-params-from-ckpt replication
      replication-jump replication-factor verify-integrity most-recent-k load-optim load-rng
      """
    ),
    (
      "logging, profiling, checks and restarts",
      """
      timing-log-level timing-log-option barrier-with-level-1-timing no-barrier-with-level-1-timing
      barrier-with-l1-time logging-level profile use-pytorch-profiler record-memory-history
      memory-snapshot-path record-shapes nvtx-ranges no-one-logger enable-one-logger
      enable-ft-package calc-ft-timeouts no-check-for-nan-in-loss-and-grad result-rejected-tracker-filename
      check-weight-hash-across-dp-replicas-interval gpu-sniff-test-interval rerun-mode test-mode
      full-validation multiple-validation-sets validation-set-names run-workload-inspector-server
      adlr-autoresume adlr-autoresume-interval config-logger-dir moe-per-layer-logging
      use-nsys-profiler disable-straggler-on-startup onnx-safe use-one-sent-docs print-args
      export-kd-cfg export-force-local-attention manual-gc manual-gc-interval manual-gc-eval
      dump-param-to-param-group-map log-throughput timers enable-msc disable-msc
      """
    ),
    (
      "the launch",
      """
      distributed-backend distributed-timeout-minutes distributed-timeout-seconds-after-init
      local-rank lazy-mpu-init use-tp-pp-dp-mapping disable-gloo-process-groups
      use-gloo-process-groups node-rank master-addr master-port standalone max-restarts tee redirects
      role monitor-interval module no-python use-mcore-models deprecated-use-mcore-models
      rank log-dir high-priority-stream-groups tp-comm-bootstrap-backend spec
      pipeline-model-parallel-comm-backend fake-process-group enable-experimental mpi
      container-image container-mounts container-name job-name partition account time exclusive
      output error mem cpus-per-task ntasks export kill-on-bad-exit label unbuffered
      start-method rdzv-backend rdzv-endpoint rdzv-id slurm-request hostfile map-by bind-to
      """
    ),
    ("the script's arguments: none are given", "script-arguments"),
    ("a launch that is not the one taken", "other-launch"),
    ("says the same as the launch taken", "same-launch"),
    ("printed again: the last table counts", "earlier-table"),
    (
      "Megatron-Bridge sets ddp and optimizer where one is set",
      "use-distributed-optimizer-beside overlap-param-gather-beside"
    ),
    (
      "numbers that are computed, not how many",
      """
      attention-softmax-in-fp32 apply-query-key-layer-scaling fp32-residual-connection
      fp16-lm-cross-entropy calculate-per-token-loss apply-residual-connection-post-layernorm
      moe-router-load-balancing-type moe-aux-loss-coeff moe-z-loss-coeff moe-input-jitter-eps
      moe-router-bias-update-rate moe-router-pre-softmax moe-router-dtype moe-token-drop-policy
      moe-apply-probs-on-input export-moe-apply-probs-on-input
      mtp-loss-scaling-factor mtp-detach-heads softmax-scale
      rotary-interleaved openai-gelu bert-no-binary-head bert-binary-head qk-clip qk-clip-alpha
      qk-clip-threshold activation-func-clamp-value glu-linear-offset fp8-margin
      fp8-interval disable-bf16-reduced-precision-matmul no-position-embedding
      add-position-embedding yarn-correction-range-round-to-int output-logit-dtype logit-dtype
      classes-fraction deterministic-mode batch-invariant-mode
      moe-router-quantile-balancing-ema moe-enable-routing-replay
      no-yarn-correction-range-round-to-int moe-router-force-biased attention-dropout-unset
      """
    ),
    (
      "how kernels are called",
      """
      bias-gelu-fusion no-bias-gelu-fusion bias-swiglu-fusion no-bias-swiglu-fusion
      bias-dropout-fusion no-bias-dropout-fusion bias-activation-fusion masked-softmax-fusion
      no-masked-softmax-fusion persist-layer-norm no-persist-layer-norm apply-rope-fusion
      no-rope-fusion disable-jit-fuser moe-grouped-gemm moe-permute-fusion moe-router-fusion
      use-te-activation-func fused-single-qkv-rope memory-efficient-layer-norm
      use-transformer-engine-op-fuser fused-residual-rmsnorm gradient-reduce-div-fusion
      no-gradient-reduce-div-fusion ddp-average-in-collective batch-p2p-comm batch-p2p-sync
      use-ring-exchange-p2p deallocate-pipeline-outputs variable-seq-lengths
      clone-scatter-output-in-embedding flash-attention-version use-legacy-models
      enable-autocast autocast-dtype params-dtype pipeline-dtype tp-comm-bulk-wgrad
      tp-comm-bulk-dgrad tp-comm-overlap-ag tp-comm-overlap-rs tp-comm-split-ag tp-comm-split-rs
      cuda-graph-warmup-steps high-priority-a2a-comm-stream moe-use-legacy-grouped-gemm
      cuda-graph-use-single-mempool cuda-graph-retain-backward-graph
      """
    ),
  ]

  /// Options that change time or memory in ways without a key, by what they do.
  static let unmodelledGroups: [(String, String)] = [
    (
      "when the weight gradients of some maps are computed",
      """
      delay-wgrad-compute defer-embedding-wgrad-compute wgrad-deferral-limit
      overlap-dispatch-backward-with-experts-wgrad ep-overlap-early-attn-memory-release
      """
    ),
    (
      "how tensor exchanges are cut",
      """
      tp-comm-overlap-cfg tp-comm-overlap-rs-dgrad tp-comm-atomic-ag tp-comm-atomic-rs
      tp-comm-overlap-disable-qkv tp-comm-overlap-disable-fc1 symmetric-ar-type
      """
    ),
    (
      "rows that experts drop or pad",
      """
      moe-expert-capacity-factor moe-pad-expert-input-to-capacity moe-token-dropping
      moe-router-padding-for-fp8 moe-router-padding-for-quantization
      moe-expert-rank-capacity-factor
      """
    ),
    (
      "how shared experts run beside exchanges", "moe-shared-expert-overlap"
    ),
    (
      "how exchanges of experts are carried out",
      """
      moe-hybridep-num-sms moe-hybridep-num-blocks-permute moe-hybridep-num-blocks-unpermute
      moe-hybridep-num-sms-preprocessing moe-permute-fusion-into-hybridep moe-dispatch-fwd-dtype
      moe-combine-bwd-dtype moe-extended-tp moe-ncclep-zero-copy moe-router-topk-limited-devices
      """
    ),
    (
      "where NCCL's and FSDP's buffers lie, and when they are filled",
      """
      use-nccl-ub fsdp-double-buffer fsdp-manual-registration disable-symmetric-registration
      suggested-communication-unit-size keep-fp8-transpose-cache create-all-gather-group
      outer-dp-sharding-strategy enable-full-sharding-in-hsdp megatron-fsdp-version
      megatron-fsdp-main-params-dtype megatron-fsdp-main-grads-dtype megatron-fsdp-grad-comm-dtype
      megatron-fsdp-max-pool-double-buffer fsdp-db-use-persist-buf-on-alloc-fail use-sharp
      sharp-enabled-group reuse-grad-buf-for-mxfp8-param-ag
      """
    ),
    (
      "when gradients are reduced and parameters gathered within a step",
      """
      overlap-param-gather-with-optimizer-step align-grad-reduce align-param-gather
      no-align-param-gather no-align-grad-reduce ddp-num-buckets num-buckets
      ddp-pad-buckets-for-high-nccl-busbw pad-buckets-for-high-nccl-busbw
      ddp-reduce-scatter-with-fp32-accumulation overlap-p2p-communication-warmup-flush
      microbatch-group-size-per-virtual-pipeline-stage microbatch-group-size-per-vp-stage
      empty-unused-memory-level train-sync-interval
      """
    ),
    (
      "documents packed into sequences: give the plan `documents`",
      """
      reset-attention-mask dataloader-inter-document-masking hybrid-context-parallel
      max-seqlen-per-dp-cp-rank
      """
    ),
    (
      "parts of kernels in other formats",
      """
      fp8-wgrad fp8-output-proj fp8-dot-product-attention fp8-multi-head-attention
      te-precision-config-file tp-only-amax-red activation-func-fp8-input-store
      disable-parameter-transpose-cache store-param-remainders kitchen-config-file
      kitchen-recipe-number use-kitchen use-kitchen-attention kitchen-attention-backend
      fp8-quantizer-factory quant-recipe
      """
    ),
    (
      "which parts are issued as graphs",
      "cuda-graph-modules optimizer-cuda-graph"
    ),
    (
      "what of recomputed and offloaded tensors goes where",
      """
      distribute-saved-activations offload-modules min-offloaded-tensor-size
      delta-offload-bytes-across-pp-ranks fine-grained-offloading-max-inflight-offloads
      cpu-offloading-activations cpu-offloading-weights cpu-offloading-double-buffering
      cpu-offloading-retain-pinned-cpu-buffers use-torch-optimizer-for-cpu-offload
      overlap-cpu-optimizer-d2h-h2d no-pin-cpu-grads no-pin-cpu-params pin-cpu-grads pin-cpu-params
      moe-paged-stash moe-paged-stash-page-size moe-paged-stash-buffer-size-factor-cuda
      moe-paged-stash-buffer-size-factor-cpu mlp-chunks-for-training
      num-microbatches-with-partial-activation-checkpoints
      """
    ),
    (
      "the shape of context groups", "hierarchical-context-parallel-sizes"
    ),
    (
      "how parameters of the optimizer are divided", "use-layer-wise-distributed-optimizer"
    ),
    (
      "parts that are not trained: give the plan `frozen`", "freeze-all-layers"
    ),
    (
      "the prediction modules' own parts",
      "mtp-use-repeated-layer mtp-standalone mtp-hsm mtp-hybrid-override-pattern"
    ),
  ]
}
