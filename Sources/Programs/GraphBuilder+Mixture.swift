import Models

extension GraphBuilder {
  /// A mixture of experts with its norm and residual.
  mutating func mixture(_ stream: ValueID, _ mixture: Mixture, _ layer: Layer) -> ValueID {
    let exchange = graph.exchangeCount
    graph.weightColumns.append(mixture.expertsPerToken)
    phase = .attention
    let normed =
      layer.normsInputs ? norm(stream, .feedForwardNorm, name: "feed-forward norm") : stream
    let first = graph.nodes.count
    let own = ownRows(normed)
    let router = RouterShape(
      tokens: setting.expertTokens, experts: mixture.routedExperts,
      chosen: mixture.expertsPerToken, exchange: exchange)
    let logits = linear(
      own, [.router], mixture.routedExperts, "router logits", format: recipe.headProduct,
      output: .float32, bias: mixture.routerBias ? [.routerBias] : [])
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
      terms.append(sharedExperts(normed, mixture))
    }
    var experts = expertBlock(permuted, arrived, exchange, mixture)
    phase = .combine
    if setting.expertTensor > 1 {
      experts = node(
        .scatterTokens, [experts], ("experts' sum, scattered", receivedRows(exchange), hidden))
    }
    if setting.expert > 1 { experts = combined(experts, routing, exchange, mixture) }
    terms.append(joinedRows(experts))
    if setting.recomputation.includes(.moe) { runAgain(from: first) }
    if layer.normsResults {
      let sum =
        terms.count > 2
        ? node(.add, Array(terms[1...]), ("mixture", rows, hidden)) : terms[1]
      terms = [stream, norm(sum, .feedForwardResultNorm, name: "feed-forward's result norm")]
    }
    return node(.add, terms, ("mixture residual", rows, hidden))
  }

  /// The experts that see every token, weighed where the model says so.
  private mutating func sharedExperts(_ input: ValueID, _ mixture: Mixture) -> ValueID {
    let width = mixture.sharedWidth
    let out =
      mixture.gated
      ? gatedBlock(
        input, [.sharedGate, .sharedUp], .sharedDown, width: width, name: "shared ")
      : plainBlock(input, .sharedUp, .sharedDown, width: width, name: "shared ")
    guard mixture.sharedGate else { return out }
    let rows = graph.values[input.index].rows
    let weight = linear(input, [.sharedWeight], 1, "shared weight", format: recipe.headProduct)
    return node(.gatedUnit(weighted: false), [weight, out], ("shared, weighed", rows, hidden))
  }

  /// The tokens that this rank sends to the experts.
  var expertRows: Rows { .fixed(setting.expertTokens) }

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

  /// The experts that a rank holds, copies among them.
  func localExperts(of mixture: Mixture) -> Int {
    (mixture.routedExperts + setting.redundantExperts) / setting.expert
  }

  /// The experts' products over their rows, summed per received token.
  private mutating func expertBlock(
    _ permuted: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> ValueID {
    let routed = Rows.routed(exchange: exchange)
    let local = localExperts(of: mixture)
    let width = mixture.expertWidth / setting.expertTensor
    keepLinearInput(permuted)
    let roles: [ParameterTensor.Role] = mixture.gated ? [.expertGate, .expertUp] : [.expertUp]
    var gateUp = [parameter(roles, local * roles.count * width, hidden, isExpert: true)]
    if mixture.expertBias {
      let biases: [ParameterTensor.Role] =
        mixture.gated ? [.expertGateBias, .expertUpBias] : [.expertUpBias]
      gateUp.append(parameter(biases, local, roles.count * width, isExpert: true))
    }
    let up = node(
      .groupedLinear(exchange: exchange, experts: local), [permuted, routing],
      (mixture.gated ? "experts' gate and up" : "experts' up", routed, roles.count * width),
      kept: recipe.gatedUnitInput, parameters: gateUp)
    let active = node(
      mixture.gated ? .gatedUnit(weighted: true) : .plainUnit, [up, routing],
      ("experts' gated", routed, width),
      isRecomputed: setting.recomputation.includes(mixture.gated ? .swiGLU : .gelu))
    keepLinearInput(active)
    var down = [parameter([.expertDown], local * hidden, width, isExpert: true)]
    if mixture.expertBias {
      down.append(parameter([.expertDownBias], local, hidden, isExpert: true))
    }
    let out = node(
      .groupedLinear(exchange: exchange, experts: local), [active, routing],
      ("experts' down", routed, hidden), parameters: down)
    let rows = graph.values[routing.index].rows
    if setting.arrivesInOrder, setting.expert > 1 { return out }
    guard setting.sendsRowsOfExperts else {
      return node(.unpermute(exchange: exchange), [out, routing], ("experts' sum", rows, hidden))
    }
    return local > 1 ? node(.sortRows, [out], ("experts' rows, as sent", rows, hidden)) : out
  }
}
