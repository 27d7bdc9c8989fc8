import Models

extension Plan {
  /// A key that asks for what CPU ranks do not do, and the rule that it breaks, which begins with its value.
  public struct ProcessorRefusal: Hashable, Sendable {
    public var key: String
    public var rule: String
  }

  /// The first key that asks for what CPU ranks do not do; nil where they carry the plan out.
  ///
  /// The one list of it: what trains, what is predicted and what is simulated of CPU ranks all ask here.
  public func refusalOnProcessors(for architecture: Architecture) -> ProcessorRefusal? {
    let refused = ofDegrees + ofExperts(architecture) + ofKernels + ofState
    return refused.first(where: \.isAsked).map { ProcessorRefusal(key: $0.key, rule: $0.rule) }
  }

  /// Keys that speak of devices alone: CPU ranks do the same whatever they say.
  public var keysForDevicesAlone: [String] {
    let keys: [(name: String, isAsked: Bool)] = [
      ("library", library != nil),
      ("attention-library", attentionLibrary != nil && fusedAttention),
      ("execution", execution != .fused), ("cuda-graphs", cudaGraphs),
      ("token-counts", tokenCounts != nil), ("dispatcher", dispatcher != nil),
      ("communication-sms", communicationSMs != nil), ("computation-sms", computationSMs != nil),
      ("collective-algorithm", collectiveAlgorithm != nil),
      ("expert-load", expertLoad != .balanced), ("framework", framework != .plain),
      ("expandable-segments", expandsSegments), ("loss-average", lossAverage != .step),
      ("memory-reserve", memoryReserve != Self.usualMemoryReserve),
    ]
    return keys.filter(\.isAsked).map(\.name)
  }

  private typealias Rule = (isAsked: Bool, key: String, rule: String)

  private var ofDegrees: [Rule] {
    [
      (
        tensorParallel != 1, "tensor-parallel",
        "is \(tensorParallel), and the CPU runtime takes 1 only"
      ),
      (
        contextParallel != 1, "context-parallel",
        "is \(contextParallel), and the CPU runtime takes 1 only"
      ),
      (
        zeroStage.rawValue > 1, "zero-stage",
        "is \(zeroStage.rawValue), and the CPU runtime takes 0 and 1 only"
      ),
      (
        shardingRanks != nil, "sharding-group",
        "is \(shardingRanks ?? 0), and the CPU runtime divides state among all data ranks alone"
      ),
    ]
  }

  private func ofExperts(_ architecture: Architecture) -> [Rule] {
    let mixture = architecture.feedForwards.compactMap(\.mixture).first
    let usual = mixture.map { $0.groups > 1 ? $0.groupsPerToken : $0.expertsPerToken } ?? 0
    return [
      (
        expertTensorParallel != 1, "expert-tensor-parallel",
        "is \(expertTensorParallel); CPU ranks run experts whole (1), over data-parallel ranks"
      ),
      (
        redundantExperts != 0, "redundant-experts",
        "is \(redundantExperts), and the CPU runtime has one place for each expert"
      ),
      (
        nodesPerToken.map { $0 < usual } ?? false, "nodes-per-token",
        "is \(nodesPerToken ?? 0), and the CPU runtime routes by the model's own groups alone"
      ),
    ]
  }

  private var ofKernels: [Rule] {
    var recipe = precision
    (recipe.name, recipe.scaleBlock) = (
      PrecisionRecipe.float32.name, PrecisionRecipe.float32.scaleBlock
    )
    let fused = "and the CPU runtime has the fused kernel only"
    return [
      (
        documents != nil, "documents", "is for devices: CPU ranks attend over whole sequences"
      ),
      (
        recipe != .float32, "precision",
        "is \(precision.name), and the CPU runtime takes float32 only"
      ),
      (!fusedAttention, "fused-attention", "is false, \(fused)"),
      (fusedHead == false, "fused-head", "is false, \(fused)"),
      (keepsWideLogits, "loss", "is \(loss.rawValue), \(fused)"),
      (dropout, "dropout", "is true, and the CPU runtime has no dropout"),
      (
        recomputation.modules.contains(.alternateProducts), "recompute",
        "has alternate-products, and the CPU runtime has gate and up in one product"
      ),
      (
        gradientAccumulationFusion == false, "gradient-accumulation-fusion",
        "is false, and the CPU runtime's products add to the sums of gradients"
      ),
    ]
  }

  private var ofState: [Rule] {
    [
      (
        lora != nil, "lora",
        "has rank \(lora?.rank ?? 0), and the CPU runtime trains the model itself"
      ),
      (
        !frozen.isEmpty, "frozen",
        "names \(frozen.first?.rawValue ?? ""), and the CPU runtime trains everything"
      ),
      (
        optimizer != .adamW, "optimizer",
        "is \(optimizer.rawValue), and the CPU runtime has AdamW only"
      ),
      (
        !offload.isNothing, "offload", "moves memory to a host, and CPU ranks lie there already"
      ),
      (
        collectiveAlgorithm == .inSwitch, "collective-algorithm",
        "is in-switch, and no switch adds up for CPU ranks"
      ),
    ]
  }
}
