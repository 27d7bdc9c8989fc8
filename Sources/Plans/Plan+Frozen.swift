import Models

extension Plan {
  /// A part of a model that may be left as it is.
  public enum Part: String, Hashable, Sendable, CaseIterable {
    /// Embeddings of tokens and positions.
    case embedding
    /// Projections of attention and of recurrent blocks, with their biases.
    case attention
    /// Feed-forward blocks, shared experts among them, with their biases.
    case mlp
    /// Routed experts.
    case experts
    /// What chooses among them.
    case router
    /// All norms.
    case norms
    /// The head.
    case head

    /// The part that a tensor belongs to; nil for what is never trained.
    public init?(_ role: ParameterTensor.Role) {
      switch role {
      case .tokenEmbedding, .positionEmbedding, .predictionTokenEmbedding, .embeddingInput:
        self = .embedding
      case .queryDown, .queryDownBias, .queryUp, .keyValueDown, .keyValueDownBias, .keyValueUp,
        .query, .queryBias, .key, .keyBias, .value, .valueBias, .fusedQueryKeyValue,
        .fusedQueryKeyValueBias, .output, .outputBias, .sinks, .attentionGate, .indexQuery,
        .indexKey,
        .indexWeights, .recurrentInput, .recurrentInputBias, .recurrentSteps, .recurrentOutput,
        .recurrentOutputBias, .convolution, .convolutionBias, .decay, .stepBias, .skip:
        self = .attention
      case .gate, .gateBias, .up, .upBias, .down, .downBias, .sharedGate, .sharedUp, .sharedDown,
        .predictionProjection:
        self = .mlp
      case .expertGate, .expertGateBias, .expertUp, .expertUpBias, .expertDown, .expertDownBias:
        self = .experts
      case .router, .routerBias, .sharedWeight: self = .router
      case .correctionBias: return nil
      case .attentionNorm, .attentionNormBias, .queryNorm, .keyValueNorm, .queryHeadNorm,
        .keyHeadNorm, .feedForwardNorm, .feedForwardNormBias, .finalNorm, .finalNormBias,
        .predictionEmbeddingNorm, .predictionHiddenNorm, .predictionFinalNorm, .embeddingNorm,
        .embeddingNormBias, .attentionResultNorm, .attentionResultNormBias, .feedForwardResultNorm,
        .feedForwardResultNormBias, .indexKeyNorm, .indexKeyNormBias, .recurrentNorm:
        self = .norms
      case .head, .predictionHead, .embeddingOutput: self = .head
      }
    }
  }

  /// Frozen parts are the model's, something is left to train, and shared tensors are frozen as a whole.
  func checkFrozen(for architecture: Architecture) throws(PlanError) {
    guard !frozen.isEmpty else { return }
    let parts = Set(
      architecture.units.flatMap { architecture.parameters(of: $0) }.compactMap { Part($0.role) })
    func refused(_ rule: String) -> PlanError {
      .cannotSimulate(
        key: "frozen", value: "[\(frozen.map(\.rawValue).joined(separator: ", "))]", rule: rule)
    }
    if let part = frozen.first(where: { !parts.contains($0) }) {
      throw refused("names \(part.rawValue), which the model does not have")
    }
    guard parts.contains(where: { !frozen.contains($0) }) else {
      throw refused("leaves nothing to train")
    }
    if architecture.tiedEmbeddings, frozen.contains(.embedding) != frozen.contains(.head) {
      throw refused("freezes one of embedding and head, which are one tensor: both or none")
    }
    if fusesHead, frozen.contains(.head) {
      throw refused("freezes a head whose kernel writes its gradient: loss fused, fused-head false")
    }
  }
}
