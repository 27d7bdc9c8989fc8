import Models

extension GraphBuilder {
  /// A dense block with its norm and residual.
  mutating func dense(_ stream: ValueID, width: Int, gated: Bool, bias: Bool) -> ValueID {
    phase = .feedForward
    let first = graph.nodes.count
    let normed = norm(stream, .feedForwardNorm, name: "feed-forward norm")
    let input = gatheredOverTensor(normed, "feed-forward norm")
    let local = width / setting.tensor
    var out: ValueID
    if gated {
      out = gatedBlock(
        input, [.gate, .up], .down, width: local, name: "",
        biases: bias ? ([.gateBias, .upBias], [.downBias]) : ([], []))
    } else {
      let isInputMajor = architecture.family == .gpt2
      let up = linear(
        input, [.up], local, "up", bias: bias ? [.upBias] : [], transposed: isInputMajor)
      let active = node(
        .gelu, [up], ("gelu", tokenRows, local),
        isRecomputed: setting.recomputation.includes(.gelu))
      out = linear(
        active, [.down], hidden, "down", bias: bias ? [.downBias] : [], transposed: isInputMajor)
    }
    out = scatteredOverTensor(out, "down")
    if setting.recomputation.includes(.mlp) { runAgain(from: first) }
    if setting.dropout { out = dropout(out) }
    return node(.add, [stream, out], ("feed-forward residual", rows, hidden))
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
