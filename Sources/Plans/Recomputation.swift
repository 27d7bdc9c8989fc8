/// What the backward pass computes again instead of keeping it from the forward pass.
public enum Recomputation: Hashable, Sendable {
  case none
  /// Each layer's whole forward pass, from its input.
  case full
  /// The attention core (arXiv 2205.05198, "selective").
  case selective
  /// Chosen parts of a layer, in the order of `Module.allCases`.
  case modules([Module])

  /// A part of a layer that can be recomputed by itself.
  public enum Module: String, Hashable, Sendable, CaseIterable {
    /// Norms with gain only: in front of attention and feed-forward, and after the latents.
    case rmsNorm = "rms-norm"
    /// Norms with gain and bias.
    case layerNorm = "layer-norm"
    /// The up-projections of queries, keys and values from their latents.
    case latentUpProjection = "mla-up-projection"
    /// Scores, softmax and weighted sum.
    case attentionCore = "attention-core"
    /// The gated activation.
    case swiGLU = "swiglu"
    /// The activation of feed-forward blocks without gate.
    case gelu
  }

  /// The parts that are recomputed; none if whole layers are.
  public var modules: [Module] {
    switch self {
    case .none, .full: []
    case .selective: [.attentionCore]
    case .modules(let modules): modules
    }
  }

  /// Whether `module` is recomputed, by itself or with its layer.
  public func includes(_ module: Module) -> Bool {
    self == .full || modules.contains(module)
  }
}
