extension Emission {
  /// Emits the forward of one node, in a forward pass or again in a backward.
  func emitForward(of index: Int) {
    let node = graph.nodes[index]
    switch node.kind {
    case .input: forwardInput(node)
    case .tokens, .targets, .embedding: forwardEmbedding(node)
    case .norm, .dropout, .gelu, .gatedUnit, .plainUnit, .add, .join:
      forwardElementwise(node, index)
    case .linear: forwardLinear(node)
    case .groupedLinear: forwardGroupedLinear(node)
    case .splitHeads, .rotate, .splitLatent, .assembleLatent, .attention:
      forwardAttention(node, index)
    case .convolve, .scan, .index: forwardRecurrent(node, index)
    case .cache, .absorbLatent, .expandLatent: forwardCached(node)
    case .route, .dispatch, .combine, .permute, .unpermute: forwardExperts(node)
    case .arrange, .collect, .sortRows: forwardRows(node)
    case .headLoss: forwardHead(node, index)
    case .headScores(let vocabulary):
      let setting = lowering.setting
      emit(
        .headScores(
          sequences: setting.sequences * setting.scoredTokens, tokens: setting.tokens,
          hidden: value(node.inputs[0]).columns, vocabulary: vocabulary),
        outputs: [outputBuffer(node.outputs[0])],
        inputs: [
          need(node.inputs[0]), operandWeight(node.parameters[0], recipe.headProduct, .forward),
        ], .forward)
    case .crossEntropy(let module):
      let shape = value(node.inputs[0])
      let inputs = node.inputs.map(need)
      emit(
        .crossEntropy(
          tokens: lowering.setting.tokens, vocabulary: shape.columns, module: module,
          fused: lowering.setting.fusedLoss, .forward),
        outputs: [outputBuffer(node.outputs[0])] + outputAuxiliaries(index)
          + copiesOfLogits(
            shape, ["logits in 32 bits"], are: lowering.setting.holdsCastLogits),
        inputs: inputs, .forward)
      emitLossMeasures(of: shape, in: inputs[0])
    case .gatherTokens: forwardGatherTokens(node)
    case .gatherSequence, .scatterSequence, .copyToTensor, .reduceFromTensor, .gatherContext,
      .scatterTokens, .ownRows, .joinRows:
      forwardCollective(node)
    }
  }

  private func forwardEmbedding(_ node: Node) {
    let out = outputBuffer(node.outputs[0])
    let tokens = lowering.setting.tokens
    switch node.kind {
    case .tokens(let shift):
      let kernel: Kernel =
        shift == 0 ? .loadTokens(tokens: tokens) : .loadLabels(tokens: tokens, shift: shift)
      emit(kernel, outputs: [out], inputs: [], .forward)
    case .targets(let columns):
      emit(.loadTargets(tokens: tokens, columns: columns), outputs: [out], inputs: [], .forward)
    default:
      let table = lowering.parameters[node.parameters[0].index]
      emit(
        .embedding(tokens: tokens, hidden: table.columns, vocabulary: table.rows, .forward),
        outputs: [out], inputs: [need(node.inputs[0])] + node.parameters.map(parameterBuffer),
        .forward)
    }
  }

  private func forwardElementwise(_ node: Node, _ index: Int) {
    let shape = value(node.outputs[0])
    let inputs = node.inputs.map(need)
    let out = outputBuffer(node.outputs[0])
    switch node.kind {
    case .norm(let epsilon, let centred):
      forwardNorm(node, index, epsilon, centred: centred, inputs, out)
    case .dropout:
      emit(
        .convert(
          .dropout, rows: shape.rows, columns: shape.columns, from: shape.format,
          to: shape.format), outputs: [out] + outputAuxiliaries(index), inputs: inputs, .forward)
    case .gelu:
      emit(
        .gelu(rows: shape.rows, columns: shape.columns, .forward), outputs: [out],
        inputs: inputs, .forward)
    case .gatedUnit(let weighted):
      let format = recipe.gatedUnitOutput(isRunAgain: node.isRecomputed || node.isRerun)
      let written = isForward && format.isFloat8 ? writtenInFloat8(node.outputs[0]) : out
      emit(
        .gatedUnit(rows: shape.rows, columns: shape.columns, weighted: weighted, .forward),
        outputs: [written] + outputAuxiliaries(index), inputs: inputs, .forward)
      if written != out { transposeScales(of: written, shape, .forward) }
    case .plainUnit:
      emit(
        .plainUnit(rows: shape.rows, columns: shape.columns, .forward), outputs: [out],
        inputs: inputs, .forward)
    case .add:
      emit(
        .add(rows: shape.rows, columns: shape.columns, terms: inputs.count), outputs: [out],
        inputs: inputs, .forward)
    default:
      emit(
        .join(rows: shape.rows, columns: shape.columns / 2, .forward), outputs: [out],
        inputs: inputs, .forward)
    }
  }

