import Models

extension GraphBuilder {
  /// A dense block with its norm and residual.
  mutating func dense(_ stream: ValueID, _ block: Dense, _ layer: Layer) -> ValueID {
    phase = .feedForward
    let first = graph.nodes.count
    let normed =
      layer.normsInputs ? norm(stream, .feedForwardNorm, name: "feed-forward norm") : stream
    let input = gatheredOverTensor(normed, "feed-forward norm")
    var out = scatteredOverTensor(denseProducts(input, block), "down")
    if setting.recomputation.includes(.mlp) { runAgain(from: first) }
    if layer.normsResults {
      out = norm(out, .feedForwardResultNorm, name: "feed-forward's result norm")
    }
    if setting.dropout { out = dropout(out) }
    return node(.add, [stream, out], ("feed-forward residual", rows, hidden))
  }

  /// The products of a dense block with what is between them: a rank's part of the sum over its tensor
  /// group.
  mutating func denseProducts(_ input: ValueID, _ block: Dense) -> ValueID {
    let local = block.width / setting.tensor
    let bias = block.bias
    if block.gated {
      return gatedBlock(
        input, [.gate, .up], .down, width: local, name: "",
        biases: bias ? ([.gateBias, .upBias], [.downBias]) : ([], []))
    }
    let isInputMajor = architecture.family == .gpt2
    return plainBlock(
      input, .up, .down, width: local, name: "", biases: bias ? ([.upBias], [.downBias]) : ([], []),
      transposed: isInputMajor)
  }

  /// Two products with an activation between them.
  mutating func plainBlock(
    _ input: ValueID, _ up: ParameterTensor.Role, _ down: ParameterTensor.Role, width: Int,
    name: String, biases: (up: [ParameterTensor.Role], down: [ParameterTensor.Role]) = ([], []),
    transposed: Bool = false
  ) -> ValueID {
    let rows = graph.values[input.index].rows
    let wide = linear(
      input, [up], width, "\(name)up", bias: biases.up, transposed: transposed)
    let active = node(
      .gelu, [wide], ("\(name)gelu", rows, width),
      isRecomputed: setting.recomputation.includes(.gelu))
    return linear(
      active, [down], hidden, "\(name)down", bias: biases.down, transposed: transposed)
  }

  mutating func gatedBlock(
    _ input: ValueID, _ gateUp: [ParameterTensor.Role], _ down: ParameterTensor.Role, width: Int,
    name: String, biases: (up: [ParameterTensor.Role], down: [ParameterTensor.Role]) = ([], [])
  ) -> ValueID {
    let rows = graph.values[input.index].rows
    let parts: [ValueID]
    if setting.alternatesProducts {
      parts = gateUp.indices.map { index in
        linear(
          input, [gateUp[index]], width, name + ["gate", "up"][index], kept: recipe.gatedUnitInput,
          bias: biases.up.isEmpty ? [] : [biases.up[index]], isRecomputed: index == 1)
      }
    } else {
      parts = [
        linear(
          input, gateUp, 2 * width, "\(name)gate and up", kept: recipe.gatedUnitInput,
          bias: biases.up)
      ]
    }
    let active = node(
      .gatedUnit(weighted: false), parts, ("\(name)gated", rows, width),
      isRecomputed: setting.recomputation.includes(.swiGLU))
    return linear(active, [down], hidden, "\(name)down", bias: biases.down)
  }
}
