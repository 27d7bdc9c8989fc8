import Models

/// Changes of format around products, exchanges and the ends of a stage.
extension Emission {
  /// A value's or a gradient's buffer in another format: itself, or a copy made once in this pass.
  func inFormat(
    _ format: Format, _ buffer: BufferID, _ shape: Value, _ half: Programs.Pass
  ) -> BufferID {
    let from = lowering.buffers[Int(buffer.index)].format
    if from == format { return buffer }
    if let made = converted[buffer], hasRows(of: shape, made),
      lowering.buffers[Int(made.index)].format == format
    {
      return made
    }
    let out = lowering.temporary(
      "\(shape.name), converted", shape.rows, shape.columns, format)
    emit(
      .convert(
        from.conversion(to: format), rows: shape.rows, columns: shape.columns, from: from,
        to: format), outputs: [out], inputs: [buffer], half)
    converted[buffer] = out
    return out
  }

  /// Whether a copy holds all rows of a value: where ranks route parts of what all of them hold, a buffer
  /// stands for the whole and for the part.
  func hasRows(of shape: Value, _ copy: BufferID) -> Bool {
    lowering.buffers[Int(copy.index)].rows == shape.rows
  }

  /// The same in the format of activations, which kernels that are no products read and write.
  func inActivationFormat(
    _ buffer: BufferID, _ shape: Value, _ half: Programs.Pass
  ) -> BufferID {
    inFormat(recipe.activation, buffer, shape, half)
  }

  /// What arrives from the stage before, where it travels in another format than kernels read.
  func forwardInput(_ node: Node) {
    guard let arrived = lowering.input, recipe.pipelineSend != recipe.activation else { return }
    let shape = value(node.outputs[0])
    emit(
      .convert(
        recipe.pipelineSend.conversion(to: shape.format), rows: shape.rows, columns: shape.columns,
        from: recipe.pipelineSend, to: shape.format), outputs: [outputBuffer(node.outputs[0])],
      inputs: [arrived], .forward)
  }

  /// The gradient that leaves for the stage before, likewise.
  func backwardInput(_ node: Node) {
    guard let leaving = lowering.inputGradient, recipe.pipelineSend != recipe.activation else {
      return
    }
    let shape = value(node.outputs[0])
    emit(
      .convert(
        recipe.activation.conversion(to: recipe.pipelineSend), rows: shape.rows,
        columns: shape.columns, from: recipe.activation, to: recipe.pipelineSend),
      outputs: [leaving], inputs: [gradient(node.outputs[0])], .backwardInput)
  }

  // MARK: Weights

  /// A weight as a product reads it: the working copy, or what is made of it once in a pass.
  ///
  /// A stage that keeps FP8 copies has them made once in a step, behind the update; the working copy
  /// stands for its own.
  func operandWeight(_ id: ParameterID, _ product: Format, _ half: Programs.Pass) -> BufferID {
    let buffer = parameterBuffer(id)
    let parameter = lowering.parameters[id.index]
    let isGathered = lowering.shardsParameter(id)
    if product.isFloat8, recipe.keepsQuantizedWeights, parameter.isLinearWeight, !isGathered {
      return buffer
    }
    let held = isGathered ? recipe.gather : recipe.workingCopy(of: parameter)
    if held == product.stored { return buffer }
    if let made = convertedWeights[buffer] { return made }
    if product.isFloat8 {
      findScale(of: buffer, rows: .fixed(parameter.rows), columns: parameter.columns, half)
    }
    let out = lowering.temporary(
      "weight, converted", .fixed(parameter.rows), parameter.columns, product.stored, .workspace)
    emit(
      .convert(
        held.conversion(to: product.stored), rows: .fixed(parameter.rows),
        columns: parameter.columns, from: held, to: product.stored), outputs: [out],
      inputs: [buffer], half)
    convertedWeights[buffer] = out
    return out
  }

  /// The weight of a quantised product in the layout that it reads, made anew each time, but for a copy in
  /// columns that is made with the one in rows.
  func transposedWeight(_ id: ParameterID, _ half: Programs.Pass) -> BufferID {
    if recipe.castsBothWays { return columnWeight(id, half) }
    let weight = operandWeight(id, recipe.float8, half)
    let parameter = lowering.parameters[id.index]
    let out = lowering.temporary(
      "weight, transposed", .fixed(parameter.rows), parameter.columns, recipe.float8, .workspace)
    emit(
      .convert(
        .transpose, rows: .fixed(parameter.rows), columns: parameter.columns,
        from: recipe.float8, to: recipe.float8), outputs: [out], inputs: [weight], half)
    return out
  }

  // MARK: Operands

