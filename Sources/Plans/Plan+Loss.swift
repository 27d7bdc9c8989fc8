extension Plan {
  /// How the loss goes over the logits.
  public enum Loss: String, Hashable, Sendable, CaseIterable {
    /// Over whole logits in one kernel forward and one backward.
    case fused
    /// Over whole logits operator by operator in 32 bits, as Megatron's loss over a split vocabulary does.
    case native
    /// The same in the pieces between Megatron-Core's reductions over the vocabulary, each compiled into one kernel
    /// (`--cross-entropy-loss-fusion` with `--cross-entropy-fusion-impl native`).
    case compiled
    /// Head and loss together over parts of the rows, forward and gradients of a part before the next one:
    /// no more than a part's logits are held (Liger-Kernel, `fused_linear_cross_entropy.py`).
    case chunked
  }

  /// Whether logits are turned into 32 bits, which are kept.
  public var keepsWideLogits: Bool { loss == .native || loss == .compiled }

  /// Whether the head's products and its loss are one operation on a device.
  public var fusesHead: Bool { fusedHead == true || loss == .chunked }
}
