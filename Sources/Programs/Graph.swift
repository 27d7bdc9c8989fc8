import Models

/// A value of a stage's graph, as an index into `Graph.values`.
struct ValueID: Hashable {
  var index: Int
}

/// What a node gives to others: an activation with its shape.
struct Value {
  var name: String
  var rows: Rows
  var columns: Int
  var format: Format
  /// What it is kept in between forward and backward.
  var keptFormat: Format
  var producer: Int
  /// Where a parameter or the outside is behind it, no gradient flows.
  var carriesGradient = true
}

/// A parameter of a stage, as an index into `StageProgram.parameters`.
struct ParameterID: Hashable {
  var index: Int
}

/// One differentiable piece of a layer, described once; lowering derives its forward, its two backward
/// halves and its recomputation.
struct Node {
  enum Kind {
    /// The activation that arrives from the stage before.
    case input
    case tokens(shift: Int)
    /// What the objective needs beside labels.
    case targets(columns: Int)
    case embedding
    case norm(epsilon: Float, centred: Bool)
    case linear(format: Format, hasBias: Bool, transposed: Bool)
    case groupedLinear(exchange: Int, experts: Int)
    case splitHeads(SplitHeads)
    /// Rotates heads in place of `splitHeads`, behind norms of queries and keys.
    case rotate(heads: Int, headSize: Int)
    case splitLatent(LatentShape)
    case assembleLatent(LatentShape)
    /// Rows kept from one forward to the next; its output is the whole cache.
    case cache
    case absorbLatent(LatentShape)
    case expandLatent(LatentShape)
    case attention(AttentionShape, fused: Bool, dropout: Bool)
    case gelu
    case gatedUnit(weighted: Bool)
    /// The activation of experts without a gate, times the router's weight.
    case plainUnit
    case convolve(ConvolutionShape)
    case scan(ScanShape)
    case index(IndexShape)
    case add
    case dropout
    case join
    case route(RouterShape)
    case dispatch(exchange: Int, bytesPerRow: Int, backwardBytesPerRow: Int)
    case combine(exchange: Int)
    /// In front of a dispatch that sends a row to each expert, and behind its combine.
    case arrange(ChosenRows)
    case collect(ChosenRows)
    /// Rows of a rank's several experts, from the order of their senders to that of the experts; and back.
    case sortRows
    case permute(exchange: Int)
    case unpermute(exchange: Int)
    /// The loss of logits that are held whole.
    case crossEntropy(module: Int)
    case headLoss(module: Int, vocabulary: Int)
    case headScores(vocabulary: Int)
    /// Tensor parallelism with sequence parallelism: rows are gathered before a column-parallel product…
    case gatherSequence
    /// …and scattered behind a row-parallel one.
    case scatterSequence
    /// Tensor parallelism alone: the identity whose gradient is all-reduced…
    case copyToTensor
    /// …and the all-reduce whose gradient is the identity.
    case reduceFromTensor
    /// Tensor parallelism alone, around a mixture: this rank's part of rows that the whole group has, which
    /// the group gathers again in the gradient…
    case ownRows
    /// …and the parts gathered behind the experts, of whose gradient every rank takes its own.
    case joinRows
    /// Expert-tensor parallelism: the tokens of all ranks that hold slices of the same experts, with their
    /// routing…
    case gatherTokens(exchange: Int)
    /// …and the sums over the slices, scattered back to the ranks of the tokens.
    case scatterTokens
    /// Context parallelism: keys and values of the whole sequence.
    case gatherContext

    var isLoss: Bool {
      switch self {
      case .crossEntropy, .headLoss: true
      default: false
      }
    }
  }

  var kind: Kind
  var inputs: [ValueID]
  var outputs: [ValueID]
  var parameters: [ParameterID]
  var layer: Int
  var phase: Phase
  /// Its outputs are computed again in the backward where that needs them.
  var isRecomputed: Bool
  /// The whole layer is run again at the start of its backward.
  var isRerun = false
}

/// The differentiable description of one stage: nodes in forward order.
struct Graph {
  var values: [Value] = []
  var nodes: [Node] = []
  var parameters: [StageParameter] = []
  /// The value that leaves the stage, none on the last one.
  var output: ValueID?
  /// How many mixture layers the stage holds; each has exchanges of its own.
  var exchangeCount: Int { weightColumns.count }
  /// Weights that come with a received row, and gradients that go back for them, by exchange.
  var weightColumns: [Int] = []
}

/// One matrix or vector of a stage, as this rank holds it.
public struct StageParameter: Hashable, Sendable {
  /// The unit whose tensors these are.
  public var unit: Unit
  /// What its tensors do; several are stacked along the rows.
  public var roles: [ParameterTensor.Role]
  /// Rows and columns on this rank; a vector has one row, experts are stacked.
  public var rows: Int
  public var columns: Int
  /// Every rank of the expert group holds experts of its own.
  public var isExpert: Bool
  /// Other uses have copies whose gradients are added (tied embeddings, the extra module's).
  public var isShared: Bool
  /// Embedding and head are one tensor.
  public var isTied = false
  /// A buffer that is saved beside the parameters and takes no gradient.
  public var isTrained: Bool
  /// A parameter of the model that the plan does not train: copies divide it where they divide parameters.
  public var isFrozen = false
  /// A factor of a low-rank adapter beside the weight that its roles name.
  public var isAdapter = false
  public var buffer: BufferID
  public var gradient: BufferID

  public var elements: Int { rows * columns }

  /// The weight of a linear map in a layer; head, router, embeddings, norms and biases are none.
  var isLinearWeight: Bool {
    !isAdapter
      && roles.allSatisfy { role in
        switch role {
        case .query, .key, .value, .fusedQueryKeyValue, .queryDown, .queryUp, .keyValueDown,
          .keyValueUp, .output, .gate, .up, .down, .expertGate, .expertUp, .expertDown, .sharedGate,
          .sharedUp, .sharedDown, .predictionProjection, .attentionGate, .recurrentInput,
          .recurrentSteps, .recurrentOutput, .indexQuery, .indexKey, .indexWeights, .embeddingInput,
          .embeddingOutput:
          true
        default: false
        }
      }
  }

  /// The group over which the uses and copies of the tensor are reduced.
  public var gradientGroup: TransferKind.Group {
    if isExpert { return .expertGradient }
    if !isShared { return .gradient }
    let isHead = roles.contains(.head) || roles.contains(.predictionHead)
    return isHead && !isTied ? .sharedHead : .sharedEmbedding
  }

  /// Both are uses of one shared tensor.
  func isSameTensor(as other: StageParameter) -> Bool {
    isShared && other.isShared && gradientGroup == other.gradientGroup
  }
}
