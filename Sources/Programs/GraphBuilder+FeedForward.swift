import Models

extension GraphBuilder {
  /// A dense block with its norm and residual.
  mutating func dense(_ stream: ValueID, width: Int, gated: Bool, bias: Bool) -> ValueID {
    phase = .feedForward
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
    if setting.dropout { out = dropout(out) }
    return node(.add, [stream, out], ("feed-forward residual", rows, hidden))
  }

  private mutating func gatedBlock(
    _ input: ValueID, _ gateUp: [ParameterTensor.Role], _ down: ParameterTensor.Role, width: Int,
    name: String, biases: (up: [ParameterTensor.Role], down: [ParameterTensor.Role]) = ([], [])
  ) -> ValueID {
    let rows = graph.values[input.index].rows
    let up = linear(
      input, gateUp, 2 * width, "\(name)gate and up", kept: recipe.gatedUnitInput,
      bias: biases.up)
    let active = node(
      .gatedUnit(weighted: false), [up], ("\(name)gated", rows, width),
      isRecomputed: setting.recomputation.includes(.swiGLU))
    return linear(active, [down], hidden, "\(name)down", bias: biases.down)
  }

  /// A mixture of experts with its norm and residual.
  mutating func mixture(_ stream: ValueID, _ mixture: Mixture) -> ValueID {
    let exchange = graph.exchangeCount
    graph.exchangeCount += 1
    phase = .attention
    let normed = norm(stream, .feedForwardNorm, name: "feed-forward norm")
    let own = ownRows(normed)
    let router = RouterShape(
      tokens: setting.expertTokens, experts: mixture.routedExperts,
      chosen: mixture.expertsPerToken, exchange: exchange)
    let logits = linear(
      own, [.router], mixture.routedExperts, "router logits", format: recipe.headProduct,
      output: .float32)
    let bias =
      mixture.correctionBias
      ? [parameter([.correctionBias], 1, mixture.routedExperts, isTrained: false)] : []
    let routing = nodes(
      .route(router), [logits],
      [
        ("routing", expertRows, 2 * mixture.expertsPerToken),
        ("scores", expertRows, mixture.routedExperts),
      ], format: .float32, parameters: bias)[0]
    let (permuted, arrived) = permutedRows(own, routing, exchange, mixture)
    var terms = [stream]
    if mixture.sharedExperts > 0 {
      terms.append(
        gatedBlock(
          normed, [.sharedGate, .sharedUp], .sharedDown, width: mixture.sharedWidth,
          name: "shared "))
    }
    var experts = expertBlock(permuted, arrived, exchange, mixture)
    phase = .combine
    if setting.expertTensor > 1 {
      experts = node(
        .scatterTokens, [experts], ("experts' sum, scattered", receivedRows(exchange), hidden))
    }
    let combined =
      setting.expert > 1
      ? node(.combine(exchange: exchange), [experts, routing], ("combined", expertRows, hidden))
      : experts
    terms.append(joinedRows(combined))
    return node(.add, terms, ("mixture residual", rows, hidden))
  }

  /// The tokens that come to this rank for its experts.
  private func receivedRows(_ exchange: Int) -> Rows {
    setting.expert > 1 ? .received(exchange: exchange) : expertRows
  }

  /// The tokens that this rank sends to the experts.
  private var expertRows: Rows { .fixed(setting.expertTokens) }

  /// Where every rank of a tensor group has the same rows, each routes a part of them.
  private var partsRows: Bool { setting.tensor > 1 && !setting.sequenceParallel }

  private mutating func ownRows(_ input: ValueID) -> ValueID {
    guard partsRows else { return input }
    return node(
      .ownRows, [input], ("feed-forward norm, own rows", expertRows, hidden), isRecomputed: true)
  }

  private mutating func joinedRows(_ input: ValueID) -> ValueID {
    guard partsRows else { return input }
    return node(.joinRows, [input], ("combined, gathered", rows, hidden))
  }

  /// The rows of the local experts in their order, and the routing of the tokens that they came from.
  private mutating func permutedRows(
    _ input: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> (permuted: ValueID, routing: ValueID) {
    var source = input
    var arrived = routing
    if setting.expert > 1 {
      phase = .dispatch
      // A row carries the numbers and weights of the experts that its token chose; a gradient's row
      // the gradients of the weights.
      let tail = 8 * mixture.expertsPerToken
      let received = Rows.received(exchange: exchange)
      let outputs = nodes(
        .dispatch(
          exchange: exchange, bytesPerRow: recipe.dispatch.bytes(columns: hidden) + tail,
          backwardBytesPerRow: recipe.combine.bytes(columns: hidden) + tail / 2),
        [input, routing],
        [("received", received, hidden), ("routing, received", received, tail / 4)])
      graph.values[outputs[0].index].format = recipe.dispatch
      graph.values[outputs[0].index].keptFormat = recipe.dispatch
      graph.values[outputs[1].index].format = .float32
      graph.values[outputs[1].index].keptFormat = .float32
      (source, arrived) = (outputs[0], outputs[1])
    }
    if setting.expertTensor > 1 {
      (source, arrived) = gatheredTokens(source, arrived, receivedRows(exchange))
    }
    phase = .feedForward
    let permuted = node(
      .permute(exchange: exchange), [source, arrived],
      ("permuted", .routed(exchange: exchange), hidden),
      format: recipe.permutedRows(areSpread: setting.expert > 1))
    return (permuted, arrived)
  }

  /// The tokens of all ranks that hold slices of the same experts, with their routing.
  private mutating func gatheredTokens(
    _ source: ValueID, _ routing: ValueID, _ rows: Rows
  ) -> (ValueID, ValueID) {
    phase = .dispatch
    let all = rows.times(setting.expertTensor)
    let outputs = nodes(
      .gatherTokens, [source, routing],
      [
        ("tokens, gathered", all, hidden),
        ("routing, gathered", all, graph.values[routing.index].columns),
      ])
    for (output, input) in zip(outputs, [source, routing]) {
      graph.values[output.index].format = graph.values[input.index].format
      graph.values[output.index].keptFormat = graph.values[input.index].keptFormat
    }
    return (outputs[0], outputs[1])
  }

  /// The experts' products over their rows, summed per received token.
  private mutating func expertBlock(
    _ permuted: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> ValueID {
    let routed = Rows.routed(exchange: exchange)
    let local = mixture.routedExperts / setting.expert
    let width = mixture.expertWidth / setting.expertTensor
    keepLinearInput(permuted)
    let gateUp = parameter(
      [.expertGate, .expertUp], local * 2 * width, hidden, isExpert: true)
    let up = node(
      .groupedLinear(exchange: exchange, experts: local), [permuted, routing],
      ("experts' gate and up", routed, 2 * width), kept: recipe.gatedUnitInput,
      parameters: [gateUp])
    let active = node(
      .gatedUnit(weighted: true), [up, routing],
      ("experts' gated", routed, width),
      isRecomputed: setting.recomputation.includes(.swiGLU))
    keepLinearInput(active)
    let down = parameter([.expertDown], local * hidden, width, isExpert: true)
    let out = node(
      .groupedLinear(exchange: exchange, experts: local), [active, routing],
      ("experts' down", routed, hidden), parameters: [down])
    return node(
      .unpermute(exchange: exchange), [out, routing],
      ("experts' sum", graph.values[routing.index].rows, hidden))
  }
}
