extension Emission {
  /// The fused core, or one a block where keys and values go around a ring.
  ///
  /// Every block is sent on while this rank attends to it, and its result is added to that of the blocks
  /// before, rescaled by the logarithms of their sums.
  func emitFusedCore(
    _ node: Node, _ shape: AttentionShape, outputs: [BufferID], inputs: [BufferID]
  ) {
    guard shape.ringRanks > 1 else {
      repeatHeads(shape, Array(inputs.dropFirst()), .forward)
      emit(
        .attention(shape, fused: true, .forward), outputs: outputs,
        inputs: inputs + node.parameters.map(parameterBuffer), .forward)
      mergeBlocks(shape, into: outputs[0])
      return
    }
    let attended = value(node.outputs[0])
    var block = Array(inputs[1...])
    copyKeysAndValues(block, node, rows: value(node.inputs[1]).rows, .forward)
    clearMerged(outputs[0], attended, .forward)
    for (step, size) in shape.ringBlocks.enumerated() {
      let next = step == shape.ringRanks - 1 ? [] : passedOn(block, node, .forward)
      if step > 0 { copyHalf(block, node, size, .forward) }
      var part = outputs
      if step > 0 {
        part = [
          lowering.like(node.outputs[0], ", of a block"),
          lowering.temporary(
            "logarithms of sums, of a block",
            .fixed(shape.sequences * shape.heads * shape.queries), 1, .float32),
        ]
      }
      emit(
        .attention(size, fused: true, .forward), outputs: part, inputs: [inputs[0]] + block,
        .forward)
      if step > 0 || isDeviceProgram {
        emit(
          .add(rows: attended.rows, columns: attended.columns, terms: 2), outputs: outputs,
          inputs: outputs + part, .forward)
      }
      block = next
    }
  }

  /// The backward of the fused core, or of one a block: blocks go around once more, and behind them the
  /// gradients of their keys and values, to which every rank adds its own, back to where they belong.
  ///
  /// - Parameter kept: what the forward gave and kept.
  func emitFusedCoreBackward(
    _ node: Node, _ shape: AttentionShape, gradients: [BufferID], out: BufferID,
    inputs: [BufferID], kept: [BufferID]
  ) {
    guard shape.ringRanks > 1 else {
      repeatHeadsAgain(node, shape, Array(inputs.dropFirst()))
      emit(
        .attention(shape, fused: true, .backwardInput),
        outputs: gradients + trained(node.parameters).map(gradientBuffer),
        inputs: [out] + inputs + kept, .backwardInput)
      addBlockGradients(shape, on: gradients)
      // The gradients of all copies of a head are added up: as many bytes.
      repeatHeads(shape, Array(gradients.dropFirst()), .backwardInput)
      return
    }
    var block = Array(inputs[1...])
    var arriving: [BufferID] = []
    copyKeysAndValues(block, node, rows: value(node.inputs[1]).rows, .backwardInput)
    for (step, size) in shape.ringBlocks.enumerated() {
      let isLast = step == shape.ringRanks - 1
      let next = isLast ? [] : passedOn(block, node, .backwardInput)
      if step > 0 { copyHalf(block, node, size, .backwardInput) }
      let part =
        [step == 0 ? gradients[0] : gradientBuffer(node.inputs[0])]
        + node.inputs[1...].map { gradientBuffer($0) }
      emit(
        .attention(size, fused: true, .backwardInput), outputs: part,
        inputs: [out, inputs[0]] + block + kept, .backwardInput)
      if step > 0 {
        addPart(part[0], to: gradients[0], of: node.inputs[0], rows: size.queries * size.sequences)
        for (index, came) in arriving.enumerated() {
          addPart(
            came, to: part[1 + index], of: node.inputs[1 + index],
            rows: size.keys * size.sequences)
        }
      }
      arriving = isLast ? Array(gradients[1...]) : node.inputs[1...].map { gradientBuffer($0) }
      shift(Array(part[1...]), to: arriving, node, .backwardInput)
      block = next
    }
    flushWeights()
  }

  /// Copies keys and values into one buffer that travels, or the half of a block that is attended to into rows that
  /// lie in one piece.
  ///
  /// Source: TransformerEngine 1.11, `pytorch/attention.py`, `AttnFuncWithCPAndKVP2P`: `torch.cat` in front of the
  /// forward, `copy_` in front of the backward, `contiguous` of the first half of every block of an earlier rank.
  private func copyKeysAndValues(
    _ block: [BufferID], _ node: Node, rows: Rows, _ half: Programs.Pass
  ) {
    guard isDeviceProgram else { return }
    for (buffer, input) in zip(block, node.inputs[1...]) {
      let shape = value(input)
      emit(
        .convert(
          .copy, rows: rows, columns: shape.columns, from: shape.format, to: shape.format),
        outputs: [buffer], inputs: [buffer], half)
    }
  }

  private func copyHalf(
    _ block: [BufferID], _ node: Node, _ size: AttentionShape, _ half: Programs.Pass
  ) {
    copyKeysAndValues(block, node, rows: .fixed(size.sequences * size.keys), half)
  }

  /// Fills the sum of blocks with zeros, to which every block is added, the rank's own too (the same,
  /// `flash_attn_fwd_out_correction`).
  private func clearMerged(_ sum: BufferID, _ shape: Value, _ half: Programs.Pass) {
    guard isDeviceProgram, case .fixed(let rows) = shape.rows else { return }
    let bytes = rows * shape.format.bytes(columns: shape.columns)
    emit(
      .clear(elements: bytes / recipe.gradient.bytes(columns: 1)), outputs: [sum], inputs: [], half)
  }

  /// Starts to send a block of keys and values on; gives where the one of the rank before arrives.
  private func passedOn(_ block: [BufferID], _ node: Node, _ half: Programs.Pass) -> [BufferID] {
    let next = node.inputs[1...].map { lowering.like($0, ", passed on") }
    shift(block, to: next, node, half)
    return next
  }

  /// Keys and values, or their gradients, travel together.
  private func shift(
    _ sent: [BufferID], to received: [BufferID], _ node: Node, _ half: Programs.Pass
  ) {
    let bytes = sent.reduce(0) { sum, id in
      let buffer = lowering.buffers[Int(id.index)]
      return sum + buffer.bytesPerRow
    }
    start(
      .shift(.context), outputs: received, inputs: sent, stream: .context, bytesPerRow: bytes,
      rows: value(node.inputs[1]).rows, half)
  }

  private func addPart(_ part: BufferID, to sum: BufferID, of id: ValueID, rows: Int) {
    emit(
      .add(rows: .fixed(rows), columns: value(id).columns, terms: 2), outputs: [sum],
      inputs: [sum, part], .backwardInput)
  }
}