  /// The operand of a quantised product: rows in FP8, made once per pass.
  func quantizedOperand(_ id: ValueID, _ half: Programs.Pass) -> BufferID {
    let buffer = need(id)
    if let made = quantizedRows[buffer], hasRows(of: value(id), made) { return made }
    let out = quantizedTarget(of: id)
    if let columns = columnTarget(of: id) {
      castBothWays(buffer, into: out, columns, value(id), half)
    } else {
      quantize(buffer, into: out, value(id), half)
    }
    return out
  }

  /// What a value is quantised into.
  func quantizedTarget(of id: ValueID) -> BufferID {
    isForward
      ? lowering.quantizedBuffer(id) : lowering.like(id, ", quantised", format: recipe.float8)
  }

  /// Quantises a gradient in rows.
  func quantizedGradient(_ buffer: BufferID, _ shape: Value) -> BufferID {
    if let made = quantizedRows[buffer], hasRows(of: shape, made) { return made }
    if isGatheredInFloat8(buffer) { return buffer }
    let out = quantizedTarget(ofGradient: shape)
    if recipe.castsBothWays {
      castBothWays(buffer, into: out, columnTarget(ofGradient: shape), shape, .backwardInput)
    } else {
      quantize(buffer, into: out, shape, .backwardInput)
    }
    return out
  }

  /// What a gradient is quantised into.
  func quantizedTarget(ofGradient shape: Value) -> BufferID {
    lowering.temporary(
      "\(shape.name) gradient, quantised", shape.rows, shape.columns, recipe.float8)
  }

  /// The operand of a quantised product whose rows come in chunks: each is quantised by itself, unless all
  /// have been before.
  func operandInChunks(
    _ source: BufferID, _ shape: Value, into make: () -> BufferID
  ) -> ProductOperand {
    if let made = quantizedRows[source], hasRows(of: shape, made) {
      return ProductOperand(buffer: made)
    }
    if isGatheredInFloat8(source) { return ProductOperand(buffer: source) }
    let made = make()
    quantizedRows[source] = made
    return ProductOperand(buffer: made, quantizedFrom: source)
  }

  func quantize(
    _ buffer: BufferID, into out: BufferID, _ shape: Value, _ half: Programs.Pass,
    isGathered: Bool = false
  ) {
    let scale = isGathered ? agreedScale(of: buffer, shape, half) : []
    if scale.isEmpty { findScale(of: buffer, shape, half) }
    emit(
      .convert(
        .quantize, rows: shape.rows, columns: shape.columns,
        from: lowering.buffers[Int(buffer.index)].format, to: recipe.float8),
      outputs: [out], inputs: [buffer] + scale, half)
    if !recipe.castsBothWays { transposeScales(of: out, shape, half) }
    quantizedRows[buffer] = out
  }

  /// The scales of a product's left operand are wanted column by column.
  func transposeScales(of buffer: BufferID, _ shape: Value, _ half: Programs.Pass) {
    let block = recipe.scaleBlock
    emit(
      .convert(
        .transpose, rows: shape.rows, columns: (shape.columns + block - 1) / block,
        from: .float32, to: .float32), outputs: [buffer], inputs: [buffer], half)
  }

  /// A gradient quantised along its columns for a weight product.
  ///
  /// What is about to be overwritten is quantised at once; what arrived with scales stays as it is until
  /// the weight half.
  func columnGradient(_ buffer: BufferID, _ shape: Value) -> BufferID {
    quantizedColumn(of: buffer, shape) { columnTarget(ofGradient: shape) }
  }

  /// A product's input quantised along its columns: from what is at hand in this pass, else from the
  /// FP8 rows that the forward's product read, where the recipe keeps those.
  func columnOperand(_ id: ValueID) -> BufferID {
    if recipe.castsBothWays { return castColumns(of: id) }
    let shape = value(id)
    let isKept =
      live[id.index] == nil && !graph.nodes[shape.producer].isRecomputed
      && !graph.nodes[shape.producer].isRerun && shape.keptFormat == shape.format
    let keepsRows = recipe.linearInput == recipe.float8 && !shape.format.isFloat8
    let source = isKept && keepsRows ? lowering.quantizedBuffer(id) : need(id)
    return quantizedColumn(of: source, shape) {
      lowering.like(id, ", transposed", format: recipe.float8)
    }
  }

  func quantizedColumn(
    of source: BufferID, _ shape: Value, into make: () -> BufferID
  ) -> BufferID {
    if let made = quantizedColumns[source] { return made }
    let out = make()
    let from = lowering.buffers[Int(source.index)].format
    // One scale holds for rows and columns.
    let isMoved = from.isFloat8 && recipe.castsBothWays
    let kernel = Kernel.convert(
      isMoved ? .transpose : .quantizeTranspose, rows: shape.rows, columns: shape.columns,
      from: from, to: recipe.float8)
    if from.isScaled {
      emitWeight(kernel, outputs: [out], inputs: [source])
    } else {
      findScale(of: source, shape, .backwardInput)
      emit(kernel, outputs: [out], inputs: [source], .backwardInput)
    }
    quantizedColumns[source] = out
    return out
  }
}
