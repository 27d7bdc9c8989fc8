extension Emission {
  /// Emits the backward of one node: its input half at once, its weight half put off.
  func emitBackward(of index: Int) {
    let node = graph.nodes[index]
    switch node.kind {
    case .input, .tokens: break
    case .embedding: backwardEmbedding(node)
    case .headLoss: contribute(auxiliaries(index)[0], to: node.inputs[0])
    case .crossEntropy(let module):
      let shape = value(node.inputs[0])
      let fresh = gradientBuffer(node.inputs[0])
      let inputs = auxiliaries(index) + [need(node.inputs[1])]
      emit(
        .crossEntropy(
          tokens: lowering.setting.tokens, vocabulary: shape.columns, module: module,
          fused: lowering.setting.fusedLoss, .backwardInput), outputs: [fresh], inputs: inputs,
        .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .add:
      let gradient = gradient(node.outputs[0])
      for input in node.inputs { contributeShared(gradient, to: input) }
    case .norm, .dropout, .gelu, .gatedUnit, .join: backwardElementwise(node, index)
    case .linear: backwardLinear(node)
    case .groupedLinear: backwardGroupedLinear(node)
    case .splitHeads, .rotate, .splitLatent, .assembleLatent: backwardSplits(node)
    case .attention: backwardAttention(node, index)
    case .route, .dispatch, .combine, .permute, .unpermute: backwardExperts(node)
    case .gatherTokens: backwardGatherTokens(node)
    case .scatterTokens: backwardScatterTokens(node)
    case .gatherSequence, .scatterSequence, .copyToTensor, .reduceFromTensor, .gatherContext:
      backwardCollective(node)
    case .cache, .absorbLatent, .expandLatent, .headScores:
      preconditionFailure("What generates is not trained.")
    }
  }

  /// A gradient that several values share: the first takes the buffer as it is, and whoever adds to
  /// it later writes into a buffer of its own.
  private func contributeShared(_ shared: BufferID, to id: ValueID) {
    guard let known = gradients[id.index] else {
      gradients[id.index] = shared
      return
    }
    let shape = value(id)
    let sum = gradientBuffer(id)
    emit(
      .add(rows: shape.rows, columns: shape.columns, terms: 2), outputs: [sum],
      inputs: [known, shared], .backwardInput)
    gradients[id.index] = sum
  }

  private func backwardEmbedding(_ node: Node) {
    let table = lowering.parameters[node.parameters[0].index]
    let tokens = need(node.inputs[0])
    let gradient = gradient(node.outputs[0])
    waitFor([gradient])
    emitWeight(
      .embedding(
        tokens: lowering.setting.tokens, hidden: table.columns, vocabulary: table.rows,
        .backwardWeight), outputs: node.parameters.map(gradientBuffer),
      inputs: [tokens, gradient])
  }

  private func backwardElementwise(_ node: Node, _ index: Int) {
    let out = gradient(node.outputs[0])
    let shape = value(node.outputs[0])
    switch node.kind {
    case .norm(let epsilon, let centred):
      let saved = need(node.inputs[0])
      let statistics = auxiliaries(index)
      let fresh = gradientBuffer(node.inputs[0])
      emit(
        .norm(
          rows: shape.rows, columns: shape.columns, epsilon: epsilon, centred: centred,
          .backwardInput), outputs: [fresh] + node.parameters.map(gradientBuffer),
        inputs: [out, saved] + statistics + [parameterBuffer(node.parameters[0])],
        .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .dropout:
      let mask = auxiliaries(index)
      let fresh = gradientBuffer(node.inputs[0])
      emit(
        .convert(
          .dropout, rows: shape.rows, columns: shape.columns, from: shape.format,
          to: shape.format), outputs: [fresh], inputs: [out] + mask, .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .gelu:
      let saved = need(node.inputs[0])
      let fresh = gradientBuffer(node.inputs[0])
      emit(
        .gelu(rows: shape.rows, columns: shape.columns, .backwardInput), outputs: [fresh],
        inputs: [out, saved], .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .gatedUnit(let weighted): backwardGatedUnit(node, shape, out, weighted)
    default:
      let parts = node.inputs.map { gradientBuffer($0) }
      emit(
        .join(rows: shape.rows, columns: shape.columns / 2, .backwardInput), outputs: parts,
        inputs: [out], .backwardInput)
      for (part, input) in zip(parts, node.inputs) { contribute(part, to: input) }
    }
  }

  private func backwardGatedUnit(_ node: Node, _ shape: Value, _ out: BufferID, _ weighted: Bool) {
    let inputs = node.inputs.map(need)
    let fresh = gradientBuffer(node.inputs[0])
    var outputs = [fresh]
    if weighted, let exchange = exchange(of: shape.rows) {
      let weights = lowering.temporary("routed weight gradients", shape.rows, 1, .float32)
      weightGradients[exchange] = weights
      outputs.append(weights)
    }
    emit(
      .gatedUnit(rows: shape.rows, columns: shape.columns, weighted: weighted, .backwardInput),
      outputs: outputs, inputs: [out] + inputs, .backwardInput)
    contribute(fresh, to: node.inputs[0])
  }

  private func exchange(of rows: Rows) -> Int? {
    switch rows {
    case .fixed: nil
    case .received(let exchange), .routed(let exchange), .sent(let exchange),
      .gathered(let exchange, _):
      exchange
    }
  }

  // MARK: Products

  private func backwardLinear(_ node: Node) {
    guard case .linear(let format, let hasBias, let transposed) = node.kind else { return }
    let input = value(node.inputs[0])
    let outShape = value(node.outputs[0])
    let out = gradient(node.outputs[0])
    waitFor([out])
    let quantized = format == .float8
    var matmul = Matmul(
      m: input.rows, n: outShape.columns, k: input.columns, pass: .backwardInput, format: format,
      hasBias: hasBias, transposed: transposed)
    let operand = quantized ? quantizedGradient(out, outShape) : out
    let fresh = gradientBuffer(node.inputs[0])
    let weight =
      quantized
      ? transposedWeight(node.parameters[0], .backwardInput)
      : parameterBuffer(node.parameters[0])
    let bias = node.parameters.dropFirst().map(gradientBuffer)
    emit(.matmul(matmul), outputs: [fresh] + bias, inputs: [operand, weight], .backwardInput)
    contribute(fresh, to: node.inputs[0])
    matmul.pass = .backwardWeight
    matmul.hasBias = false
    let left = quantized ? columnGradient(out, outShape) : out
    let right = quantized ? columnOperand(node.inputs[0]) : need(node.inputs[0])
    waitFor([right])
    emitWeight(
      .matmul(matmul), outputs: [gradientBuffer(node.parameters[0])], inputs: [left, right])
  }

  private func backwardGroupedLinear(_ node: Node) {
    guard case .groupedLinear(_, let experts) = node.kind else { return }
    let input = value(node.inputs[0])
    let outShape = value(node.outputs[0])
    let out = gradient(node.outputs[0])
    let routing = need(node.inputs[1])
    waitFor([out])
    var matmul = Matmul(
      m: input.rows, n: outShape.columns, k: input.columns, pass: .backwardInput,
      format: recipe.product)
    let isQuantizedAlready = lowering.buffers[Int(out.index)].format == .float8
    let operand =
      recipe.quantizes && !isQuantizedAlready ? quantizedGradient(out, outShape) : out
    let fresh = gradientBuffer(node.inputs[0])
    emit(
      .groupedMatmul(matmul, experts: experts), outputs: [fresh],
      inputs: [operand, parameterBuffer(node.parameters[0]), routing], .backwardInput)
    contribute(fresh, to: node.inputs[0])
    matmul.pass = .backwardWeight
    let left = recipe.quantizes ? columnGradient(out, outShape) : out
    let right = recipe.quantizes ? columnOperand(node.inputs[0]) : need(node.inputs[0])
    emitWeight(
      .groupedMatmul(matmul, experts: experts), outputs: [gradientBuffer(node.parameters[0])],
      inputs: [left, right, routing])
  }

  /// A gradient quantised along its columns for a weight product.
  ///
  /// What is about to be overwritten is quantised at once; what arrived in FP8 stays as it is until the
  /// weight half.
  private func columnGradient(_ buffer: BufferID, _ shape: Value) -> BufferID {
    if let made = quantizedColumns[buffer] { return made }
    let out = lowering.temporary(
      "\(shape.name) gradient, transposed", shape.rows, shape.columns, .float8)
    let from = lowering.buffers[Int(buffer.index)].format
    let kernel = Kernel.convert(
      .quantizeTranspose, rows: shape.rows, columns: shape.columns, from: from, to: .float8)
    if from == .float8 {
      emitWeight(kernel, outputs: [out], inputs: [buffer])
    } else {
      emit(kernel, outputs: [out], inputs: [buffer], .backwardInput)
    }
    quantizedColumns[buffer] = out
    return out
  }

  /// A product's input quantised along its columns: from what is at hand in this pass, else from the
  /// FP8 rows that the forward's product read and the stage kept.
  private func columnOperand(_ id: ValueID) -> BufferID {
    let shape = value(id)
    let isKept =
      live[id.index] == nil && !graph.nodes[shape.producer].isRecomputed
      && !graph.nodes[shape.producer].isRerun && shape.keptFormat == shape.format
    let source: BufferID
    if isKept {
      source = shape.format == .float8 ? need(id) : lowering.quantizedBuffer(id)
    } else {
      source = need(id)
    }
    if let made = quantizedColumns[source] { return made }
    let out = lowering.like(id, ", transposed", format: .float8)
    let from = lowering.buffers[Int(source.index)].format
    let kernel = Kernel.convert(
      .quantizeTranspose, rows: shape.rows, columns: shape.columns, from: from, to: .float8)
    if from == .float8 {
      emitWeight(kernel, outputs: [out], inputs: [source])
    } else {
      emit(kernel, outputs: [out], inputs: [source], .backwardInput)
    }
    quantizedColumns[source] = out
    return out
  }
}
