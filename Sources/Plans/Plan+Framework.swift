extension Plan {
  /// Whose own buffers a rank holds beside those of its layers.
  public enum Framework: String, Hashable, Sendable, CaseIterable {
    /// Nobody's.
    case plain
    /// Megatron-LM with Transformer Engine.
    case megatronLM = "megatron-lm"
    /// Megatron-LM with layers of its own (`--transformer-impl local`).
    case megatronLocal = "megatron-local"
    /// PyTorch's own modules and FSDP, as torchtitan trains with them.
    case torchtitan
    /// PyTorch's modules under nanotron, which adds 16-bit gradients to sums of its own.
    case nanotron
    /// llm-foundry on Composer: FSDP of PyTorch 2.0 and 2.1, whose units are flat tensors, Composer's own AdamW and
    /// measures of the training loss beside the loss itself.
    case llmFoundry = "llm-foundry"
  }

  /// Who reads how many rows an exchange brings.
  public enum TokenCounts: String, Hashable, Sendable, CaseIterable {
    /// The host: sizes of tensors and products are its to say.
    case host
    /// Kernels alone, over as much room as there may be need of.
    case device
  }

  /// When the ranks that divide the data average the loss that is logged.
  public enum LossAverage: String, Hashable, Sendable, CaseIterable {
    /// Behind the update, where all meet anyway.
    case step
    /// Behind each forward, whose kernels the next ones wait for: Megatron-LM until 3806ec275 of 2025-04-30
    /// (`pretrain_gpt.py`, `loss_func`), NeMo until 2.2 (`average_losses_across_data_parallel_group`).
    case microbatch
  }

  /// Whether all ranks of a position agree on the scales of FP8 tensors behind each pass.
  public var agreesOnScales: Bool {
    precision.linearOperands == .e4m3 && precision.scaling == .delayed
  }

  /// Whether the host waits for the counts of each dispatch.
  ///
  /// Megatron-Core copies them to the host (d98e8a6, `core/transformer/moe/token_dispatcher.py`,
  /// `cuda_sync_point`), DeepEP's dispatch has it wait (`csrc/deep_ep.cpp`, without `num_worst_tokens`),
  /// torchtitan makes lists of them (`distributed/expert_parallel.py`, `input_splits.tolist()`).
  public var countsAreAwaited: Bool {
    (tokenCounts ?? (framework == .plain ? .device : .host)) == .host
  }

  /// Whether a weight product adds to the sum over microbatches, as Megatron-LM's does from 2022 on
  /// (`--no-gradient-accumulation-fusion` is off by default); autograd forms a gradient and adds it.
  public var fusesGradientSums: Bool {
    gradientAccumulationFusion ?? [.plain, .megatronLM, .megatronLocal].contains(framework)
  }

  /// Whether gradients that are formed by themselves stay until their backward has ended: nanotron lets autograd
  /// end before it adds them to its sums (67c5ebb6, `optim/gradient_accumulator.py`, `backward`).
  public var keepsFormedGradients: Bool { framework == .nanotron }

  /// Whether the gradient of an embedding is a table of its own, which is added to the sum: what
  /// `embedding_dense_backward` gives (PyTorch 2.8, `aten/src/ATen/native/cuda/Embedding.cu`).
  public var formsEmbeddingGradients: Bool { framework != .plain }
}
