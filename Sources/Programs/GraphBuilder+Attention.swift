import Models

extension GraphBuilder {
  /// The attention block behind its norm: (tokens, hidden) to (tokens, hidden).
  ///
  /// - Parameter input: behind a gather of a tensor group's rows; the result is a rank's part of the sum
  ///   over the group.
  mutating func attention(_ input: ValueID, _ layer: Layer) -> ValueID {
    switch layer.attention {
    case .multiHead(let shape):
      return multiHead(input, shape, rotates: layer.rotates && architecture.rotatesHeads)
    case .latent(let shape): return latent(input, shape)
    case .recurrent(let shape): return recurrent(input, shape)
    case .absent: return input
    }
  }

  private func coreShape(heads: Int, keyValueHeads: Int, queryKey: Int, value: Int)
    -> AttentionShape
  {
    var shape = AttentionShape(
      sequences: setting.sequences, queries: setting.sequenceLength / setting.context,
      keys: setting.cachedPositions ?? setting.sequenceLength, heads: heads,
      keyValueHeads: keyValueHeads, queryKeySize: queryKey, valueSize: value,
      queryTile: setting.target == .cpuRank ? Kernel.attentionTileQueries : nil)
    shape.isCached = setting.cachedPositions != nil
    if setting.ringsContext { shape.ringRanks = setting.context }
    return shape
  }

  private mutating func multiHead(
    _ input: ValueID, _ shape: MultiHead, rotates: Bool
  ) -> ValueID {
    let heads = shape.heads / setting.tensor
    let keyValueHeads = max(1, shape.keyValueHeads / setting.tensor)
    let split = SplitHeads(
      tokens: setting.tokens, heads: heads, keyValueHeads: keyValueHeads,
      headSize: shape.headSize, rotates: rotates && shape.queryKeyNorm == .absent)
    var parts =
      setting.alternatesProducts && !shape.fused
      ? separateHeads(input, shape, split) : jointHeads(input, shape, split)
    if shape.queryKeyNorm != .absent {
      parts[0] = normedHeads(parts[0], .queryHeadNorm, heads, shape, rotates, "query")
      parts[1] = normedHeads(parts[1], .keyHeadNorm, keyValueHeads, shape, rotates, "key")
    }
    for index in 1...2 { parts[index] = cached(parts[index]) }
    var core = coreShape(
      heads: heads, keyValueHeads: keyValueHeads, queryKey: shape.headSize,
      value: shape.headSize)
    if setting.fusedAttention { core.reach = shape.reach }
    let sinks = shape.sinks ? [parameter([.sinks], 1, heads)] : []
    var attended = attentionCore(parts, core, parameters: sinks)
    if shape.outputGate {
      let gate = linear(input, [.attentionGate], heads * shape.headSize, "attention gate")
      attended = node(
        .gatedUnit(weighted: false), [gate, attended],
        ("attended, gated", tokenRows, heads * shape.headSize))
    }
    return projected(
      attended, bias: shape.outputBias ? [.outputBias] : [], transposed: shape.fused)
  }

  /// Queries, keys and values by one product.
  private mutating func jointHeads(
    _ input: ValueID, _ shape: MultiHead, _ split: SplitHeads
  ) -> [ValueID] {
    let roles: [ParameterTensor.Role] =
      shape.fused ? [.fusedQueryKeyValue] : [.query, .key, .value]
    let biases: [ParameterTensor.Role] =
      !shape.bias
      ? [] : shape.fused ? [.fusedQueryKeyValueBias] : [.queryBias, .keyBias, .valueBias]
    let joint = linear(
      input, roles, split.columns, "query-key-value", bias: biases, transposed: shape.fused)
    return nodes(
      .splitHeads(split), [joint],
      [
        ("query", tokenRows, split.heads * shape.headSize),
        ("key", tokenRows, split.keyValueHeads * shape.headSize),
        ("value", tokenRows, split.keyValueHeads * shape.headSize),
      ])
  }

