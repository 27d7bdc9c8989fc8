import Models

extension Plan {
  /// Sizes are positive, fit in 64 bits and fit the world.
  package func checkSizes(on world: World) throws(PlanError) {
    for (key, value) in [
      ("data-parallel", dataParallel), ("tensor-parallel", tensorParallel),
      ("context-parallel", contextParallel), ("pipeline-parallel", pipelineParallel),
      ("expert-parallel", expertParallel), ("expert-tensor-parallel", expertTensorParallel),
      ("stages-per-rank", stagesPerRank), ("microbatch-size", microbatchSize),
      ("global-batch", globalBatch), ("sequence-length", sequenceLength),
      ("gradient-lanes", gradientLanes ?? 1), ("nodes-per-token", nodesPerToken ?? 1),
    ] where value < 1 {
      throw .notPositive(key: key, value: value)
    }
    guard let size = checkedWorldSize else {
      throw .overflow(what: "the product of the degrees")
    }
    guard !globalBatch.multipliedReportingOverflow(by: sequenceLength).overflow else {
      throw .overflow(what: "global-batch times sequence-length")
    }
    switch world {
    case .unknown: break
    case .devices(let count):
      guard size <= count else {
        throw .exceedsCluster(ranks: size, devices: count, product: product)
      }
    case .ranks(let count):
      guard size == count else { throw .rankCount(ranks: count, plan: size, product: product) }
    }
  }

  /// The batch divides into microbatches, and sequences into their shares.
  func checkBatch(for architecture: Architecture) throws(PlanError) {
    let (share, overflow) = dataParallel.multipliedReportingOverflow(by: microbatchSize)
    guard !overflow, globalBatch % share == 0 else {
      throw .globalBatch(
        batch: globalBatch, dataParallel: dataParallel, microbatchSize: microbatchSize)
    }
    if architecture.position == .learned, sequenceLength > architecture.maximumPositions {
      throw .sequenceTooLong(
        sequence: sequenceLength, positions: architecture.maximumPositions)
    }
    try check(
      "context-parallel", contextParallel, divides: "sequence-length", sequenceLength)
    if contextParallel > 1, contextExchange == .ring {
      guard fusedAttention else {
        throw .contextRing(
          rule: "blocks are attended to by the fused kernel (fused-attention: true)")
      }
      guard sequenceLength % (2 * contextParallel) == 0 else {
        throw .contextRing(
          rule:
            "every rank holds two chunks of the sequence, and sequence-length \(sequenceLength) "
            + "does not divide into \(2 * contextParallel)")
      }
    }
    guard sequenceParallel else { return }
    guard tensorParallel > 1 else { throw .sequenceParallelAlone }
    try check(
      "tensor-parallel", tensorParallel, divides: "the sequence of a context rank",
      sequenceLength / contextParallel)
  }

  /// Heads and feed-forward columns divide among tensor ranks, experts' columns among those of their own
  /// mesh.
  ///
  /// The vocabulary need not: its last share is padded, as all frameworks do.
  func checkTensorParallelism(for architecture: Architecture) throws(PlanError) {
    let key = "tensor-parallel"
    for mixer in Set(architecture.layers.map(\.attention)).sorted(by: { $0.heads < $1.heads }) {
      try checkHeads(of: mixer)
    }
    try checkExpertMesh()
    for block in architecture.feedForwards {
      switch block {
      case .absent: break
      case .dense(let block):
        try check(key, tensorParallel, divides: "the feed-forward width", block.width)
      case .mixture(let mixture):
        // Each rank of a tensor group sends its part of the sequence to the experts, whether it holds only
        // that part or all of it.
        try check(
          key, tensorParallel, divides: "the sequence of a context rank",
          sequenceLength / contextParallel)
        try check(
          "expert-tensor-parallel", expertTensorParallel, divides: "the width of an expert",
          mixture.expertWidth)
        try check(
          key, tensorParallel, divides: "the width of the shared experts", mixture.sharedWidth)
      }
    }
  }

