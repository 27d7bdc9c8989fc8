/// FP8 with scales that do not belong to blocks of rows: casts in both directions at once, norms that write
/// FP8, and gathers in FP8.
///
/// Source: TransformerEngine 1.x, `pytorch/module/linear.py`, `layernorm_linear.py`, `base.py`
/// (`grad_output_preprocess`): inputs and gradients are cast and transposed in one kernel; of a norm's output
/// the rows are kept and transposed in the backward; a tensor group gathers both in FP8.
extension Emission {
  // MARK: Casts

  /// Casts rows, and in the same pass columns.
  func castBothWays(
    _ buffer: BufferID, into rows: BufferID, _ columns: BufferID, _ shape: Value,
    _ half: Programs.Pass
  ) {
    findScale(of: buffer, shape, half)
    emit(
      .convert(
        .castTranspose, rows: shape.rows, columns: shape.columns,
        from: lowering.buffers[Int(buffer.index)].format, to: recipe.float8),
      outputs: [rows, columns], inputs: [buffer], half)
    quantizedRows[buffer] = rows
    quantizedColumns[buffer] = columns
  }

  /// A tensor whose scale is its own is read for it first.
  func findScale(of buffer: BufferID, _ shape: Value, _ half: Programs.Pass) {
    findScale(of: buffer, rows: shape.rows, columns: shape.columns, half)
  }

  func findScale(
    of buffer: BufferID, rows: Rows, columns: Int, _ half: Programs.Pass
  ) {
    guard recipe.scaling == .current else { return }
    emit(
      .convert(
        .greatestMagnitude, rows: rows, columns: columns,
        from: lowering.buffers[Int(buffer.index)].format, to: .float32), outputs: [],
      inputs: [buffer], half)
  }

  /// Where the columns of a product's input are written beside its rows; nil where nobody reads them, as in
  /// a forward that is run again.
  func columnTarget(of id: ValueID) -> BufferID? {
    guard recipe.castsBothWays else { return nil }
    return isForward
      ? lowering.columnBufferIfNeeded(origin(of: id))
      : lowering.like(id, ", transposed", format: recipe.float8)
  }

  /// Where the columns of a gradient are written.
  func columnTarget(ofGradient shape: Value) -> BufferID {
    lowering.temporary(
      "\(shape.name) gradient, transposed", shape.rows, shape.columns, recipe.float8)
  }

  /// A product's input in columns: as the forward's cast left them, of rows that it kept, or cast now.
  func castColumns(of id: ValueID) -> BufferID {
    let origin = origin(of: id)
    let producer = graph.nodes[value(origin).producer]
    let isKept = live[origin.index] == nil && !producer.isRecomputed && !producer.isRerun
    if isKept, recipe.linearInput == recipe.float8 {
      let keepsRows = writesFloat8(producer) || isGatheredAsFloat8(origin)
      guard keepsRows else { return lowering.columnBuffer(origin) }
      return columns(of: lowering.quantizedBuffer(origin), id)
    }
    return columns(of: need(id), id)
  }

  private func columns(of source: BufferID, _ id: ValueID) -> BufferID {
    // Rows that are gathered again may still be under way.
    waitFor([source])
    return quantizedColumn(of: source, value(id)) {
      lowering.like(id, ", transposed", format: recipe.float8)
    }
  }

  /// The value whose buffer stands for this one.
  private func origin(of id: ValueID) -> ValueID {
    let producer = graph.nodes[value(id).producer]
    switch producer.kind {
    case .copyToTensor: return origin(of: producer.inputs[0])
    default: return id
    }
  }

  /// A weight in columns: the copy that is made once in a step, for which the working copy stands, or cast
  /// from what was gathered.
  func columnWeight(_ id: ParameterID, _ half: Programs.Pass) -> BufferID {
    let parameter = lowering.parameters[id.index]
    let isGathered = lowering.shardsParameter(id)
    if recipe.keepsQuantizedWeights, parameter.isLinearWeight, !isGathered {
      return parameterBuffer(id)
    }
    let source = parameterBuffer(id)
    if let made = quantizedColumns[source] { return made }
    let rows = Rows.fixed(parameter.rows)
    let out = lowering.temporary(
      "weight, transposed", rows, parameter.columns, recipe.float8, .workspace)
    findScale(of: source, rows: rows, columns: parameter.columns, half)
    emit(
      .convert(
        .quantizeTranspose, rows: rows, columns: parameter.columns,
        from: lowering.buffers[Int(source.index)].format, to: recipe.float8), outputs: [out],
      inputs: [source], half)
    quantizedColumns[source] = out
    return out
  }

  // MARK: Norms

  func forwardNorm(
    _ node: Node, _ index: Int, _ epsilon: Float, centred: Bool, _ inputs: [BufferID],
    _ out: BufferID
  ) {
    let shape = value(node.outputs[0])
    let kernel: Kernel
    var written = out
    if writesFloat8(node) {
      written = writtenInFloat8(node.outputs[0])
      kernel = .quantizedNorm(
        rows: shape.rows, columns: shape.columns, epsilon: epsilon, centred: centred)
    } else {
      kernel = .norm(
        rows: shape.rows, columns: shape.columns, epsilon: epsilon, centred: centred, .forward)
    }
    emit(
      kernel, outputs: [written] + outputAuxiliaries(index),
      inputs: inputs + node.parameters.map(parameterBuffer), .forward)
  }

  /// Whether a norm's kernel writes FP8 at once: its scale is known, and FP8 products alone read it.
  func writesFloat8(_ node: Node) -> Bool {
    guard case .norm = node.kind else { return false }
    // A norm that is run again by itself is, for want of a product that is, run again in 16 bits.
    return recipe.scaling == .delayed && lowering.setting.fusesCasts
      && (!node.isRecomputed || node.isRerun) && recipe.linearInput == recipe.float8
      && isReadInFloat8Alone(node.outputs[0])
  }

