/// What a language model consists of: everything that its `config.json` says about shapes.
///
/// A value without weights: a composition of parts, layer by layer. Parameter tensors, counts and
/// FLOPs follow from it.
public struct Architecture: Hashable, Sendable {
  /// The scaling of activations around attention, around feed-forward blocks and in front of the head.
  public enum Normalization: Hashable, Sendable {
    /// Mean and variance, with gain and, unless `hasBias` is false, bias.
    case layerNorm(epsilon: Double, hasBias: Bool = true)
    /// Root mean square, with gain.
    case rmsNorm(epsilon: Double)
  }

  /// How a token's place in the sequence enters.
  public enum Position: Hashable, Sendable {
    /// A trained table with `maximumPositions` rows and those in front of them, added to the token's
    /// embedding.
    case learned
    /// Rotation of queries and keys.
    case rotary(Rotary)
    /// Scores that fall with the distance (ALiBi, arXiv 2108.12409).
    case linearBiases
    /// By the mask and by recurrent states alone.
    case implied
  }

  /// What the model is called in reports.
  public var name: String
  /// The kind of model, which decides the names of its tensors.
  public var family: Family
  /// The width of the residual stream.
  public var hiddenSize: Int
  /// The transformer layers, multi-token prediction modules not among them.
  public var layers: [Layer]
  /// Rows of the token embedding.
  public var vocabularySize: Int
  /// The longest sequence that the model is made for, in tokens.
  public var maximumPositions: Int
  /// The normalisation used throughout.
  public var normalization: Normalization
  /// How positions enter.
  public var position: Position
  /// Rows of a table of positions in front of the first position's (two in OPT).
  public var leadingPositions = 0
  /// Columns of the token embedding where they are not the residual stream's; a projection to it and one
  /// back, in front of the head, then belong to the model (OPT-350M).
  public var embeddingWidth: Int?
  /// Whether a norm stands behind the embedding (BLOOM).
  public var normsEmbedding = false
  /// Whether a norm stands in front of the head.
  public var normsFinal = true
  /// Whether the output head is the token embedding's tensor.
  public var tiedEmbeddings: Bool
  /// A token whose embedding takes no gradient, where it is looked up; nil if all take one.
  public var paddingToken: Int?
  /// Multi-token prediction modules in a row (the depth); 0 if there are none.
  public var multiTokenPrediction: Int
  /// The weight of the balance loss over the joined routers of all layers that the description asks for
  /// (`router_aux_loss_coef` where `output_router_logits` is true); 0 for none.
  public var joinedBalance = 0.0
  /// The standard deviation of the initial weights.
  public var initializerRange: Double
  /// What the forward pass does beside its parts and counts not: factors on scores, embeddings and
  /// logits, caps; a few words each.
  public var peculiarities: [String] = []
  /// What the description asks for and sluice leaves out, such as dropout; one sentence each.
  public var notices: [String]

  /// Describes a model layer by layer; there must be one.
  public init(
    name: String, family: Family, hiddenSize: Int, layers: [Layer], vocabularySize: Int,
    maximumPositions: Int, normalization: Normalization, position: Position, tiedEmbeddings: Bool,
    paddingToken: Int? = nil, multiTokenPrediction: Int = 0, initializerRange: Double = 0.02,
    notices: [String] = []
  ) {
    precondition(!layers.isEmpty && multiTokenPrediction >= 0)
    self.name = name
    self.family = family
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.vocabularySize = vocabularySize
    self.maximumPositions = maximumPositions
    self.normalization = normalization
    self.position = position
    self.tiedEmbeddings = tiedEmbeddings
    self.paddingToken = paddingToken
    self.multiTokenPrediction = multiTokenPrediction
    self.initializerRange = initializerRange
    self.notices = notices
  }

  /// Describes a model with one attention block in all layers; `feedForwards` must hold one block per
  /// layer.
  public init(
    name: String, family: Family, hiddenSize: Int, layerCount: Int, vocabularySize: Int,
    maximumPositions: Int, attention: Attention, feedForwards: [FeedForward],
    normalization: Normalization, position: Position, tiedEmbeddings: Bool,
    paddingToken: Int? = nil,
    multiTokenPrediction: Int = 0, initializerRange: Double = 0.02, notices: [String] = []
  ) {
    precondition(feedForwards.count == layerCount)
    self.init(
      name: name, family: family, hiddenSize: hiddenSize,
      layers: feedForwards.map { Layer(attention, $0) }, vocabularySize: vocabularySize,
      maximumPositions: maximumPositions, normalization: normalization, position: position,
      tiedEmbeddings: tiedEmbeddings, paddingToken: paddingToken,
      multiTokenPrediction: multiTokenPrediction, initializerRange: initializerRange,
      notices: notices)
  }
}

extension Architecture {
  /// Transformer layers; setting it drops the last ones, or repeats the last one.
  public var layerCount: Int {
    get { layers.count }
    set {
      precondition(newValue > 0)
      layers = (0..<newValue).map { layers[min($0, layers.count - 1)] }
    }
  }

  /// The feed-forward block of each layer; `layerCount` of them.
  public var feedForwards: [FeedForward] {
    get { layers.map(\.feedForward) }
    set {
      precondition(!newValue.isEmpty)
      layerCount = newValue.count
      for index in newValue.indices { layers[index].feedForward = newValue[index] }
    }
  }

  /// The attention block of the first layer that forms scores, or of the first where none does; setting
  /// it gives all such layers one.
  public var attention: Attention {
    get { (layers.first { $0.attention.hasScores } ?? layers[0]).attention }
    set {
      for index in layers.indices where layers[index].attention.hasScores {
        layers[index].attention = newValue
      }
    }
  }

  /// Everything that can be placed on a pipeline stage, in the order of the forward pass.
  public var units: [Unit] {
    [.embedding] + (0..<layerCount).map { .layer($0) } + [.head]
      + (0..<multiTokenPrediction).map { .multiTokenPrediction($0) }
  }

  /// The layer of a unit: its own; of a multi-token prediction module, the model's last; none for
  /// embedding and head.
  public func layer(of unit: Unit) -> Layer? {
    switch unit {
    case .layer(let index): layers[index]
    case .multiTokenPrediction: layers.last
    case .embedding, .head: nil
    }
  }

  /// The feed-forward block of a unit's layer.
  public func feedForward(of unit: Unit) -> FeedForward? { layer(of: unit)?.feedForward }

  /// The number of a unit among the layers, multi-token prediction modules behind them; nil for
  /// embedding and head.
  public func layerNumber(of unit: Unit) -> Int? {
    switch unit {
    case .layer(let index): index
    case .multiTokenPrediction(let depth): layerCount + depth
    case .embedding, .head: nil
    }
  }

  /// Rows of a table of positions.
  public var positionRows: Int { leadingPositions + maximumPositions }

  /// Columns of the token embedding.
  public var embeddingColumns: Int { embeddingWidth ?? hiddenSize }

  /// The same model trained without its multi-token prediction modules.
  public var withoutMultiTokenPrediction: Architecture {
    var copy = self
    copy.multiTokenPrediction = 0
    return copy
  }
}