  /// Heads of attention and of states divide among tensor ranks, and theirs of keys divide or are copied.
  private func checkHeads(of mixer: Attention) throws(PlanError) {
    let key = "tensor-parallel"
    switch mixer {
    case .absent: return
    case .latent: break
    case .multiHead(let shape):
      guard
        shape.keyValueHeads % tensorParallel == 0 || tensorParallel % shape.keyValueHeads == 0
          || shape.heads % tensorParallel != 0
      else { throw .keyValueHeads(tensorParallel: tensorParallel, heads: shape.keyValueHeads) }
    case .recurrent(let shape):
      try check(key, tensorParallel, divides: "the key heads of a state", shape.keyHeads)
      guard contextParallel == 1 else {
        throw .cannotSimulate(
          key: "context-parallel", value: "\(contextParallel)",
          rule: "beside recurrent layers, whose states pass from token to token: 1")
      }
    }
    try check(key, tensorParallel, divides: "the number of heads", mixer.heads)
    guard contextParallel > 1, contextExchange == .ring, mixer.reach != .all else { return }
    throw .contextRing(
      rule: "blocks of windows and chunks are not passed around: context-exchange gather")
  }

  /// Experts divide among the ranks that they are spread over.
  func checkExperts(for architecture: Architecture) throws(PlanError) {
    let mixtures = architecture.feedForwards.compactMap(\.mixture)
    if mixtures.isEmpty {
      if expertParallel > 1 { throw .needsExperts(key: "expert-parallel above 1") }
      if nodesPerToken != nil { throw .needsExperts(key: "nodes-per-token") }
      if expertLoad != .balanced { throw .needsExperts(key: "expert-load") }
      if redundantExperts > 0 { throw .needsExperts(key: "redundant-experts") }
    }
    for mixture in mixtures {
      try checkRedundancy(mixture)
      try check(
        "expert-parallel", expertParallel,
        divides: redundantExperts == 0
          ? "the number of routed experts" : "routed experts and redundant-experts together",
        mixture.routedExperts + redundantExperts)
    }
  }

  /// Copies lie on other ranks than their originals, within the same group of experts.
  private func checkRedundancy(_ mixture: Mixture) throws(PlanError) {
    guard redundantExperts > 0 else { return }
    let rule: String
    if expertParallel == 1 {
      rule = "with expert-parallel 1 every rank has all experts"
    } else if redundantExperts > mixture.routedExperts {
      rule = "each of the \(mixture.routedExperts) routed experts has one copy at most"
    } else if redundantExperts % mixture.groups != 0 {
      rule = "does not divide among the router's \(mixture.groups) groups of experts"
    } else {
      return
    }
    throw .redundantExperts(count: redundantExperts, rule: rule)
  }

  /// The experts' mesh covers the ranks of a pipeline position.
  private func checkExpertMesh() throws(PlanError) {
    let ranks = tensorParallel * contextParallel * dataParallel
    let product =
      "tensor-parallel \(tensorParallel) x context-parallel \(contextParallel) x data-parallel "
      + "\(dataParallel)"
    guard ranks % expertTensorParallel == 0 else {
      throw .expertMesh(
        key: "expert-tensor-parallel", value: expertTensorParallel, beside: nil, ranks: ranks,
        product: product, nearest: Self.divisor(of: ranks, nearest: expertTensorParallel))
    }
    let rest = ranks / expertTensorParallel
    guard rest % expertParallel == 0 else {
      throw .expertMesh(
        key: "expert-parallel", value: expertParallel,
        beside: expertTensorParallel == 1
          ? nil : "expert-tensor-parallel \(expertTensorParallel)",
        ranks: ranks, product: product,
        nearest: Self.divisor(of: rest, nearest: expertParallel))
    }
  }

  /// The divisor of a number that lies nearest to a value; of two as near, the smaller one.
  package static func divisor(of whole: Int, nearest value: Int) -> Int {
    var best = 1
    var candidate = 1
    while candidate <= whole / candidate {
      if whole % candidate == 0 {
        for divisor in [candidate, whole / candidate] {
          let (distance, least) = (abs(divisor - value), abs(best - value))
          if distance < least || (distance == least && divisor < best) { best = divisor }
        }
      }
      candidate += 1
    }
    return best
  }

  /// Only parts that the model has can be recomputed by themselves.
  func checkRecomputation(for architecture: Architecture) throws(PlanError) {
    for module in recomputation.modules where !architecture.has(module) {
      throw .recomputation(module: module, rule: "the model has no such part")
    }
    if recomputation.modules.contains(.alternateProducts), recomputation.modules.contains(.mlp) {
      throw .recomputation(module: .alternateProducts, rule: "has its products in mlp")
    }
    let blocks = feedForwardParts(of: architecture)
    if recomputation.modules.contains(.swiGLU), blocks.allSatisfy(recomputation.modules.contains) {
      throw .recomputation(
        module: .swiGLU,
        rule: "is a part of \(blocks.map(\.rawValue).joined(separator: " and "))")
    }
  }