  // MARK: Products

  private func forwardLinear(_ node: Node) {
    guard case .linear(let format, let hasBias, let transposed) = node.kind else { return }
    let input = value(node.inputs[0])
    let source = need(node.inputs[0])
    let arrivals = takeArrivals(of: source)
    let operand: ProductOperand
    if arrivals != nil, format.isFloat8 {
      operand = operandInChunks(source, input) { quantizedTarget(of: node.inputs[0]) }
    } else {
      operand = ProductOperand(
        buffer: format.isFloat8 ? quantizedOperand(node.inputs[0], .forward) : source)
    }
    let out = outputBuffer(node.outputs[0])
    let weight = operandWeight(node.parameters[0], format, .forward)
    let matmul = Matmul(
      m: input.rows, n: value(node.outputs[0]).columns, k: input.columns, pass: .forward,
      format: format, hasBias: hasBias, transposed: transposed)
    emitProduct(
      matmul, of: operand, input, arrivals: arrivals, outputs: [out],
      inputs: [weight] + node.parameters.dropFirst().map(parameterBuffer),
      sends: scattersInChunks(node) ? value(node.outputs[0]) : nil, .forward)
  }

  private func forwardGroupedLinear(_ node: Node) {
    guard case .groupedLinear(_, let experts) = node.kind else { return }
    let input = value(node.inputs[0])
    let operand: BufferID
    if recipe.quantizes {
      operand =
        input.format.isFloat8
        ? need(node.inputs[0]) : quantizedOperand(node.inputs[0], .forward)
    } else {
      operand = inActivationFormat(need(node.inputs[0]), input, .forward)
    }
    let out = outputBuffer(node.outputs[0])
    let weight =
      recipe.quantizes && !recipe.castsBothWays && lowering.setting.purpose == .training
      ? transposedWeight(node.parameters[0], .forward)
      : operandWeight(node.parameters[0], recipe.product, .forward)
    emit(
      .groupedMatmul(
        Matmul(
          m: input.rows, n: value(node.outputs[0]).columns, k: input.columns, pass: .forward,
          format: recipe.product, hasBias: node.parameters.count > 1), experts: experts),
      outputs: [out],
      inputs: [operand, weight, need(node.inputs[1])]
        + node.parameters.dropFirst().map(parameterBuffer), .forward)
  }

  // MARK: Attention

  private func forwardAttention(_ node: Node, _ index: Int) {
    let inputs = node.inputs.map(need)
    waitFor(inputs)
    switch node.kind {
    case .splitHeads(let shape):
      emit(
        .splitHeads(shape, .forward), outputs: node.outputs.map(outputBuffer), inputs: inputs,
        .forward)
    case .rotate(let heads, let size):
      emit(
        .rotate(tokens: lowering.setting.tokens, heads: heads, headSize: size, .forward),
        outputs: node.outputs.map(outputBuffer), inputs: inputs, .forward)
    case .splitLatent(let shape):
      emit(
        .splitLatent(shape, .forward), outputs: node.outputs.map(outputBuffer), inputs: inputs,
        .forward)
    case .assembleLatent(let shape):
      emit(
        .assembleLatent(shape, .forward), outputs: node.outputs.map(outputBuffer), inputs: inputs,
        .forward)
    case .attention(let shape, let fused, let dropout):
      let outputs = node.outputs.map(outputBuffer)
      let auxiliaries = outputAuxiliaries(index)
      if !fused { emitScores(shape, dropout: dropout, auxiliaries, inputs) }
      if fused {
        removePadding(shape, in: inputs)
        emitFusedCore(node, shape, outputs: outputs + auxiliaries, inputs: inputs)
        restorePadding(shape, of: outputs[0])
      } else {
        emit(
          .attention(shape, fused: false, .forward), outputs: outputs,
          inputs: inputs + [auxiliaries.last ?? outputs[0]], .forward)
      }
    default: break
    }
  }

  private func forwardCached(_ node: Node) {
    let inputs = node.inputs.map(need) + node.parameters.map(parameterBuffer)
    let kernel: Kernel
    switch node.kind {
    case .absorbLatent(let shape): kernel = .absorbLatent(shape)
    case .expandLatent(let shape): kernel = .expandLatent(shape)
    default:
      kernel = .cache(
        tokens: lowering.setting.tokens, columns: value(node.inputs[0]).columns)
    }
    emit(kernel, outputs: node.outputs.map(outputBuffer), inputs: inputs, .forward)
  }

