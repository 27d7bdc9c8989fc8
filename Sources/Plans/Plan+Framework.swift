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
}