  /// The kinds of gated feed-forward blocks that a model has.
  private func feedForwardParts(of architecture: Architecture) -> [Recomputation.Module] {
    [.mlp, .moe].filter { part in
      architecture.feedForwards.contains { block in
        block.isGated && (block.mixture == nil) == (part == .mlp)
      }
    }
  }

  /// The multiprocessors that kernels get are there.
  func checkMultiprocessors(of device: Int?) throws(PlanError) {
    if let communicationSMs, communicationSMs < 0 {
      throw .multiprocessors(
        key: "communication-sms", value: communicationSMs, rule: "must not be negative")
    }
    if communicationSMs == 0, expertParallel > 1 {
      throw .multiprocessors(
        key: "communication-sms", value: 0, rule: "leaves none for the exchange of tokens")
    }
    if let computationSMs, computationSMs < 1 {
      throw .multiprocessors(
        key: "computation-sms", value: computationSMs, rule: "must be at least 1")
    }
    guard let device else { return }
    if let communicationSMs, communicationSMs >= device {
      throw .multiprocessors(
        key: "communication-sms", value: communicationSMs,
        rule: "leaves none of the device's \(device) for computation")
    }
    if let computationSMs, computationSMs > device {
      throw .multiprocessors(
        key: "computation-sms", value: computationSMs, rule: "exceeds the device's \(device)")
    }
  }

  /// Lanes are a multiple of the data ranks' directions, and divide the microbatches.
  ///
  /// An expert's gradients come from fewer ranks than the others', so that their trees are alike only where
  /// lanes are a power of two.
  func checkLanes() throws(PlanError) {
    guard let lanes = gradientLanes else { return }
    guard expertParallel == 1 || lanes & (lanes - 1) == 0 else {
      throw .lanes(lanes: lanes, rule: "must be a power of two where expert-parallel is above 1")
    }
    let microbatches = microbatchCount * dataParallel
    guard microbatches % lanes == 0 else {
      throw .lanes(lanes: lanes, rule: "must divide the step's \(microbatches) microbatches")
    }
    let owners = dataParallel * (isBidirectional ? 2 : 1)
    guard lanes % owners == 0 else {
      throw .lanes(
        lanes: lanes,
        rule: "must be a multiple of \(owners), data-parallel"
          + (isBidirectional ? " times DualPipe's two directions" : ""))
    }
  }

  /// Lanes in which gradients are accumulated: what the plan says, or one per data rank and
  /// direction.
  public var laneCount: Int {
    gradientLanes ?? dataParallel * (isBidirectional ? 2 : 1)
  }

  private func check(
    _ key: String, _ value: Int, divides what: String, _ whole: Int
  ) throws(PlanError) {
    guard whole % value == 0 else {
      throw .doesNotDivide(key: key, value: value, into: what, of: whole)
    }
  }
}

extension Architecture {
  /// Whether a part of a layer exists that can be recomputed by itself.
  fileprivate func has(_ module: Recomputation.Module) -> Bool {
    switch module {
    case .rmsNorm: if case .rmsNorm = normalization { true } else { false }
    case .layerNorm: if case .layerNorm = normalization { true } else { false }
    case .latentUpProjection: if case .latent = attention { true } else { false }
    case .attentionCore: layers.contains { $0.attention.hasScores }
    case .norm: true
    case .swiGLU: feedForwards.contains { $0.isGated }
    case .gelu: feedForwards.contains { $0 != .absent && !$0.isGated }
    case .mlp: feedForwards.contains { $0.dense != nil }
    case .moe: feedForwards.contains { $0.mixture != nil }
    case .alternateProducts:
      if case .latent = attention {
        false
      } else {
        feedForwards.contains { $0.dense?.gated ?? false }
      }
    }
  }
}

extension FeedForward {
  /// Whether the block has a gate.
  fileprivate var isGated: Bool {
    switch self {
    case .dense(let block): block.gated
    case .mixture(let mixture): mixture.gated
    case .absent: false
    }
  }
}
