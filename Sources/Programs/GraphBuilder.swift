import Models
import Plans

/// Describes a stage as a graph of nodes, unit by unit.
struct GraphBuilder {
  let architecture: Architecture
  let setting: LoweringSetting
  var graph = Graph()
  /// The layer and phase that the next nodes belong to.
  var layer = -1
  var phase = Phase.embedding
  var unit = Unit.embedding
  /// Layers that the stage has so far.
  private var layersOfStage = 0

  init(_ architecture: Architecture, _ setting: LoweringSetting) {
    self.architecture = architecture
    self.setting = setting
  }

  var hidden: Int { architecture.hiddenSize }
  var recipe: Recipe { setting.recipe(ofLayer: layer) }
  var rows: Rows { .fixed(setting.residualRows) }
  var tokenRows: Rows { .fixed(setting.tokens) }

  /// The graph of the stage that holds `units`; `isFirst` where no activation arrives from another stage.
  static func graph(of units: [Unit], _ architecture: Architecture, _ setting: LoweringSetting)
    -> Graph
  {
    var builder = GraphBuilder(architecture, setting)
    var stream: ValueID?
    if units.first != .embedding {
      stream = builder.node(.input, [], ("input", builder.rows, builder.hidden))
    }
    for unit in units {
      builder.unit = unit
      stream = builder.add(unit, to: stream)
    }
    let last = architecture.units.last
    builder.graph.output = units.last == last ? nil : stream
    return builder.graph
  }

  private mutating func add(_ unit: Unit, to stream: ValueID?) -> ValueID? {
    layer = -1
    switch (unit, stream) {
    case (.embedding, _):
      phase = .embedding
      return embedding(shift: 0, isShared: isEmbeddingShared)
    case (.layer(let index), let stream?):
      layer = index
      return transformerLayer(stream, architecture.layers[index])
    case (.head, let stream?):
      phase = .head
      head(stream, norm: .finalNorm, module: 0)
      return stream
    case (.multiTokenPrediction(let depth), let stream?):
      layer = architecture.layerCount + depth
      return predictionModule(stream, depth)
    default: preconditionFailure("The first stage begins with the embedding.")
    }
  }

  private var isEmbeddingShared: Bool {
    architecture.tiedEmbeddings || architecture.multiTokenPrediction > 0
  }

  // MARK: Units

  private mutating func embedding(shift: Int, isShared: Bool) -> ValueID {
    let tokens = node(.tokens(shift: shift), [], ("tokens", tokenRows, 1), format: .int32)
    graph.values[tokens.index].carriesGradient = false
    let role = shift == 0 ? ParameterTensor.Role.tokenEmbedding : .predictionTokenEmbedding
    var parameters = [
      parameter(
        [role], architecture.vocabularySize / setting.tensor, architecture.embeddingColumns,
        isShared: isShared)
    ]
    if architecture.position == .learned {
      parameters.append(parameter([.positionEmbedding], architecture.positionRows, hidden))
    }
    var out = node(
      .embedding, [tokens], ("embedded", tokenRows, architecture.embeddingColumns),
      parameters: parameters)
    if architecture.embeddingWidth != nil {
      out = linear(out, [.embeddingInput], hidden, "embedding, widened")
    }
    out = scatteredOverTensor(out, "embedded")
    if architecture.normsEmbedding { out = norm(out, .embeddingNorm, name: "embedding norm") }
    return setting.dropout && shift == 0 ? dropout(out) : out
  }