  /// The s² traffic between the two products of an unfused core: scale and mask with softmax, dropout.
  func emitScores(
    _ shape: AttentionShape, dropout: Bool, _ auxiliaries: [BufferID], _ inputs: [BufferID]
  ) {
    let elements =
      Double(shape.sequences) * Double(shape.heads) * Double(shape.queries) * Double(shape.keys)
    let size = Double(recipe.activation.bytes(columns: 1))
    emit(
      .scores(shape, .softmax, elements: elements, bytesPerElement: 2 * size),
      outputs: [auxiliaries[0]], inputs: inputs, .forward)
    if dropout, auxiliaries.count == 3 {
      emit(
        .scores(shape, .dropout, elements: elements, bytesPerElement: 2 * size + 1),
        outputs: [auxiliaries[1], auxiliaries[2]], inputs: [auxiliaries[0]], .forward)
    }
  }

  // MARK: Experts

  private func forwardExperts(_ node: Node) {
    switch node.kind {
    case .route(let shape):
      let logits = need(node.inputs[0])
      emit(
        .route(shape, .forward), outputs: node.outputs.map(outputBuffer),
        inputs: [logits] + node.parameters.map(parameterBuffer), .forward)
    case .dispatch(let exchange, let bytesPerRow, _):
      forwardDispatch(node, exchange, bytesPerRow)
    case .permute(let exchange):
      var source = need(node.inputs[0])
      if value(node.outputs[0]).format.isFloat8, !value(node.inputs[0]).format.isFloat8 {
        source = quantizedOperand(node.inputs[0], .forward)
      }
      let routing = need(node.inputs[1])
      if isDeviceProgram {
        emit(
          .launches(count: 2, .index, rows: value(node.inputs[0]).rows), outputs: [],
          inputs: [routing], .forward)
      }
      emit(
        .permute(exchange: exchange, columns: value(node.outputs[0]).columns, .forward),
        outputs: node.outputs.map(outputBuffer), inputs: [source, routing], .forward)
    case .unpermute(let exchange):
      let inputs = node.inputs.map(need)
      emit(
        .unpermute(exchange: exchange, columns: value(node.outputs[0]).columns, .forward),
        outputs: node.outputs.map(outputBuffer), inputs: inputs, .forward)
    case .combine(let exchange):
      let shape = value(node.inputs[0])
      let inputs = [
        inFormat(recipe.combine, need(node.inputs[0]), shape, .forward), need(node.inputs[1]),
      ]
      let staging = stagingBuffers([(.sent(exchange: exchange), shape.columns)])
      start(
        .combine(exchange: exchange), outputs: node.outputs.map(outputBuffer) + staging,
        inputs: inputs,
        stream: .expert, bytesPerRow: recipe.combine.bytes(columns: shape.columns),
        rows: shape.rows, .forward)
    default: break
    }
  }

  /// A GPU's program has launches that a CPU's kernels do not need.
  var isDeviceProgram: Bool { lowering.setting.target == .device }

  /// An operand of an exchange in the format in which it is sent, quantised once where that is FP8.
  func dispatchOperand(_ id: ValueID) -> BufferID {
    let shape = value(id)
    if shape.format == recipe.dispatch { return need(id) }
    return recipe.dispatch.isFloat8
      ? quantizedOperand(id, .forward) : inFormat(recipe.dispatch, need(id), shape, .forward)
  }

  private func forwardDispatch(_ node: Node, _ exchange: Int, _ bytesPerRow: Int) {
    let source = dispatchOperand(node.inputs[0])
    let routing = need(node.inputs[1])
    let rows = value(node.inputs[0]).rows
    // Where all tokens are gathered, everybody counts for himself.
    if !isRecomputing, lowering.setting.countsTokens {
      // For each rank of the group: tokens and rows of experts, sent and received.
      let counts = lowering.temporary(
        "expert counts", .fixed(lowering.setting.expert), 4, .int32, .communication)
      start(
        .counts(exchange: exchange), outputs: [counts], inputs: [routing], stream: .expert,
        bytesPerRow: 8, rows: .fixed(1), .forward)
      waitFor([counts])
    }
    let width = value(node.inputs[0]).columns + value(node.inputs[1]).columns
    let staging = stagingBuffers(
      [(.sent(exchange: exchange), width), (.received(exchange: exchange), width)])
    start(
      .dispatch(exchange: exchange), outputs: node.outputs.map(outputBuffer) + staging,
      inputs: [source, routing], stream: .expert, bytesPerRow: bytesPerRow, rows: rows, .forward)
  }

