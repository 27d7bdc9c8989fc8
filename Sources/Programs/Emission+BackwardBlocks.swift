extension Emission {
  // MARK: Attention

  func backwardSplits(_ node: Node) {
    let outs = node.outputs.map(gradient)
    switch node.kind {
    case .splitHeads(let shape):
      let fresh = gradientBuffer(node.inputs[0])
      emit(.splitHeads(shape, .backwardInput), outputs: [fresh], inputs: outs, .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .rotate(let heads, let size):
      let fresh = gradientBuffer(node.inputs[0])
      emit(
        .rotate(tokens: lowering.setting.tokens, heads: heads, headSize: size, .backwardInput),
        outputs: [fresh], inputs: outs, .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .assembleLatent(let shape):
      let parts = node.inputs[..<2].map { gradientBuffer($0) }
      let rotary = lowering.temporary(
        "rotary key gradient", .fixed(shape.tokens), shape.rope, recipe.activation)
      emit(
        .assembleLatent(shape, .backwardInput), outputs: parts + [rotary], inputs: outs,
        .backwardInput)
      for (part, input) in zip(parts, node.inputs) { contribute(part, to: input) }
      rotaryGradients[node.inputs[2].index] = rotary
    case .splitLatent(let shape):
      let fresh = gradientBuffer(node.inputs[0])
      let rotary = rotaryGradients[node.inputs[0].index].map { [$0] } ?? []
      emit(
        .splitLatent(shape, .backwardInput), outputs: [fresh], inputs: outs + rotary,
        .backwardInput)
      contribute(fresh, to: node.inputs[0])
    default: break
    }
  }

  func backwardAttention(_ node: Node, _ index: Int) {
    guard case .attention(let shape, let fused, let dropout) = node.kind else { return }
    let out = gradient(node.outputs[0])
    let inputs = node.inputs.map(need)
    waitFor([out] + inputs)
    let fresh = node.inputs.map { gradientBuffer($0) }
    if fused {
      let (attended, sums) = attendedAgain(node, index, shape, inputs)
      let elements = lowering.setting.tokens * shape.heads
      removePadding(shape, ofGradient: out)
      if isDeviceProgram {
        // A pass over the result and its gradient in front, which clears the query gradient's sums of 32 bits;
        // a cast of these behind.
        let sum = lowering.temporary(
          "attention row sums", .fixed(elements), 1, .float32, .workspace)
        emit(
          .convert(
            .attentionPrepare, rows: .fixed(elements),
            columns: shape.computedValueSize + shape.computedQuerySize, from: recipe.activation,
            to: .float32),
          outputs: [sum], inputs: [out, attended],
          .backwardInput)
        emitFusedCoreBackward(
          node, shape, gradients: fresh, out: out, inputs: inputs,
          kept: [attended] + sums + [sum])
        if recipe.activation != .float32 {
          emit(
            .convert(
              .attentionConvert, rows: .fixed(elements), columns: shape.computedQuerySize,
              from: .float32, to: recipe.activation), outputs: [fresh[0]], inputs: [fresh[0]],
            .backwardInput)
        }
      } else {
        emitFusedCoreBackward(
          node, shape, gradients: fresh, out: out, inputs: inputs, kept: [attended] + sums)
      }
      restorePadding(shape, ofGradients: fresh)
    } else {
      backwardUnfused(node, index, shape, dropout, out, inputs, fresh)
    }
    for (part, input) in zip(fresh, node.inputs) { contribute(part, to: input) }
  }

  /// What the fused core gave, and the logarithms of its sums: as the forward left them, or of the core run
  /// again.
  ///
  /// With selective recomputation the projection behind keeps its input as ever, and only what the core
  /// itself would have kept is formed again, result included (Megatron-LM, `CoreAttention` under
  /// `checkpoint`).
  private func attendedAgain(
    _ node: Node, _ index: Int, _ shape: AttentionShape, _ inputs: [BufferID]
  ) -> (attended: BufferID, sums: [BufferID]) {
    guard lowering.setting.recomputation.modules.contains(.attentionCore) else {
      return (need(node.outputs[0]), auxiliaries(index))
    }
    let attended = lowering.like(node.outputs[0], ", again")
    let sums = lowering.makeAuxiliaries(of: index)
    isRecomputing = true
    removePadding(shape, in: inputs)
    emitFusedCore(node, shape, outputs: [attended] + sums, inputs: inputs)
    restorePadding(shape, of: attended)
    isRecomputing = false
    return (attended, sums)
  }

  /// The unfused core keeps its probabilities, or forms them again (selective recomputation).
  private func backwardUnfused(
    _ node: Node, _ index: Int, _ shape: AttentionShape, _ dropout: Bool, _ out: BufferID,
    _ inputs: [BufferID], _ fresh: [BufferID]
  ) {
    var saved =
      lowering.setting.recomputation.modules.contains(.attentionCore) ? [] : auxiliaries(index)
    let elements =
      Double(shape.sequences) * Double(shape.heads) * Double(shape.queries) * Double(shape.keys)
    let size = Double(recipe.activation.bytes(columns: 1))
    if saved.isEmpty {
      saved = lowering.makeAuxiliaries(of: index)
      isRecomputing = true
      emit(
        .attention(shape, fused: false, .forward), outputs: [saved[0]], inputs: inputs, .forward)
      emitScores(shape, dropout: dropout, saved, inputs)
      isRecomputing = false
    }
    emit(
      .attention(shape, fused: false, .backwardInput), outputs: fresh,
      inputs: [out] + inputs + saved, .backwardInput)
    if dropout {
      emit(
        .scores(shape, .dropout, elements: elements, bytesPerElement: 2 * size + 1), outputs: [],
        inputs: saved, .backwardInput)
    }
    emit(
      .scores(shape, .softmax, elements: elements, bytesPerElement: 3 * size), outputs: [],
      inputs: saved, .backwardInput)
  }

  // MARK: Experts

  func backwardExperts(_ node: Node) {
    switch node.kind {
    case .route(let shape):
      guard let weights = gradients[node.outputs[0].index] else { return }
      let saved = node.outputs.map(need)
      let fresh = lowering.like(node.inputs[0], " gradient")
      emit(
        .route(shape, .backwardInput), outputs: [fresh], inputs: [weights] + saved,
        .backwardInput)
      if isDeviceProgram {
        emit(
          .launches(count: 24, .routing, rows: .fixed(shape.tokens)), outputs: [], inputs: [],
          .backwardInput)
      }
      gradients[node.inputs[0].index] = fresh
    case .unpermute(let exchange):
      let out = gradient(node.outputs[0])
      let routing = need(node.inputs[1])
      // What arrives in FP8 is moved as it is.
      let format = lowering.buffers[Int(out.index)].format
      let fresh = lowering.like(node.inputs[0], " gradient", format: format)
      emit(
        .unpermute(
          exchange: exchange, columns: value(node.inputs[0]).columns, .backwardInput),
        outputs: [fresh], inputs: [out, routing], .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .permute(let exchange): backwardPermute(node, exchange)
    case .combine(let exchange): backwardCombine(node, exchange)
    case .dispatch(let exchange, _, let bytesPerRow):
      backwardDispatch(node, exchange, bytesPerRow)
    default: break
    }
  }

  private func backwardPermute(_ node: Node, _ exchange: Int) {
    let out = gradient(node.outputs[0])
    let routing = need(node.inputs[1])
    let source = value(node.inputs[0])
    let fresh = gradientBuffer(node.inputs[0])
    let weights = lowering.temporary(
      "weight gradients", source.rows, graph.weightColumns[exchange], .float32)
    let routed = weightGradients[exchange].map { [$0] } ?? []
    emit(
      .permute(exchange: exchange, columns: source.columns, .backwardInput),
      outputs: [fresh, weights], inputs: [out] + routed + [routing], .backwardInput)
    contribute(fresh, to: node.inputs[0])
    gradients[node.inputs[1].index] = weights
  }

  private func backwardCombine(_ node: Node, _ exchange: Int) {
    let out = gradient(node.outputs[0])
    let routing = need(node.inputs[1])
    let shape = value(node.outputs[0])
    let source = dispatchedGradient(out, shape)
    let fresh = lowering.like(
      node.inputs[0], " gradient", format: recipe.dispatch)
    let staging = stagingBuffers([(.sent(exchange: exchange), shape.columns)])
    start(
      .combineBackward(exchange: exchange), outputs: [fresh] + staging, inputs: [source, routing],
      stream: .expert, bytesPerRow: recipe.dispatch.bytes(columns: shape.columns),
      rows: shape.rows, .backwardInput)
    flushWeights()
    gradients[node.inputs[0].index] = fresh
  }

  private func backwardDispatch(_ node: Node, _ exchange: Int, _ bytesPerRow: Int) {
    let out = inFormat(
      recipe.combine, gradient(node.outputs[0]), value(node.outputs[0]), .backwardInput)
    let weights = gradient(node.outputs[1])
    // Rows of experts go back the way they came.
    let routing = lowering.setting.sendsRowsOfExperts ? [] : [need(node.inputs[1])]
    let fresh = gradientBuffer(node.inputs[0])
    let chosen = graph.weightColumns[exchange]
    let rows = value(node.inputs[0]).rows
    let weightsBack = lowering.temporary("token weight gradients", rows, chosen, .float32)
    let width = value(node.inputs[0]).columns + chosen
    let staging = stagingBuffers(
      [(.received(exchange: exchange), width), (.sent(exchange: exchange), width)])
    start(
      .dispatchBackward(exchange: exchange), outputs: [fresh, weightsBack] + staging,
      inputs: [out, weights] + routing, stream: .expert, bytesPerRow: bytesPerRow,
      rows: value(node.outputs[0]).rows, .backwardInput)
    flushWeights()
    contribute(fresh, to: node.inputs[0])
    gradients[node.inputs[1].index] = weightsBack
  }

  // MARK: Tensor and context parallelism

  func backwardCollective(_ node: Node) {
    if gathersGradientInFloat8(node) { return gatherGradientInFloat8(node) }
    let out = gradient(node.outputs[0])
    let shape = value(node.outputs[0])
    let bytes = recipe.activation.bytes(columns: shape.columns)
    switch node.kind {
    case .reduceFromTensor, .joinRows:
      gradients[node.inputs[0].index] = out
      return
    case .gatherSequence where leaving[out] != nil:
      let fresh = gradientBuffer(node.inputs[0])
      addChunks(of: out, into: fresh, shape, .backwardInput)
      flushWeights()
      contribute(fresh, to: node.inputs[0])
    case .scatterSequence where gathersGradientInChunks(node):
      let fresh = gradientBuffer(node.inputs[0])
      gatherInChunks(out, into: fresh, shape, .backwardInput)
      flushWeights()
      contribute(fresh, to: node.inputs[0])
    case .gatherSequence:
      layTogether(out, columns: shape.columns, .backwardInput)
      gradientCollective(.reduceScatter(.tensor), node, out, bytes, shape.rows, .tensor)
    case .scatterSequence, .ownRows:
      gradientCollective(.allGather(.tensor), node, out, bytes, shape.rows, .tensor)
    case .copyToTensor:
      gradientCollective(.allReduce(.tensor), node, out, bytes, shape.rows, .tensor)
    default:
      let sum =
        lowering.setting.repeatsKeyHeads ? Format.float32.bytes(columns: shape.columns) : bytes
      gradientCollective(.reduceScatter(.context), node, out, sum, shape.rows, .context)
    }
  }

  private func gradientCollective(
    _ kind: TransferKind, _ node: Node, _ out: BufferID, _ bytes: Int, _ rows: Rows,
    _ stream: Stream
  ) {
    let fresh = gradientBuffer(node.inputs[0])
    exchangeGradient(
      kind, outputs: [fresh], inputs: [out], stream: stream, bytesPerRow: bytes, rows: rows)
    if case .allGather(.tensor) = kind {
      layTogether(fresh, columns: value(node.inputs[0]).columns, .backwardInput)
    }
    contribute(fresh, to: node.inputs[0])
  }

  /// Starts a gradient's exchange and puts the weight products that it may hide behind it.
  func exchangeGradient(
    _ kind: TransferKind, outputs: [BufferID], inputs: [BufferID], stream: Stream,
    bytesPerRow: Int, rows: Rows
  ) {
    start(
      kind, outputs: outputs, inputs: inputs, stream: stream, bytesPerRow: bytesPerRow,
      rows: rows, .backwardInput)
    if stream == .tensor, !lowering.setting.overlapsTensorExchange { waitFor(outputs) }
    flushWeights()
  }

  // MARK: Expert-tensor parallelism

  /// The gradients of gathered tokens are summed over the slices of their experts, and so are those of
  /// their weights.
  func backwardGatherTokens(_ node: Node, _ exchange: Int) {
    let (out, weights) = (gradient(node.outputs[0]), gradient(node.outputs[1]))
    let source = value(node.inputs[0])
    let chosen = graph.weightColumns[exchange]
    let fresh = gradientBuffer(node.inputs[0])
    let weightsBack = lowering.temporary("weight gradients, summed", source.rows, chosen, .float32)
    let bytes =
      recipe.activation.bytes(columns: source.columns) + Format.float32.bytes(columns: chosen)
    exchangeGradient(
      .reduceScatter(.expertTensor), outputs: [fresh, weightsBack], inputs: [out, weights],
      stream: .tensor, bytesPerRow: bytes, rows: value(node.outputs[0]).rows)
    contribute(fresh, to: node.inputs[0])
    gradients[node.inputs[1].index] = weightsBack
  }

  /// Every slice of an expert needs the gradients of all tokens, in the format in which they arrived.
  func backwardScatterTokens(_ node: Node) {
    let out = gradient(node.outputs[0])
    let shape = value(node.outputs[0])
    let format = lowering.buffers[Int(out.index)].format
    let fresh = lowering.like(node.inputs[0], " gradient", format: format)
    exchangeGradient(
      .allGather(.expertTensor), outputs: [fresh], inputs: [out], stream: .tensor,
      bytesPerRow: format.bytes(columns: shape.columns), rows: shape.rows)
    contribute(fresh, to: node.inputs[0])
  }
}