  private mutating func head(
    _ stream: ValueID, norm role: ParameterTensor.Role, module: Int
  ) {
    phase = .head
    var state = architecture.normsFinal ? norm(stream, role, name: "final norm") : stream
    state = gatheredOverTensor(state, "final norm")
    if let width = architecture.embeddingWidth {
      state = linear(state, [.embeddingOutput], width, "state, narrowed")
    }
    let vocabulary = architecture.vocabularySize / setting.tensor
    let isShared = architecture.tiedEmbeddings || architecture.multiTokenPrediction > 0
    func weight() -> ParameterID {
      parameter(
        [module == 0 ? .head : .predictionHead], vocabulary, architecture.embeddingColumns,
        isShared: isShared)
    }
    if setting.fillsCaches {
      _ = node(
        .headScores(vocabulary: vocabulary), [state],
        ("scores", .fixed(setting.sequences * setting.scoredTokens), vocabulary),
        format: .float32, parameters: [weight()])
      return
    }
    let labels = node(
      .tokens(shift: module + 1), [], ("labels", tokenRows, 1), format: .int32)
    graph.values[labels.index].carriesGradient = false
    guard setting.fusedHead else {
      separateHead(state, labels, module: module)
      return
    }
    var inputs = [state, labels]
    let columns = setting.objective.targetColumns
    if module == 0, columns > 0, setting.purpose == .training {
      let targets = node(
        .targets(columns: columns), [], ("targets", tokenRows, columns), format: .float32)
      graph.values[targets.index].carriesGradient = false
      inputs.append(targets)
    }
    _ = node(
      .headLoss(module: module, vocabulary: vocabulary), inputs,
      ("loss", .fixed(1), 1), format: .float32, parameters: [weight()])
  }

  /// The head as frameworks without a fused loss have it: logits, then their loss.
  private mutating func separateHead(_ state: ValueID, _ labels: ValueID, module: Int) {
    let isShared = architecture.tiedEmbeddings || architecture.multiTokenPrediction > 0
    let logits = linear(
      state, [module == 0 ? .head : .predictionHead],
      architecture.vocabularySize / setting.tensor, "logits", format: recipe.headProduct)
    graph.parameters[graph.parameters.count - 1].isShared = isShared
    graph.parameters[graph.parameters.count - 1].isTied = isShared && architecture.tiedEmbeddings
    _ = node(
      .crossEntropy(module: module), [logits, labels], ("loss", .fixed(1), 1), format: .float32)
  }

  private mutating func predictionModule(_ stream: ValueID, _ depth: Int) -> ValueID {
    phase = .embedding
    let embedded = embedding(shift: depth + 1, isShared: true)
    phase = .attention
    let left = norm(embedded, .predictionEmbeddingNorm, name: "embedding norm")
    let right = norm(stream, .predictionHiddenNorm, name: "hidden norm")
    let joined = node(.join, [left, right], ("joined", rows, 2 * hidden))
    let projected = linear(joined, [.predictionProjection], hidden, "projected")
    let out = transformerLayer(projected, architecture.layers[architecture.layerCount - 1])
    head(out, norm: .predictionFinalNorm, module: depth + 1)
    return out
  }

  private mutating func transformerLayer(_ stream: ValueID, _ layer: Layer) -> ValueID {
    let first = graph.nodes.count
    let out =
      layer.arrangement == .sequential
      ? feedForward(mixed(stream, layer), layer) : parallelBlocks(stream, layer)
    if setting.recomputation.includes(layerOfStage: layersOfStage) { runAgain(from: first) }
    layersOfStage += 1
    return out
  }

  /// Has the nodes from `first` on run again, as one piece, where a backward needs them.
  mutating func runAgain(from first: Int) {
    for index in first..<graph.nodes.count { graph.nodes[index].isRerun = true }
  }

  // MARK: Nodes

  /// Appends a node with one output and gives the output.
  mutating func node(
    _ kind: Node.Kind, _ inputs: [ValueID], _ output: (name: String, rows: Rows, columns: Int),
    format: Format? = nil, kept: Format? = nil, parameters: [ParameterID] = [],
    isRecomputed: Bool = false
  ) -> ValueID {
    nodes(
      kind, inputs, [output], format: format, kept: kept, parameters: parameters,
      isRecomputed: isRecomputed)[0]
  }

