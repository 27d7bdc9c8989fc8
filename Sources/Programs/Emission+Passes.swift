extension Emission {
  /// Emits the forward of every node.
  func emitForward() {
    emitPrologue()
    if let output = graph.output, let target = lowering.output {
      bindOutput(output, to: target)
    }
    for index in graph.nodes.indices {
      current = graph.nodes[index]
      emitForward(of: index)
      for output in current.outputs {
        guard let kept = lowering.keptBufferIfNeeded(output) else { continue }
        let shape = value(output)
        emit(
          .convert(
            shape.format.conversion(to: shape.keptFormat), rows: shape.rows,
            columns: shape.columns, from: shape.format, to: shape.keptFormat), outputs: [kept],
          inputs: [need(output)], .forward)
      }
    }
    if let output = graph.output, let target = lowering.output, need(output) != target {
      let shape = value(output)
      let format = recipe.pipelineSend
      waitFor([need(output)])
      emit(
        .convert(
          format == shape.format ? .copy : shape.format.conversion(to: format), rows: shape.rows,
          columns: shape.columns, from: shape.format, to: format), outputs: [target],
        inputs: [need(output)], .forward)
    }
    gatherAhead()
    averageLoss()
    updateScales(.forward)
    waitForAll()
  }

  /// The stage's last value is written straight into the buffer that is sent on, unless a backward
  /// of this stage reads it too or it travels in another format.
  private func bindOutput(_ output: ValueID, to target: BufferID) {
    let shape = value(output)
    let isReadAgain = graph.nodes.contains { $0.inputs.contains(output) }
    if case .input = graph.nodes[shape.producer].kind { return }
    if !isReadAgain, shape.format == recipe.pipelineSend { live[output.index] = target }
  }

  /// Emits the backward of every node that a gradient reaches, last node first.
  func emitBackward(input: Bool, weight: Bool) {
    emitPrologue()
    if let output = graph.output, let arrived = lowering.outputGradient {
      current = graph.nodes[value(output).producer]
      gradients[output.index] = inActivationFormat(arrived, value(output), .backwardInput)
    }
    for index in graph.nodes.indices.reversed() {
      let node = graph.nodes[index]
      if node.layer != current.layer || index == graph.nodes.count - 1 {
        deferReductions()
        enterLayer(of: index)
      }
      current = node
      emitBackward(of: index)
    }
    deferReductions()
    gatherAhead()
    flushWeights()
    updateScales(.backwardInput)
    waitForAll()
    if recipe.pipelineSend == recipe.activation { renameInputGradient() }
  }

  /// What leaves is written straight into the buffer that is sent on.
  private func renameInputGradient() {
    guard case .input? = graph.nodes.first?.kind, let target = lowering.inputGradient else {
      return
    }
    rename(gradient(graph.nodes[0].outputs[0]), to: target)
  }

  /// Before a layer's backward: weight products that no transfer of this layer can hide go now, and a
  /// layer of which only the input was kept is run again.
  private func enterLayer(of index: Int) {
    let layer = graph.nodes[index].layer
    let nodes = lowering.nodes(ofLayer: layer)
    let hides = nodes.contains { if case .combine = graph.nodes[$0].kind { true } else { false } }
    if !hides { flushWeights() }
    guard graph.nodes[index].isRerun || nodes.contains(where: { graph.nodes[$0].isRerun }) else {
      return
    }
    for node in nodes where graph.nodes[node].isRerun { recompute(node) }
    if lowering.setting.gathersAgainBehindReruns { forgetGatheredRows(of: nodes) }
  }

  /// What a layer that was run again has gathered is its products' alone: they keep their rank's own part, of
  /// which the backward gathers the whole once more.
  private func forgetGatheredRows(of nodes: [Int]) {
    for index in nodes where graph.nodes[index].isRerun {
      guard case .gatherSequence = graph.nodes[index].kind else { continue }
      live[graph.nodes[index].outputs[0].index] = nil
      rerun.remove(index)
      regathers.insert(index)
    }
  }

  private func waitForAll() {
    let chunks = arriving.values.joined() + leaving.values.flatMap(\.transfers)
    (arriving, leaving) = ([:], [:])
    for transfer in Set(pending.values).union(chunks).sorted() {
      items.append(.wait(transfer))
    }
    pending = [:]
  }
}
