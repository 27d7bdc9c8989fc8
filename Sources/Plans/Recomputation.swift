/// What the backward pass computes again instead of keeping it from the forward pass.
public enum Recomputation: Hashable, Sendable {
  case none
  /// Each layer's whole forward pass, from its input.
  case full
  /// The same of so many first layers of each stage (Megatron-LM, `--recompute-method block`).
  case firstLayers(Int)
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
    /// Norms of either kind.
    case norm
    /// The up-projections of queries, keys and values from their latents.
    case latentUpProjection = "mla-up-projection"
    /// Scores, softmax and weighted sum.
    case attentionCore = "attention-core"
    /// The gated activation.
    case swiGLU = "swiglu"
    /// The activation of feed-forward blocks without gate.
    case gelu
    /// A dense feed-forward block from the input of its norm, which Transformer Engine's first linear map
    /// holds (Megatron-LM, `--recompute-modules mlp`).
    case mlp
    /// Every second product of a dense layer, in the order of PyTorch's operators: that of keys, attention's output, and
    /// the second half of a gated block's first one (torchtitan's selective recomputation by operators, its
    /// `activation_checkpoint.py`). Queries, keys and values have a product each then, as gate and up have.
    case alternateProducts = "alternate-products"
    /// A mixture of experts behind its norm: router, exchanges, experts (`--recompute-modules moe`).
    case moe

    /// Whether this part lies within `other` wherever both are.
    func lies(in other: Module) -> Bool {
      switch (self, other) {
      case (.rmsNorm, .norm), (.layerNorm, .norm), (.gelu, .mlp): true
      default: false
      }
    }
  }

  /// The parts that are recomputed; none if whole layers are.
  public var modules: [Module] {
    switch self {
    case .none, .full, .firstLayers: []
    case .selective: [.attentionCore]
    case .modules(let modules): modules
    }
  }

  /// Whether `module` is recomputed by itself, wherever it stands; layers that are run again whole are
  /// asked for with `includes(layerOfStage:)`.
  public func includes(_ module: Module) -> Bool {
    modules.contains { $0 == module || module.lies(in: $0) && $0 == .norm }
  }

  /// Whether the layer that `index` layers of its stage come before is run again from its input.
  public func includes(layerOfStage index: Int) -> Bool {
    switch self {
    case .full: true
    case .firstLayers(let count): index < count
    case .none, .selective, .modules: false
    }
  }
}