  /// Appends a node with several outputs and gives them.
  mutating func nodes(
    _ kind: Node.Kind, _ inputs: [ValueID],
    _ outputs: [(name: String, rows: Rows, columns: Int)], format: Format? = nil,
    kept: Format? = nil, parameters: [ParameterID] = [], isRecomputed: Bool = false
  ) -> [ValueID] {
    let producer = graph.nodes.count
    let ids = outputs.map { output in
      graph.values.append(
        Value(
          name: output.name, rows: output.rows, columns: output.columns,
          format: format ?? recipe.activation, keptFormat: kept ?? format ?? recipe.activation,
          producer: producer))
      return ValueID(index: graph.values.count - 1)
    }
    graph.nodes.append(
      Node(
        kind: kind, inputs: inputs, outputs: ids, parameters: parameters, layer: layer,
        phase: phase, isRecomputed: isRecomputed))
    return ids
  }

  /// A parameter of the current unit.
  mutating func parameter(
    _ roles: [ParameterTensor.Role], _ rows: Int, _ columns: Int, isExpert: Bool = false,
    isShared: Bool = false, isTrained: Bool = true
  ) -> ParameterID {
    let isFrozen = roles.contains { role in
      Plan.Part(role).map { setting.lora != nil || setting.frozen.contains($0) } ?? false
    }
    graph.parameters.append(
      StageParameter(
        unit: unit, roles: roles, rows: rows, columns: columns, isExpert: isExpert,
        isShared: isShared, isTied: isShared && architecture.tiedEmbeddings,
        isTrained: isTrained && !isFrozen, isFrozen: isFrozen, buffer: BufferID(-1),
        gradient: BufferID(-1)))
    return ParameterID(index: graph.parameters.count - 1)
  }

  mutating func norm(
    _ input: ValueID, _ role: ParameterTensor.Role, name: String, rows: Rows? = nil,
    columns: Int? = nil, epsilon given: Double? = nil, gains: Int? = nil,
    bias added: ParameterTensor.Role? = nil
  ) -> ValueID {
    let rows = rows ?? graph.values[input.index].rows
    let columns = columns ?? graph.values[input.index].columns
    let width = gains ?? columns
    var parameters = width > 0 ? [parameter([role], 1, width)] : []
    var centred = false
    var epsilon = 0.0
    switch architecture.normalization {
    case .layerNorm(let value, let hasBias):
      (centred, epsilon) = (true, value)
      if hasBias, let bias = Self.bias(of: role) {
        parameters.append(parameter([bias], 1, columns))
      }
    case .rmsNorm(let value): epsilon = value
    }
    if let added { parameters.append(parameter([added], 1, columns)) }
    return node(
      .norm(epsilon: Float(given ?? epsilon), centred: centred), [input], (name, rows, columns),
      parameters: parameters, isRecomputed: setting.recomputesNorms)
  }

  private static func bias(of role: ParameterTensor.Role) -> ParameterTensor.Role? {
    switch role {
    case .attentionNorm: .attentionNormBias
    case .feedForwardNorm: .feedForwardNormBias
    case .finalNorm: .finalNormBias
    case .embeddingNorm: .embeddingNormBias
    case .attentionResultNorm: .attentionResultNormBias
    case .feedForwardResultNorm: .feedForwardResultNormBias
    default: nil
    }
  }

  /// Has a linear map's input kept in the recipe's format for the weight gradient, if that is narrower.
  ///
  /// What is quantised for the product is kept as those rows instead, where that is the format. Of what
  /// is gathered from other ranks the own part is kept.
  mutating func keepLinearInput(_ input: ValueID) {
    let producer = graph.nodes[graph.values[input.index].producer]
    var kept = input
    switch producer.kind {
    // Rows that are gathered in FP8, and those that every rank has, are kept as such.
    case .gatherSequence where recipe.tensorGather.isFloat8: return
    case .copyToTensor where recipe.castsBothWays && recipe.linearInput == recipe.float8: return
    case .gatherSequence, .copyToTensor: kept = producer.inputs[0]
    case .input, .attention, .embedding: return
    default: if recipe.quantizes, recipe.linearInput == recipe.float8 { return }
    }
    if recipe.linearInput.isNarrower(than: graph.values[kept.index].keptFormat) {
      graph.values[kept.index].keptFormat = recipe.linearInput
    }
  }

