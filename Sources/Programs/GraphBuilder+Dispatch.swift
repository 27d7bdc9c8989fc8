import Models
import Plans

/// What a row carries beside its columns.
private struct RoutingTail {
  /// Bytes on the way to the experts.
  var bytes: Int
  /// Weights among them, each with a gradient of 4 bytes on the way back.
  var weights: Int

  init(_ dispatcher: Plan.Dispatcher, _ mixture: Mixture) {
    switch dispatcher {
    // Numbers and weights of the experts that its token chose.
    case .deepEP: (bytes, weights) = (8 * mixture.expertsPerToken, mixture.expertsPerToken)
    // The weight of its one expert.
    case .allToAll: (bytes, weights) = (4, 1)
    // A flag and a weight for every expert (Megatron-Core's routing_map and probs).
    case .allGather: (bytes, weights) = (5 * mixture.routedExperts, mixture.routedExperts)
    }
  }
}

extension GraphBuilder {
  /// The tokens that come to this rank for its experts.
  func receivedRows(_ exchange: Int) -> Rows {
    setting.expert > 1 ? .received(exchange: exchange) : expertRows
  }

  /// The rows of the local experts in their order, and the routing of the tokens that they came from.
  mutating func permutedRows(
    _ input: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> (permuted: ValueID, routing: ValueID) {
    var (source, arrived) = (input, routing)
    if setting.expert > 1 {
      phase = .dispatch
      (source, arrived) = dispatched(input, routing, exchange, mixture)
    }
    if setting.expertTensor > 1 {
      (source, arrived) = gatheredTokens(source, arrived, exchange)
    }
    phase = .feedForward
    let routed = Rows.routed(exchange: exchange)
    if setting.arrivesInOrder, setting.expert > 1 { return (source, arrived) }
    guard !setting.sendsRowsOfExperts else {
      // One expert's rows need no order.
      guard localExperts(of: mixture) > 1 else { return (source, arrived) }
      return (
        node(.sortRows, [source], ("permuted", routed, hidden), format: recipe.dispatch), arrived
      )
    }
    let permuted = node(
      .permute(exchange: exchange), [source, arrived], ("permuted", routed, hidden),
      format: recipe.permutedRows(areSpread: setting.expert > 1))
    return (permuted, arrived)
  }

  /// What arrives for the local experts from the ranks of the group.
  private mutating func dispatched(
    _ input: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> (rows: ValueID, routing: ValueID) {
    var (source, weights) = (input, routing)
    if setting.sendsRowsOfExperts {
      let chosen = chosenRows(mixture)
      let outputs = nodes(
        .arrange(chosen), [input, routing],
        [
          ("rows to send", .fixed(chosen.count), hidden),
          ("weights to send", .fixed(chosen.count), 1),
        ], format: recipe.dispatch)
      keep(outputs[1], in: .float32)
      (source, weights) = (outputs[0], outputs[1])
    }
    let tail = RoutingTail(setting.dispatcher, mixture)
    graph.weightColumns[exchange] = tail.weights
    let received = Rows.received(exchange: exchange)
    let outputs = nodes(
      .dispatch(
        exchange: exchange, bytesPerRow: recipe.dispatch.bytes(columns: hidden) + tail.bytes,
        backwardBytesPerRow: recipe.combine.bytes(columns: hidden) + 4 * tail.weights),
      [source, weights],
      [
        ("received", received, hidden),
        ("routing, received", received, (tail.bytes + 3) / 4),
      ], format: recipe.dispatch)
    keep(outputs[1], in: .float32)
    return (outputs[0], outputs[1])
  }

  private mutating func keep(_ value: ValueID, in format: Format) {
    graph.values[value.index].format = format
    graph.values[value.index].keptFormat = format
  }

  private func chosenRows(_ mixture: Mixture) -> ChosenRows {
    ChosenRows(
      tokens: setting.expertTokens, chosen: mixture.expertsPerToken, columns: hidden)
  }

  /// The results of all experts at their tokens.
  mutating func combined(
    _ experts: ValueID, _ routing: ValueID, _ exchange: Int, _ mixture: Mixture
  ) -> ValueID {
    let combine = Node.Kind.combine(exchange: exchange)
    guard setting.sendsRowsOfExperts else {
      return node(combine, [experts, routing], ("combined", expertRows, hidden))
    }
    let chosen = chosenRows(mixture)
    let back = node(combine, [experts, routing], ("rows back", .fixed(chosen.count), hidden))
    return node(.collect(chosen), [back], ("combined", expertRows, hidden))
  }

  /// The tokens of all ranks that hold slices of the same experts, with their routing.
  private mutating func gatheredTokens(
    _ source: ValueID, _ routing: ValueID, _ exchange: Int
  ) -> (ValueID, ValueID) {
    phase = .dispatch
    let all = receivedRows(exchange).times(setting.expertTensor)
    let outputs = nodes(
      .gatherTokens(exchange: exchange), [source, routing],
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
}
