/// One tensor of a model: a parameter, or a buffer that is saved beside the parameters.
public struct ParameterTensor: Hashable, Sendable {
  /// What a tensor does in its unit.
  public enum Role: String, Hashable, Sendable, CaseIterable {
    case tokenEmbedding, positionEmbedding
    /// Projections between an embedding of another width and the residual stream.
    case embeddingInput, embeddingOutput
    case embeddingNorm, embeddingNormBias
    case attentionNorm, attentionNormBias
    /// The norms between a block and its residual sum.
    case attentionResultNorm, attentionResultNormBias
    case feedForwardResultNorm, feedForwardResultNormBias
    case queryDown, queryDownBias, queryNorm, queryUp
    case keyValueDown, keyValueDownBias, keyValueNorm, keyValueUp
    case query, queryBias, key, keyBias, value, valueBias
    case fusedQueryKeyValue, fusedQueryKeyValueBias
    /// The norms of each head's queries and keys.
    case queryHeadNorm, keyHeadNorm
    case output, outputBias
    /// A trained score of each head that takes part in its softmax alone.
    case sinks
    /// The projection whose sigmoid multiplies the attended values.
    case attentionGate
    /// What chooses keys: its queries, keys with their norm, and weights of its heads.
    case indexQuery, indexKey, indexKeyNorm, indexKeyNormBias, indexWeights
    /// A recurrent block: values, gate, queries and keys; steps; the way back.
    case recurrentInput, recurrentInputBias, recurrentSteps, recurrentOutput, recurrentOutputBias
    case convolution, convolutionBias
    /// Of a recurrent block's heads: decay, bias of the steps, skip.
    case decay, stepBias, skip
    case recurrentNorm
    case feedForwardNorm, feedForwardNormBias
    case gate, gateBias, up, upBias, down, downBias
    case router, routerBias, correctionBias
    case expertGate, expertGateBias, expertUp, expertUpBias, expertDown, expertDownBias
    case sharedGate, sharedUp, sharedDown
    /// What weighs the shared experts, token by token.
    case sharedWeight
    case finalNorm, finalNormBias, head
    /// A prediction module's norm of the next tokens' embeddings.
    case predictionEmbeddingNorm
    /// A prediction module's norm of the hidden state that it continues.
    case predictionHiddenNorm
    /// A prediction module's projection of both, embedding first, to the hidden size.
    case predictionProjection
    /// A prediction module's norm in front of the shared head.
    case predictionFinalNorm
    /// A prediction module's copy of the token embedding.
    case predictionTokenEmbedding
    /// A prediction module's copy of the head.
    case predictionHead
  }

  /// The name in the Hugging Face checkpoint.
  public var name: String
  /// The shape as it is saved: (out, in) for a projection, unless `isInputMajor`.
  public var shape: [Int]
  /// The unit that holds the tensor.
  public var unit: Unit
  /// What the tensor does in its unit.
  public var role: Role
  /// The routed expert that the tensor belongs to, if any.
  public var expert: Int?
  /// Whether a projection is saved as (in, out), as GPT-2's are.
  public var isInputMajor: Bool
  /// The name of the tensor that this one is a copy of.
  ///
  /// A tied head and a prediction module's embedding and head are copies: equal values, one
  /// optimizer state, counted once.
  public var sharedWith: String?

  /// Describes a tensor.
  public init(
    name: String, shape: [Int], unit: Unit, role: Role, expert: Int? = nil,
    isInputMajor: Bool = false, sharedWith: String? = nil
  ) {
    self.name = name
    self.shape = shape
    self.unit = unit
    self.role = role
    self.expert = expert
    self.isInputMajor = isInputMajor
    self.sharedWith = sharedWith
  }

  /// Numbers in the tensor.
  public var count: Int { shape.reduce(1, *) }

  /// Whether the tensor takes a gradient; the correction bias of a router does not.
  public var isTrained: Bool { role != .correctionBias }

  /// Whether weight decay applies when only matrices decay.
  public var decays: Bool { isTrained && shape.count >= 2 }
}