  /// A linear map, of a layer unless `format` says what it computes in.
  mutating func linear(
    _ input: ValueID, _ roles: [ParameterTensor.Role], _ width: Int, _ name: String,
    format: Format? = nil, output: Format? = nil, kept: Format? = nil,
    bias: [ParameterTensor.Role] = [], transposed: Bool = false, isRecomputed: Bool = false
  ) -> ValueID {
    let value = graph.values[input.index]
    let columns = value.columns
    var parameters = [
      transposed ? parameter(roles, columns, width) : parameter(roles, width, columns)
    ]
    if !bias.isEmpty { parameters.append(parameter(bias, 1, width)) }
    if format == nil { keepLinearInput(input) }
    let lora = setting.lora.flatMap { $0.adapts(roles[0]) ? $0 : nil }
    let out = node(
      .linear(format: format ?? recipe.product, hasBias: !bias.isEmpty, transposed: transposed),
      [input], (name, value.rows, width), format: output, kept: lora == nil ? kept : nil,
      parameters: parameters, isRecomputed: isRecomputed)
    guard let lora else { return out }
    let adapted = adapter(
      input, roles, lora.rank, width, "\(name), adapter", isRecomputed: isRecomputed)
    return node(
      .add, [out, adapted], ("\(name), adapted", value.rows, width), format: output, kept: kept,
      isRecomputed: isRecomputed)
  }

  /// What a low-rank adapter adds to a map's result: two products, in the format of activations.
  ///
  /// Column-parallel maps have the second factor's rows divided, row-parallel ones the first's columns: sums
  /// over the tensor group go through both.
  private mutating func adapter(
    _ input: ValueID, _ roles: [ParameterTensor.Role], _ rank: Int, _ width: Int, _ name: String,
    isRecomputed: Bool
  ) -> ValueID {
    let (rows, columns) = (graph.values[input.index].rows, graph.values[input.index].columns)
    func factor(_ rows: Int, _ columns: Int) -> ParameterID {
      let id = parameter(roles, rows, columns)
      graph.parameters[id.index].isAdapter = true
      graph.parameters[id.index].isFrozen = false
      graph.parameters[id.index].isTrained = true
      return id
    }
    func product(_ input: ValueID, _ weight: ParameterID, _ width: Int) -> ValueID {
      node(
        .linear(format: recipe.optimizerProduct, hasBias: false, transposed: false), [input],
        (name, rows, width), parameters: [weight], isRecomputed: isRecomputed)
    }
    let narrow = product(input, factor(rank, columns), rank)
    return product(narrow, factor(width, rank), width)
  }

  /// Keeps rows for the forwards that follow, where the programs generate; a prefill goes on with the rows
  /// themselves.
  mutating func cached(_ input: ValueID) -> ValueID {
    let value = graph.values[input.index]
    if setting.purpose == .prefill {
      _ = node(.cache, [input], ("\(value.name), cached", value.rows, value.columns))
    }
    guard let positions = setting.cachedPositions else { return input }
    let places = positions * setting.sequences * setting.cachedMicrobatches
    return node(.cache, [input], ("\(value.name), cached", .fixed(places), value.columns))
  }

  mutating func dropout(_ input: ValueID) -> ValueID {
    let value = graph.values[input.index]
    return node(.dropout, [input], ("dropout", value.rows, value.columns))
  }

  // MARK: Tensor parallelism

  /// In front of column-parallel products: the whole rows on every rank of the tensor group.
  mutating func gatheredOverTensor(_ input: ValueID, _ name: String) -> ValueID {
    guard setting.tensor > 1 else { return input }
    let columns = graph.values[input.index].columns
    let kind: Node.Kind = setting.sequenceParallel ? .gatherSequence : .copyToTensor
    return node(kind, [input], ("\(name), gathered", tokenRows, columns), isRecomputed: true)
  }

  /// Behind row-parallel products: the sum over the tensor group.
  mutating func scatteredOverTensor(_ input: ValueID, _ name: String) -> ValueID {
    guard setting.tensor > 1 else { return input }
    let columns = graph.values[input.index].columns
    let kind: Node.Kind = setting.sequenceParallel ? .scatterSequence : .reduceFromTensor
    return node(kind, [input], ("\(name), reduced", rows, columns))
  }
}
