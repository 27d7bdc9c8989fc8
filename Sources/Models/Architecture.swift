/// What a language model consists of: everything that its `config.json` says about shapes.
///
/// A value without weights. Parameter tensors, counts and FLOPs follow from it.
public struct Architecture: Hashable, Sendable {
  /// The kinds of model that can be described, by the `model_type` of their `config.json`.
  public enum Family: String, Hashable, Sendable, CaseIterable {
    case gpt2
    case llama
    case deepseekV2 = "deepseek_v2"
    case deepseekV3 = "deepseek_v3"
    case mixtral
    case qwen3MoE = "qwen3_moe"
  }

  /// The scaling of activations in front of attention, of a feed-forward block and of the head.
  public enum Normalization: Hashable, Sendable {
    /// Mean and variance, with gain and bias.
    case layerNorm(epsilon: Double)
    /// Root mean square, with gain.
    case rmsNorm(epsilon: Double)
  }

  /// How a token's place in the sequence enters.
  public enum Position: Hashable, Sendable {
    /// A trained table with `maximumPositions` rows, added to the token's embedding.
    case learned
    /// Rotation of queries and keys.
    case rotary(Rotary)
  }

  /// What the model is called in reports.
  public var name: String
  /// The kind of model, which decides the names of its tensors.
  public var family: Family
  /// The width of the residual stream.
  public var hiddenSize: Int
  /// Transformer layers, multi-token prediction modules not counted.
  public var layerCount: Int
  /// Rows of the token embedding.
  public var vocabularySize: Int
  /// The longest sequence that the model is made for, in tokens.
  public var maximumPositions: Int
  /// The attention block, the same in every layer.
  public var attention: Attention
  /// The feed-forward block of each layer; `layerCount` of them.
  public var feedForwards: [FeedForward]
  /// The normalisation used throughout.
  public var normalization: Normalization
  /// How positions enter.
  public var position: Position
  /// Whether the output head is the token embedding's tensor.
  public var tiedEmbeddings: Bool
  /// A token whose embedding takes no gradient, where it is looked up; nil if all take one.
  public var paddingToken: Int?
  /// Multi-token prediction modules in a row (the depth); 0 if there are none.
  public var multiTokenPrediction: Int
  /// The standard deviation of the initial weights.
  public var initializerRange: Double
  /// What the description asks for and sluice leaves out, such as dropout; one sentence each.
  public var notices: [String]

  /// Describes a model; `feedForwards` must hold one block per layer.
  public init(
    name: String, family: Family, hiddenSize: Int, layerCount: Int, vocabularySize: Int,
    maximumPositions: Int, attention: Attention, feedForwards: [FeedForward],
    normalization: Normalization, position: Position, tiedEmbeddings: Bool,
    paddingToken: Int? = nil,
    multiTokenPrediction: Int = 0, initializerRange: Double = 0.02, notices: [String] = []
  ) {
    precondition(feedForwards.count == layerCount)
    precondition(multiTokenPrediction >= 0)
    self.name = name
    self.family = family
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.vocabularySize = vocabularySize
    self.maximumPositions = maximumPositions
    self.attention = attention
    self.feedForwards = feedForwards
    self.normalization = normalization
    self.position = position
    self.tiedEmbeddings = tiedEmbeddings
    self.paddingToken = paddingToken
    self.multiTokenPrediction = multiTokenPrediction
    self.initializerRange = initializerRange
    self.notices = notices
  }
}

extension Architecture {
  /// Everything that can be placed on a pipeline stage, in the order of the forward pass.
  public var units: [Unit] {
    [.embedding] + (0..<layerCount).map { .layer($0) } + [.head]
      + (0..<multiTokenPrediction).map { .multiTokenPrediction($0) }
  }

  /// The feed-forward block of a unit: a layer's own; of a multi-token prediction module, the last
  /// layer's; none for embedding and head.
  public func feedForward(of unit: Unit) -> FeedForward? {
    switch unit {
    case .layer(let index): feedForwards[index]
    case .multiTokenPrediction: feedForwards.last
    case .embedding, .head: nil
    }
  }

  /// The number of a unit among the layers, multi-token prediction modules behind them; nil for
  /// embedding and head.
  public func layerNumber(of unit: Unit) -> Int? {
    switch unit {
    case .layer(let index): index
    case .multiTokenPrediction(let depth): layerCount + depth
    case .embedding, .head: nil
    }
  }

  /// The same model trained without its multi-token prediction modules.
  public var withoutMultiTokenPrediction: Architecture {
    var copy = self
    copy.multiTokenPrediction = 0
    return copy
  }
}