  /// The rows that a norm of the forward wrote in FP8 alone; nil where it did not.
  func keptInFloat8(_ id: ValueID) -> BufferID? {
    guard writesFloat8(graph.nodes[value(id).producer]) else { return nil }
    let rows = lowering.quantizedBuffer(id)
    quantizedRows[rows] = rows
    return rows
  }

  private func isReadInFloat8Alone(_ id: ValueID) -> Bool {
    let readers = graph.nodes.filter { $0.inputs.contains(id) }
    return !readers.isEmpty
      && readers.allSatisfy { reader in
        switch reader.kind {
        case .linear(let format, _, _): format.isFloat8
        case .copyToTensor: isReadInFloat8Alone(reader.outputs[0])
        case .gatherSequence: gathersFloat8(reader)
        default: false
        }
      }
  }

  /// What a kernel writes in FP8 in place of a value of this pass, which FP8 products alone read.
  func writtenInFloat8(_ id: ValueID) -> BufferID {
    let written = quantizedTarget(of: id)
    live[id.index] = written
    quantizedRows[written] = written
    return written
  }

  // MARK: Gathers over a tensor group

  /// Whether rows of the sequence are gathered in FP8: FP8 products alone read them.
  func gathersFloat8(_ node: Node) -> Bool {
    guard case .gatherSequence = node.kind, recipe.tensorGather.isFloat8 else { return false }
    return isReadInFloat8Alone(node.outputs[0])
  }

  /// Whether rows of a value are gathered in FP8, and kept so.
  private func isGatheredAsFloat8(_ id: ValueID) -> Bool {
    recipe.tensorGather.isFloat8
      && graph.nodes.contains { $0.inputs.contains(id) && gathersFloat8($0) }
  }

  /// What is gathered has one scale, on which the tensor group agrees where it is the tensor's own
  /// (TransformerEngine, `Float8CurrentScalingQuantizer` with `with_amax_reduction`); none else.
  func agreedScale(
    of buffer: BufferID, _ shape: Value, _ half: Programs.Pass
  ) -> [BufferID] {
    guard recipe.scaling == .current else { return [] }
    let greatest = lowering.temporary(
      "greatest magnitude", .fixed(1), 1, .float32, .communication)
    emit(
      .convert(
        .greatestMagnitude, rows: shape.rows, columns: shape.columns,
        from: lowering.buffers[Int(buffer.index)].format, to: .float32), outputs: [greatest],
      inputs: [buffer], half)
    start(
      .allReduce(.tensor), outputs: [greatest], inputs: [greatest], stream: .tensor,
      bytesPerRow: 4, rows: .fixed(1), half)
    return [greatest]
  }

  /// Gathers this rank's rows as its cast left them.
  func gatherFloat8(_ node: Node) {
    let input = rowsToGather(node.inputs[0])
    let shape = value(node.inputs[0])
    let out = lowering.like(node.outputs[0], ", gathered in FP8", format: recipe.float8)
    live[node.outputs[0].index] = out
    quantizedRows[out] = out
    if gathersInChunks(node) { return gatherInChunks(input, into: out, shape, .forward) }
    start(
      .allGather(.tensor), outputs: [out], inputs: [input], stream: .tensor,
      bytesPerRow: recipe.float8.bytes(columns: shape.columns), rows: shape.rows, .forward)
    layTogether(out, columns: shape.columns, .forward)
  }

  /// This rank's rows in FP8: in a backward those that the forward gathered, where they were kept.
  private func rowsToGather(_ id: ValueID) -> BufferID {
    let producer = graph.nodes[value(id).producer]
    let isKept = live[id.index] == nil && !producer.isRecomputed && !producer.isRerun
    if !isForward, isKept { return lowering.quantizedBuffer(id) }
    let buffer = need(id)
    if let made = quantizedRows[buffer], hasRows(of: value(id), made) { return made }
    let out = quantizedTarget(of: id)
    quantize(buffer, into: out, value(id), .forward, isGathered: true)
    return out
  }

  /// Whether the gradient behind a row-parallel product is gathered in FP8.
  func gathersGradientInFloat8(_ node: Node) -> Bool {
    guard case .scatterSequence = node.kind, recipe.tensorGather.isFloat8,
      case .linear(let format, _, _) = graph.nodes[value(node.inputs[0]).producer].kind
    else { return false }
    return format.isFloat8
  }

  /// Casts this rank's rows of a gradient and gathers those of all.
  func gatherGradientInFloat8(_ node: Node) {
    let shape = value(node.outputs[0])
    let own = gradient(node.outputs[0])
    let rows = quantizedTarget(ofGradient: shape)
    quantize(own, into: rows, shape, .backwardInput, isGathered: true)
    let fresh = lowering.like(node.inputs[0], " gradient", format: recipe.float8)
    if gathersGradientInChunks(node) {
      gatherInChunks(rows, into: fresh, shape, .backwardInput)
      flushWeights()
    } else {
      exchangeGradient(
        .allGather(.tensor), outputs: [fresh], inputs: [rows], stream: .tensor,
        bytesPerRow: recipe.float8.bytes(columns: shape.columns), rows: shape.rows)
      layTogether(fresh, columns: shape.columns, .backwardInput)
    }
    contribute(fresh, to: node.inputs[0])
  }

  /// Whether what lies there came from other ranks in FP8, to be read as it is.
  func isGatheredInFloat8(_ buffer: BufferID) -> Bool {
    recipe.castsBothWays && lowering.buffers[Int(buffer.index)].format == recipe.float8
  }
}