  private func forwardHead(_ node: Node, _ index: Int) {
    guard case .headLoss(let module, let vocabulary) = node.kind else { return }
    let shape = value(node.inputs[0])
    let inputs = node.inputs.map(need)
    let weight = operandWeight(node.parameters[0], recipe.headProduct, .forward)
    let tokens = lowering.setting.tokens
    let tile = logitsOfATile(vocabulary, hidden: shape.columns)
    guard lowering.setting.purpose == .training else {
      emit(
        .headEvaluation(
          tokens: tokens, hidden: shape.columns, vocabulary: vocabulary, module: module),
        outputs: [outputBuffer(node.outputs[0])] + tile,
        inputs: [inputs[0], weight, inputs[1]], .forward)
      return
    }
    let outputs =
      outputAuxiliaries(index) + [gradientBuffer(node.parameters[0])]
      + [outputBuffer(node.outputs[0])] + tile
    let part = isDeviceProgram ? rowsOfATile(vocabulary, hidden: shape.columns) : tokens
    for first in stride(from: 0, to: tokens, by: part) {
      emit(
        .headLoss(
          tokens: min(part, tokens - first), hidden: shape.columns, vocabulary: vocabulary,
          module: module), outputs: outputs, inputs: [inputs[0], weight] + inputs.dropFirst(),
        .forward)
    }
  }

  /// Where logits are formed for so many rows at a time: a tile of a CPU rank's kernel, a part of a device's
  /// head in parts.
  private func logitsOfATile(_ vocabulary: Int, hidden: Int) -> [BufferID] {
    guard !isDeviceProgram || lowering.setting.chunksHead else { return [] }
    return [
      lowering.temporary(
        "logits of a tile", .fixed(rowsOfATile(vocabulary, hidden: hidden)), vocabulary,
        isDeviceProgram ? recipe.activation : .float32, .workspace)
    ]
  }

  /// Rows whose logits are formed at a time.
  private func rowsOfATile(_ vocabulary: Int, hidden: Int) -> Int {
    let tokens = lowering.setting.tokens
    guard isDeviceProgram else { return min(tokens, Kernel.headTileRows) }
    guard lowering.setting.chunksHead else { return tokens }
    return min(tokens, Kernel.rowsOfAHeadPart(tokens, vocabulary, hidden))
  }

  // MARK: Tensor and context parallelism

  private func forwardCollective(_ node: Node) {
    if gathersFloat8(node) { return gatherFloat8(node) }
    let input = need(node.inputs[0])
    let shape = value(node.inputs[0])
    let bytes = shape.format.bytes(columns: shape.columns)
    switch node.kind {
    case .copyToTensor, .ownRows: live[node.outputs[0].index] = input
    case .gatherSequence where gathersInChunks(node):
      gatherInChunks(input, into: outputBuffer(node.outputs[0]), shape, .forward)
    case .gatherSequence, .joinRows:
      collective(.allGather(.tensor), node.outputs[0], input, bytes, shape.rows, .tensor)
      layTogether(need(node.outputs[0]), columns: shape.columns, .forward)
    case .scatterSequence where leaving[input] != nil:
      addChunks(of: input, into: outputBuffer(node.outputs[0]), shape, .forward)
    case .scatterSequence:
      layTogether(input, columns: shape.columns, .forward)
      collective(.reduceScatter(.tensor), node.outputs[0], input, bytes, shape.rows, .tensor)
    case .scatterTokens:
      collective(.reduceScatter(.expertTensor), node.outputs[0], input, bytes, shape.rows, .tensor)
    case .reduceFromTensor:
      collective(.allReduce(.tensor), node.outputs[0], input, bytes, shape.rows, .tensor)
    default:
      let bytes = shape.format.bytes(columns: value(node.outputs[0]).columns)
      collective(.allGather(.context), node.outputs[0], input, bytes, shape.rows, .context)
    }
  }

  /// Tokens and their routing travel together.
  private func forwardGatherTokens(_ node: Node) {
    let bytes = node.inputs.reduce(0) {
      $0 + value($1).format.bytes(columns: value($1).columns)
    }
    start(
      .allGather(.expertTensor), outputs: node.outputs.map(outputBuffer),
      inputs: node.inputs.map(need), stream: .tensor, bytesPerRow: bytes,
      rows: value(node.inputs[0]).rows, .forward)
  }

  private func collective(
    _ kind: TransferKind, _ output: ValueID, _ input: BufferID, _ bytesPerRow: Int, _ rows: Rows,
    _ stream: Stream
  ) {
    let out = outputBuffer(output)
    start(
      kind, outputs: [out], inputs: [input], stream: stream, bytesPerRow: bytesPerRow, rows: rows,
      .forward)
  }
}
