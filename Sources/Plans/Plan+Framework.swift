extension Plan {
  /// Whose own buffers a rank holds beside those of its layers.
  public enum Framework: String, Hashable, Sendable, CaseIterable {
    /// Nobody's.
    case plain
    /// Megatron-LM with Transformer Engine.
    case megatronLM = "megatron-lm"
    /// PyTorch's own modules and FSDP, as torchtitan trains with them.
    case torchtitan
  }

  /// Whether a weight product adds to the sum over microbatches, as Megatron-LM's does from 2022 on
  /// (`--no-gradient-accumulation-fusion` is off by default); autograd forms a gradient and adds it.
  public var fusesGradientSums: Bool { gradientAccumulationFusion ?? (framework != .torchtitan) }

  /// Whether the gradient of an embedding is a table of its own, which is added to the sum: what
  /// `embedding_dense_backward` gives (PyTorch 2.8, `aten/src/ATen/native/cuda/Embedding.cu`).
  public var formsEmbeddingGradients: Bool { framework != .plain }
}
