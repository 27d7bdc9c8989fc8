import Clusters
import Costs
import Documents
import Models
import Plans

extension Plan {
  /// Sets what the plan leaves to the cluster; gives what was decided so, and what goes beyond the model,
  /// a short phrase each.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  mutating func fillIn(
    from cluster: Cluster, for architecture: Architecture
  ) throws(ConfigurationError) -> [String] {
    var assumptions = try fillInExchanges(from: cluster, for: architecture)
    if gradientBucket == nil, let elements = bucketElements {
      assumptions.append(
        "gradients reduced in buckets of \(elements) parameters (Megatron-Core's rule)")
    }
    if let copies = copiesOfGradients { assumptions.append(copies) }
    if gradientAccumulationFusion == nil, framework != .plain {
      assumptions.append(
        "gradient-accumulation-fusion \(fusesGradientSums) (framework \(framework.rawValue))")
    }
    if tokenCounts == nil, framework != .plain, expertParallel > 1 {
      assumptions.append("the host waits for token counts (framework \(framework.rawValue))")
    }
    if redundantExperts > 0 {
      assumptions.append(
        "\(redundantExperts) copies of experts whose gradients are not added to their originals'")
      if let why = reasonCopiesLevelNothing { assumptions.append(why) }
    }
    if let omission = lora?.omission(in: architecture) { assumptions.append(omission) }
    assumptions += precision.borrowings
    if let limit = nodesPerToken,
      let spread = ExpertSpread(architecture, self, cluster),
      limit > spread.mostNodes
    {
      assumptions.append(
        "nodes-per-token \(limit) never acts: tokens go to \(spread.mostNodes) of the "
          + "\(spread.nodes) nodes of their experts at most")
    }
    // Learned positions end; a plan that exceeds them is refused.
    if architecture.position != .learned, sequenceLength > architecture.maximumPositions {
      assumptions.append(
        "sequences of \(sequenceLength) tokens, beyond the model's "
          + "\(architecture.maximumPositions)")
    }
    return assumptions
  }

  /// What is held of gradients in the format of their reduction, where that is another one; nil if nothing is.
  private var copiesOfGradients: String? {
    let (kept, sent) = (precision.gradients, precision.gradientReduction)
    guard replicas > 1, kept != sent else { return nil }
    let copied =
      switch zeroStage {
      case .gradients, .parameters: "a layer at a time"
      case .nothing, .optimizer:
        bucketElements == nil
          ? "all at once, since gradient reductions are not overlapped" : "two buckets at a time"
      }
    return "gradients kept in \(kept.rawValue) and reduced in \(sent.rawValue), copied \(copied)"
  }

  /// Why copies of experts take memory and shorten nothing; nil where experts' own counts are given.
  private var reasonCopiesLevelNothing: String? {
    switch expertLoad {
    case .counts: nil
    case .balanced: "redundant-experts level nothing: expert-load balanced gives all ranks the same"
    case .deviation:
      "redundant-experts level nothing: expert-load.deviation is of the rows that ranks get, with copies "
        + "or without; expert-load.counts says which experts are chosen most"
    }
  }

  /// Sets what the plan leaves to the cluster of the exchanges of forwards; gives a phrase for each.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  mutating func fillInExchanges(
    from cluster: Cluster, for architecture: Architecture
  ) throws(ConfigurationError) -> [String] {
    var assumptions: [String] = []
    if contextExchange == nil, contextParallel > 1 {
      assumptions.append("keys and values gathered before attention (context-exchange gather)")
    }
    if dispatcher == nil, expertParallel > 1 {
      let usual = dispatcher(for: architecture, on: cluster)
      dispatcher = usual
      assumptions.append(
        "dispatcher \(usual.rawValue), as "
          + (usual == .deepEP ? "a token's nodes are limited" : "nothing limits a token's nodes"))
    }
    if communicationSMs == nil,
      let usual = try usualCommunicationSMs(on: cluster, for: architecture)
    {
      communicationSMs = usual.count
      assumptions.append("expert exchanges on \(usual.count) SMs (\(usual.origin))")
    }
    return assumptions
  }

  /// Multiprocessors that expert exchanges take where the plan does not say, and who says so: the
  /// cluster's for the dispatcher; nil where nothing is exchanged.
  func usualCommunicationSMs(
    on cluster: Cluster, for architecture: Architecture, _ book: PriceBook = PriceBook()
  ) throws(ConfigurationError) -> (count: Int, origin: String)? {
    guard expertParallel > 1 else { return nil }
    guard let kind = dispatcher(for: architecture, on: cluster).collective else {
      return (
        try book.exchanges(of: cluster).multiprocessors,
        ExchangeConstants.originOfMultiprocessors(on: cluster)
      )
    }
    return (
      try book.collectives(of: cluster).multiprocessors(of: kind),
      CollectiveConstants.originOfMultiprocessors(of: kind, on: cluster)
    )
  }
}
