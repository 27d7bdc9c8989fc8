import Models

extension GraphBuilder {
  /// What mixes tokens, with its norms and residual; the stream as it is where the layer has none.
  mutating func mixed(_ stream: ValueID, _ layer: Layer) -> ValueID {
    guard layer.attention != .absent else { return stream }
    phase = .attention
    let normed =
      layer.normsInputs ? norm(stream, .attentionNorm, name: "attention norm") : stream
    let input = gatheredOverTensor(normed, "attention norm")
    var attended = scatteredOverTensor(attention(input, layer), "attention out")
    if layer.normsResults {
      attended = norm(attended, .attentionResultNorm, name: "attention's result norm")
    }
    if setting.dropout { attended = dropout(attended) }
    let sum = node(
      .add, [stream, attended], ("attention residual", rows, hidden),
      isRecomputed: setting.alternatesProducts)
    guard layer.norms == .behindResidual else { return sum }
    return norm(sum, .attentionNorm, name: "attention norm")
  }

  /// The feed-forward block, with its norms and residual; the stream as it is where the layer has none.
  mutating func feedForward(_ stream: ValueID, _ layer: Layer) -> ValueID {
    let out: ValueID
    switch layer.feedForward {
    case .absent: return stream
    case .dense(let block): out = dense(stream, block, layer)
    case .mixture(let mixture): out = self.mixture(stream, mixture, layer)
    }
    guard layer.norms == .behindResidual else { return out }
    return norm(out, .feedForwardNorm, name: "feed-forward norm")
  }

  /// Both blocks on the layer's input: results are added up on each rank, and over a tensor group once.
  ///
  /// Behind a mixture, whose rows come back whole, each block is added up by itself.
  mutating func parallelBlocks(_ stream: ValueID, _ layer: Layer) -> ValueID {
    phase = .attention
    let normed = norm(stream, .attentionNorm, name: "attention norm")
    let input = gatheredOverTensor(normed, "attention norm")
    var attended = attention(input, layer)
    guard case .dense(let block) = layer.feedForward else {
      attended = scatteredOverTensor(attended, "attention out")
      let sum = node(.add, [stream, attended], ("attention residual", rows, hidden))
      return feedForward(sum, layer)
    }
    phase = .feedForward
    let first = graph.nodes.count
    var source = input
    if layer.arrangement == .parallel {
      let own = norm(stream, .feedForwardNorm, name: "feed-forward norm")
      source = gatheredOverTensor(own, "feed-forward norm")
    }
    var out = denseProducts(source, block)
    if setting.recomputation.includes(.mlp) { runAgain(from: first) }
    var terms = [stream]
    if setting.tensor > 1 {
      out = node(.add, [attended, out], ("blocks' sum", tokenRows, hidden))
      out = scatteredOverTensor(out, "blocks' sum")
    } else {
      terms.append(attended)
    }
    if setting.dropout { out = dropout(out) }
    terms.append(out)
    return node(.add, terms, ("parallel residual", rows, hidden))
  }
}

extension Architecture {
  /// Whether queries and keys are rotated at all.
  var rotatesHeads: Bool {
    if case .rotary = position { true } else { false }
  }
}
