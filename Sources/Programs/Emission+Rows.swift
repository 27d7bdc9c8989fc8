/// The orders of rows around a dispatch that sends a row to each expert.
extension Emission {
  func forwardRows(_ node: Node) {
    switch node.kind {
    case .arrange(let chosen):
      let source = dispatchOperand(node.inputs[0])
      let routing = need(node.inputs[1])
      if isDeviceProgram {
        emit(
          .launches(count: 2, .index, rows: .fixed(chosen.tokens)), outputs: [],
          inputs: [routing], .forward)
      }
      emit(
        .arrange(chosen, .forward), outputs: node.outputs.map(outputBuffer),
        inputs: [source, routing], .forward)
    case .collect(let chosen):
      let back = need(node.inputs[0])
      emit(
        .collect(chosen, .forward), outputs: node.outputs.map(outputBuffer), inputs: [back],
        .forward)
    case .sortRows:
      sort(
        need(node.inputs[0]), into: outputBuffer(node.outputs[0]), value(node.inputs[0]), .forward)
    default: break
    }
  }

  func backwardRows(_ node: Node) {
    let out = gradient(node.outputs[0])
    switch node.kind {
    case .arrange(let chosen):
      let fresh = gradientBuffer(node.inputs[0])
      let weights = lowering.temporary(
        "routing weights' gradients", .fixed(chosen.tokens), chosen.chosen, .float32)
      emit(
        .arrange(chosen, .backwardInput), outputs: [fresh, weights],
        inputs: [out, gradient(node.outputs[1]), need(node.inputs[1])], .backwardInput)
      contribute(fresh, to: node.inputs[0])
      gradients[node.inputs[1].index] = weights
    case .collect(let chosen):
      let source = dispatchedGradient(out, value(node.outputs[0]))
      let fresh = lowering.like(node.inputs[0], " gradient", format: recipe.dispatch)
      emit(
        .collect(chosen, .backwardInput), outputs: [fresh], inputs: [source], .backwardInput)
      contribute(fresh, to: node.inputs[0])
    case .sortRows:
      let format = lowering.buffers[Int(out.index)].format
      let fresh = lowering.like(node.inputs[0], " gradient", format: format)
      sort(out, into: fresh, value(node.outputs[0]), .backwardInput)
      contribute(fresh, to: node.inputs[0])
    default: break
    }
  }

  /// A gradient in the format in which a combine's way back sends it.
  func dispatchedGradient(_ buffer: BufferID, _ shape: Value) -> BufferID {
    if lowering.buffers[Int(buffer.index)].format == recipe.dispatch { return buffer }
    return recipe.dispatch.isFloat8
      ? quantizedGradient(buffer, shape)
      : inFormat(recipe.dispatch, buffer, shape, .backwardInput)
  }

  private func sort(
    _ source: BufferID, into out: BufferID, _ shape: Value, _ half: Programs.Pass
  ) {
    let formats = [source, out].map { lowering.buffers[Int($0.index)].format }
    emit(
      .convert(
        .permute, rows: shape.rows, columns: shape.columns, from: formats[0], to: formats[1]),
      outputs: [out], inputs: [source], half)
  }
}
