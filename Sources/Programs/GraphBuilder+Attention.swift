import Models

extension GraphBuilder {
  /// The attention block behind its norm: (tokens, hidden) to (tokens, hidden).
  mutating func attention(_ normed: ValueID) -> ValueID {
    let input = gatheredOverTensor(normed, "attention norm")
    switch architecture.attention {
    case .multiHead(let shape): return multiHead(input, shape)
    case .latent(let shape): return latent(input, shape)
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

  private mutating func multiHead(_ input: ValueID, _ shape: MultiHead) -> ValueID {
    let heads = shape.heads / setting.tensor
    let keyValueHeads = max(1, shape.keyValueHeads / setting.tensor)
    let split = SplitHeads(
      tokens: setting.tokens, heads: heads, keyValueHeads: keyValueHeads,
      headSize: shape.headSize, rotates: architecture.position != .learned && !shape.queryKeyNorm)
    let roles: [ParameterTensor.Role] =
      shape.fused ? [.fusedQueryKeyValue] : [.query, .key, .value]
    let biases: [ParameterTensor.Role] =
      !shape.bias
      ? [] : shape.fused ? [.fusedQueryKeyValueBias] : [.queryBias, .keyBias, .valueBias]
    let fused = linear(
      input, roles, split.columns, "query-key-value", bias: biases, transposed: shape.fused)
    var parts = nodes(
      .splitHeads(split), [fused],
      [
        ("query", tokenRows, heads * shape.headSize),
        ("key", tokenRows, keyValueHeads * shape.headSize),
        ("value", tokenRows, keyValueHeads * shape.headSize),
      ])
    if shape.queryKeyNorm {
      parts[0] = normedHeads(parts[0], .queryHeadNorm, heads, shape.headSize, "query")
      parts[1] = normedHeads(parts[1], .keyHeadNorm, keyValueHeads, shape.headSize, "key")
    }
    for index in 1...2 { parts[index] = cached(parts[index]) }
    let core = coreShape(
      heads: heads, keyValueHeads: keyValueHeads, queryKey: shape.headSize,
      value: shape.headSize)
    let attended = attentionCore(parts, core)
    return projected(
      attended, bias: shape.outputBias ? [.outputBias] : [], transposed: shape.fused)
  }

  /// Norms each head and rotates it behind the norm.
  private mutating func normedHeads(
    _ input: ValueID, _ role: ParameterTensor.Role, _ heads: Int, _ size: Int, _ name: String
  ) -> ValueID {
    let normed = norm(
      input, role, name: "\(name) norm", rows: .fixed(setting.tokens * heads), columns: size)
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
    let queryWidth = heads * shape.queryKeyHeadSize
    let query: ValueID
    if let rank = shape.queryRank {
      let down = linear(
        input, [.queryDown], rank, "query down", bias: shape.bias ? [.queryDownBias] : [])
      let normed = norm(down, .queryNorm, name: "query norm", epsilon: Latent.normEpsilon)
      query = linear(normed, [.queryUp], queryWidth, "query up", isRecomputed: recomputes)
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
    let attended =
      setting.cachedPositions == nil
      ? assembledCore(query, normed, down, shape, sizes, recomputes: recomputes)
      : absorbedCore(query, normed, down, sizes)
    return projected(attended, bias: shape.bias ? [.outputBias] : [], transposed: false)
  }

  /// Keys and values of every head, built up from the latents.
  private mutating func assembledCore(
    _ query: ValueID, _ normed: ValueID, _ down: ValueID, _ shape: Latent, _ sizes: LatentShape,
    recomputes: Bool
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
    let core = coreShape(
      heads: heads, keyValueHeads: heads, queryKey: shape.queryKeyHeadSize,
      value: shape.valueHeadSize)
    return attentionCore(parts, core)
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

  private mutating func attentionCore(_ parts: [ValueID], _ shape: AttentionShape) -> ValueID {
    var parts = parts
    if setting.context > 1, !setting.ringsContext {
      for index in 1...2 {
        let value = graph.values[parts[index].index]
        parts[index] = node(
          .gatherContext, [parts[index]],
          (
            "\(value.name), gathered", .fixed(setting.tokens * setting.context), value.columns
          ), isRecomputed: true)
      }
    }
    return node(
      .attention(shape, fused: setting.fusedAttention, dropout: setting.dropout), parts,
      ("attended", tokenRows, shape.heads * shape.valueSize), kept: recipe.attentionOutput)
  }

  private mutating func projected(
    _ attended: ValueID, bias: [ParameterTensor.Role], transposed: Bool
  ) -> ValueID {
    let out = linear(
      attended, [.output], hidden, "attention out", bias: bias, transposed: transposed,
      isRecomputed: setting.alternatesProducts)
    return scatteredOverTensor(out, "attention out")
  }
}