  /// Queries, keys and values by a product each; that of keys is run again, and so is what rotates.
  private mutating func separateHeads(
    _ input: ValueID, _ shape: MultiHead, _ split: SplitHeads
  ) -> [ValueID] {
    let roles: [ParameterTensor.Role] = [.query, .key, .value]
    let biases: [ParameterTensor.Role] = [.queryBias, .keyBias, .valueBias]
    return roles.indices.map { index in
      let name = ["query", "key", "value"][index]
      let heads = index == 0 ? split.heads : split.keyValueHeads
      let part = linear(
        input, [roles[index]], heads * shape.headSize, name,
        bias: shape.bias ? [biases[index]] : [], isRecomputed: index == 1)
      guard index < 2, split.rotates else { return part }
      return node(
        .rotate(heads: heads, headSize: shape.headSize), [part],
        ("\(name), rotated", tokenRows, heads * shape.headSize), isRecomputed: true)
    }
  }

  /// Norms each head, or all of a rank's together, and rotates them behind the norm where the layer rotates.
  private mutating func normedHeads(
    _ input: ValueID, _ role: ParameterTensor.Role, _ heads: Int, _ shape: MultiHead,
    _ rotates: Bool, _ name: String
  ) -> ValueID {
    let size = shape.headSize
    let isWhole = shape.queryKeyNorm == .whole
    let gains =
      switch shape.queryKeyNorm {
      case .withoutGain, .absent: 0
      case .eachHead: size
      case .eachHeadItsOwn, .whole: heads * size
      }
    let normed = norm(
      input, role, name: "\(name) norm",
      rows: isWhole ? tokenRows : .fixed(setting.tokens * heads),
      columns: isWhole ? heads * size : size, gains: gains)
    guard rotates else { return normed }
    return node(
      .rotate(heads: heads, headSize: size), [normed],
      ("\(name), rotated", tokenRows, heads * size))
  }

  private mutating func latent(_ input: ValueID, _ shape: Latent) -> ValueID {
    let heads = shape.heads / setting.tensor
    let sizes = LatentShape(
      tokens: setting.tokens, heads: heads, latent: shape.keyValueRank, nope: shape.nopeHeadSize,
      rope: shape.ropeHeadSize, value: shape.valueHeadSize)
    let recomputes = setting.recomputation.includes(.latentUpProjection)
    var indexed = input
    let queryWidth = heads * shape.queryKeyHeadSize
    let query: ValueID
    if let rank = shape.queryRank {
      let down = linear(
        input, [.queryDown], rank, "query down", bias: shape.bias ? [.queryDownBias] : [])
      let normed = norm(down, .queryNorm, name: "query norm", epsilon: Latent.normEpsilon)
      query = linear(normed, [.queryUp], queryWidth, "query up", isRecomputed: recomputes)
      indexed = normed
    } else {
      query = linear(input, [.query], queryWidth, "query", isRecomputed: recomputes)
    }
    let down = linear(
      input, [.keyValueDown], shape.keyValueDownWidth, "key-value down",
      bias: shape.bias ? [.keyValueDownBias] : [])
    let part = node(
      .splitLatent(sizes), [down], ("key-value latent", tokenRows, shape.keyValueRank),
      isRecomputed: true)
    let normed = norm(part, .keyValueNorm, name: "key-value norm", epsilon: Latent.normEpsilon)
    // A prefill's rows of the cache are as wide as the projection: the latent and the rotary key.
    if setting.purpose == .prefill { _ = cached(down) }
    let choice = shape.indexer.map { index(indexed, input, $0) }
    let attended =
      setting.cachedPositions == nil
      ? assembledCore(query, normed, down, shape, sizes, choice, recomputes: recomputes)
      : absorbedCore(query, normed, down, sizes)
    return projected(attended, bias: shape.bias ? [.outputBias] : [], transposed: false)
  }

