import Models

/// What a model's layers are, in few words.
extension Architecture {
  /// `40 heads of 128, 8 of keys and values; 24 of 48 layers within 8,192`.
  var attentionInWords: String {
    var parts: [String] = []
    if attention.hasScores { parts.append(Self.describe(attention)) }
    let scored = layers.filter(\.attention.hasScores)
    for width in scored.compactMap(\.attention.reach.width).uniqueInOrder {
      let count = scored.count { $0.attention.reach.width == width }
      parts.append(
        count == layerCount
          ? "within \(grouped(width))"
          : "\(count) of \(counted(layerCount, "layer")) within \(grouped(width))")
    }
    let states = layers.compactMap { layer -> Recurrence? in
      if case .recurrent(let shape) = layer.attention { shape } else { nil }
    }
    if let shape = states.first {
      let kind = shape.kind == .gatedDelta ? "gated delta rule" : "state space"
      parts.append(
        "\(counted(states.count, "layer")) of \(kind), \(shape.heads) heads of "
          + "\(shape.stateSize) x \(shape.headSize)")
    }
    return parts.joined(separator: "; ")
  }

  /// `3 dense layers of 18,432; 58 layers of 256 experts of 2,048, 8 per token, 1 shared`.
  var feedForwardsInWords: String {
    let dense = feedForwards.compactMap(\.dense)
    let mixtures = feedForwards.compactMap(\.mixture)
    var parts: [String] = []
    if let block = dense.first {
      parts.append("\(counted(dense.count, "dense layer")) of \(grouped(block.width))")
    }
    if let mixture = mixtures.first {
      let shared = mixture.sharedExperts > 0 ? ", \(mixture.sharedExperts) shared" : ""
      parts.append(
        "\(counted(mixtures.count, "layer")) of \(mixture.routedExperts) experts of "
          + "\(grouped(mixture.expertWidth)), \(mixture.expertsPerToken) per token\(shared)")
    }
    return parts.joined(separator: "; ")
  }

  private static func describe(_ attention: Attention) -> String {
    switch attention {
    case .multiHead(let shape):
      let groups =
        shape.keyValueHeads == shape.heads ? "" : ", \(shape.keyValueHeads) of keys and values"
      return "\(shape.heads) heads of \(shape.headSize)\(groups)"
    case .latent(let shape):
      let query = shape.queryRank.map { ", query latent \(grouped($0))" } ?? ""
      return "latent, \(shape.heads) heads of \(shape.nopeHeadSize) + "
        + "\(shape.ropeHeadSize) rotary, values \(shape.valueHeadSize), latent \(grouped(shape.keyValueRank))\(query)"
    case .recurrent, .absent: return ""
    }
  }
}

extension Array where Element: Equatable {
  /// Each element once, in the order of first appearance.
  fileprivate var uniqueInOrder: [Element] {
    reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
