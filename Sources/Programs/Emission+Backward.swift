extension Emission {
  /// Emits the backward of one node: its input half at once, its weight half put off.
  func emitBackward(of index: Int) {
    let node = graph.nodes[index]
    switch node.kind {
    case .input: backwardInput(node)
    case .tokens, .targets: break
    case .embedding: backwardEmbedding(node)
    case .headLoss: contribute(auxiliaries(index)[0], to: node.inputs[0])
    case .crossEntropy(let module):
      let shape = value(node.inputs[0])
      let fresh = gradientBuffer(node.inputs[0])
      let inputs = auxiliaries(index) + [need(node.inputs[1])]
      emit(
        .crossEntropy(
          tokens: lowering.setting.tokens, vocabulary: shape.columns, module: module,
          fused: lowering.setting.fusedLoss, .backwardInput),
        outputs: [fresh]
          + copiesOfLogits(
            shape, ["log-probabilities' gradient", "logits' gradient in 32 bits"],
            are: lowering.setting.copiesLogits),
        inputs: inputs, .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .add:
      let gradient = gradient(node.outputs[0])
      for input in node.inputs { contributeShared(gradient, to: input) }
    case .norm, .dropout, .gelu, .gatedUnit, .plainUnit, .join: backwardElementwise(node, index)
    case .convolve, .scan, .index: backwardRecurrent(node, index)
    case .linear: backwardLinear(node)
    case .groupedLinear: backwardGroupedLinear(node)
    case .splitHeads, .rotate, .splitLatent, .assembleLatent: backwardSplits(node)
    case .attention: backwardAttention(node, index)
    case .route, .dispatch, .combine, .permute, .unpermute: backwardExperts(node)
    case .arrange, .collect, .sortRows: backwardRows(node)
    case .gatherTokens(let exchange): backwardGatherTokens(node, exchange)
    case .scatterTokens: backwardScatterTokens(node)
    case .gatherSequence, .scatterSequence, .copyToTensor, .reduceFromTensor, .gatherContext,
      .ownRows, .joinRows:
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
    let trained = trained(node.parameters)
    guard !trained.isEmpty else { return }
    let kernel = Kernel.embedding(
      tokens: lowering.setting.tokens, hidden: table.columns, vocabulary: table.rows,
      .backwardWeight)
    guard lowering.setting.formsEmbeddingGradients else {
      emitWeight(
        kernel, outputs: trained.map(gradientBuffer), inputs: [tokens, gradient])
      return
    }
    let formed = trained.map(formedGradient)
    for table in formed { clearFormed(table) }
    emitWeight(kernel, outputs: formed, inputs: [tokens, gradient])
    for (table, parameter) in zip(formed, trained) { addFormed(table, to: parameter) }
  }

  private func backwardElementwise(_ node: Node, _ index: Int) {
    let out = gradient(node.outputs[0])
    let shape = value(node.outputs[0])
    switch node.kind {
    case .norm(let epsilon, let centred):
      let saved = lowering.keepsSteps(of: node) ? [] : [need(node.inputs[0])]
      let statistics = auxiliaries(index)
      let fresh = gradientBuffer(node.inputs[0])
      emit(
        .norm(
          rows: shape.rows, columns: shape.columns, epsilon: epsilon, centred: centred,
          .backwardInput), outputs: [fresh] + trained(node.parameters).map(gradientBuffer),
        inputs: [out] + saved + statistics + node.parameters.prefix(1).map(parameterBuffer),
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
    case .gatedUnit(let weighted): backwardGatedUnit(node, index, shape, out, weighted)
    case .plainUnit: backwardGatedUnit(node, index, shape, out, true)
    default:
      let parts = node.inputs.map { gradientBuffer($0) }
      emit(
        .join(rows: shape.rows, columns: shape.columns / 2, .backwardInput), outputs: parts,
        inputs: [out], .backwardInput)
      for (part, input) in zip(parts, node.inputs) { contribute(part, to: input) }
    }
  }

  private func backwardGatedUnit(
    _ node: Node, _ index: Int, _ shape: Value, _ out: BufferID, _ weighted: Bool
  ) {
    let inputs = node.inputs.map(need)
    // One product of gate and up, or two of them.
    let products = weighted ? node.inputs.prefix(1) : node.inputs[...]
    let fresh = products.map { gradientBuffer($0) }
    var outputs = fresh
    if weighted, let exchange = exchange(of: shape.rows) {
      let weights = lowering.temporary("routed weight gradients", shape.rows, 1, .float32)
      weightGradients[exchange] = weights
      // Without a permutation of tokens nobody else collects them.
      if lowering.setting.sendsRowsOfExperts { gradients[node.inputs[1].index] = weights }
      outputs.append(weights)
    }
    let kernel: Kernel
    if case .plainUnit = node.kind {
      kernel = .plainUnit(rows: shape.rows, columns: shape.columns, .backwardInput)
    } else {
      kernel = .gatedUnit(
        rows: shape.rows, columns: shape.columns, weighted: weighted, .backwardInput)
    }
    emit(kernel, outputs: outputs, inputs: [out] + inputs + auxiliaries(index), .backwardInput)
    for (part, product) in zip(fresh, products) { contribute(part, to: product) }
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
    let arrivals = takeArrivals(of: out)
    waitFor([out])
    gatherAhead(node)
    let quantized = format.isFloat8
    let weightID = node.parameters[0]
    let map = lowering.parameters[weightID.index]
    if !map.isAdapter, map.roles.allSatisfy(\.readsDetached) {
      guard map.isTrained else { return }
      let matmul = Matmul(
        m: input.rows, n: outShape.columns, k: input.columns, pass: .backwardWeight,
        format: format, transposed: transposed)
      emitWeightProduct(.matmul(matmul), of: weightID, inputs: weightOperands(node, quantized))
      return
    }
    let bias = trained(node.parameters.dropFirst()).map(gradientBuffer)
    var matmul = Matmul(
      m: input.rows, n: outShape.columns, k: input.columns, pass: .backwardInput, format: format,
      hasBias: hasBias && !bias.isEmpty, transposed: transposed)
    let operand: ProductOperand
    if arrivals != nil, quantized {
      operand = operandInChunks(out, outShape) { quantizedTarget(ofGradient: outShape) }
    } else {
      operand = ProductOperand(buffer: quantized ? quantizedGradient(out, outShape) : out)
    }
    let fresh = gradientBuffer(node.inputs[0])
    let weight =
      quantized
      ? transposedWeight(node.parameters[0], .backwardInput)
      : operandWeight(node.parameters[0], format, .backwardInput)
    emitProduct(
      matmul, of: operand, outShape, arrivals: arrivals, outputs: [fresh] + bias, inputs: [weight],
      sends: scattersGradientInChunks(node) ? input : nil, .backwardInput)
    contribute(fresh, to: node.inputs[0])
    guard !trained(node.parameters.prefix(1)).isEmpty else { return }
    matmul.pass = .backwardWeight
    matmul.hasBias = false
    emitWeightProduct(.matmul(matmul), of: weightID, inputs: weightOperands(node, quantized))
  }

  /// The gradient of a map's result and its input, as the product of its weight's gradient reads them.
  private func weightOperands(_ node: Node, _ quantized: Bool) -> [BufferID] {
    let out = gradient(node.outputs[0])
    return quantized
      ? [columnGradient(out, value(node.outputs[0])), columnOperand(node.inputs[0])]
      : [out, weightOperand(node.inputs[0])]
  }

  private func backwardGroupedLinear(_ node: Node) {
    guard case .groupedLinear(_, let experts) = node.kind else { return }
    let input = value(node.inputs[0])
    let outShape = value(node.outputs[0])
    let out = gradient(node.outputs[0])
    let routing = need(node.inputs[1])
    waitFor([out])
    let bias = trained(node.parameters.dropFirst()).map(gradientBuffer)
    var matmul = Matmul(
      m: input.rows, n: outShape.columns, k: input.columns, pass: .backwardInput,
      format: recipe.product, hasBias: !bias.isEmpty)
    let operand: BufferID
    if recipe.quantizes {
      let isQuantizedAlready = lowering.buffers[Int(out.index)].format.isFloat8
      operand = isQuantizedAlready ? out : quantizedGradient(out, outShape)
    } else {
      operand = inActivationFormat(out, outShape, .backwardInput)
    }
    let fresh = gradientBuffer(node.inputs[0])
    let weight =
      recipe.quantizes && recipe.castsBothWays
      ? transposedWeight(node.parameters[0], .backwardInput)
      : operandWeight(node.parameters[0], recipe.product, .backwardInput)
    emit(
      .groupedMatmul(matmul, experts: experts), outputs: [fresh] + bias,
      inputs: [operand, weight, routing], .backwardInput)
    contribute(fresh, to: node.inputs[0])
    guard !trained(node.parameters.prefix(1)).isEmpty else { return }
    matmul.pass = .backwardWeight
    matmul.hasBias = false
    let left = recipe.quantizes ? columnGradient(out, outShape) : operand
    let right =
      recipe.quantizes
      ? columnOperand(node.inputs[0])
      : inActivationFormat(need(node.inputs[0]), input, .backwardInput)
    emitWeightProduct(
      .groupedMatmul(matmul, experts: experts), of: node.parameters[0],
      inputs: [left, right, routing])
  }
}