  /// Keys and values of every head, built up from the latents.
  private mutating func assembledCore(
    _ query: ValueID, _ normed: ValueID, _ down: ValueID, _ shape: Latent, _ sizes: LatentShape,
    _ choice: ValueID?, recomputes: Bool
  ) -> ValueID {
    let (heads, queryWidth) = (sizes.heads, sizes.heads * shape.queryKeyHeadSize)
    let up = linear(
      normed, [.keyValueUp], heads * (shape.nopeHeadSize + shape.valueHeadSize),
      "key-value up", isRecomputed: recomputes)
    let parts = nodes(
      .assembleLatent(sizes), [query, up, down],
      [
        ("query, assembled", tokenRows, queryWidth), ("key, assembled", tokenRows, queryWidth),
        ("value, assembled", tokenRows, heads * shape.valueHeadSize),
      ], isRecomputed: recomputes)
    var core = coreShape(
      heads: heads, keyValueHeads: heads, queryKey: shape.queryKeyHeadSize,
      value: shape.valueHeadSize)
    if setting.fusedAttention, let indexer = shape.indexer {
      core.reach = .chosen(indexer.chosen)
      if core.isLimited {
        core.gathered = GatheredLatents(latent: sizes.latent, rope: sizes.rope)
      }
    }
    return attentionCore(parts + (choice.map { [$0] } ?? []), core)
  }

  /// Scores of all keys by few narrow heads, the same on every rank of a tensor group.
  private mutating func index(
    _ queries: ValueID, _ input: ValueID, _ shape: Latent.Indexer
  ) -> ValueID {
    let query = linear(queries, [.indexQuery], shape.heads * shape.headSize, "index query")
    let key = linear(input, [.indexKey], shape.headSize, "index key")
    let normed = norm(
      key, .indexKeyNorm, name: "index key norm", epsilon: Latent.normEpsilon,
      bias: .indexKeyNormBias)
    let weights = linear(input, [.indexWeights], shape.heads, "index weights")
    let sizes = IndexShape(
      sequences: setting.sequences, queries: setting.sequenceLength / setting.context,
      keys: setting.sequenceLength, heads: shape.heads, headSize: shape.headSize,
      chosen: min(shape.chosen, setting.sequenceLength))
    return node(
      .index(sizes), [query, normed, weights], ("chosen keys", tokenRows, sizes.chosen))
  }

  /// Attention among the cached latents, which serve all heads as keys and as values.
  ///
  /// A cached position is read and never projected again, so a token costs what it attends to; keys and
  /// values of all heads, built up again for each token, would cost their projection of the whole text.
  private mutating func absorbedCore(
    _ query: ValueID, _ normed: ValueID, _ down: ValueID, _ sizes: LatentShape
  ) -> ValueID {
    let weight = parameter(
      [.keyValueUp], sizes.heads * (sizes.nope + sizes.value), sizes.latent)
    let parts = nodes(
      .absorbLatent(sizes), [query, down],
      [
        ("query, absorbed", tokenRows, sizes.heads * (sizes.latent + sizes.rope)),
        ("rotary key", tokenRows, sizes.rope),
      ], parameters: [weight])
    let latents = cached(normed)
    let keys = cached(parts[1])
    var core = coreShape(
      heads: sizes.heads, keyValueHeads: 1, queryKey: sizes.latent + sizes.rope,
      value: sizes.latent)
    core.sharedKeySize = sizes.rope
    let attended = attentionCore([parts[0], latents, latents, keys], core)
    return node(
      .expandLatent(sizes), [attended], ("values", tokenRows, sizes.heads * sizes.value),
      parameters: [weight])
  }

  private mutating func attentionCore(
    _ parts: [ValueID], _ shape: AttentionShape, parameters: [ParameterID] = []
  ) -> ValueID {
    var parts = parts
    if setting.context > 1, !setting.ringsContext {
      let copies = setting.repeatsKeyHeads ? shape.heads / shape.keyValueHeads : 1
      for index in 1...2 {
        let value = graph.values[parts[index].index]
        parts[index] = node(
          .gatherContext, [parts[index]],
          (
            "\(value.name), gathered", .fixed(setting.tokens * setting.context),
            copies * value.columns
          ), isRecomputed: true)
      }
    }
    return node(
      .attention(shape, fused: setting.fusedAttention, dropout: setting.dropout), parts,
      ("attended", tokenRows, shape.heads * shape.valueSize), kept: recipe.attentionOutput,
      parameters: parameters)
  }

  private mutating func projected(
    _ attended: ValueID, bias: [ParameterTensor.Role], transposed: Bool
  ) -> ValueID {
    linear(
      attended, [.output], hidden, "attention out", bias: bias, transposed: transposed,
      isRecomputed: setting.alternatesProducts)
  }
}
