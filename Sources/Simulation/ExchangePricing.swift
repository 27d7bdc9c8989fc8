import Clusters
import Costs
import Documents
import Models
import Plans
import Programs

/// Prices of a plan's expert exchanges on a cluster, by its dispatcher.
struct ExchangePricing: Sendable {
  /// What carries the rows.
  private enum Carrier: Sendable {
    /// Every rank holds all experts.
    case nothing
    case twoLevels(ExchangeCost, ExpertReach, ranksPerNode: Int)
    case collective(CollectiveExchange, experts: Int)
  }

  private var carrier: Carrier
  private let plan: Plan
  /// Tokens of a microbatch that a rank sends to the experts.
  private let tokens: Int
  /// Rows that arrive at the ranks of the group for each token.
  private let rowsPerToken: Double
  private var multiprocessors: Int

  /// - Parameters:
  ///   - book: what is known of the cluster's constants.
  ///   - farthest: seconds to the farthest rank of an expert group; nil for those of the constants.
  ///   - multiprocessors: those that exchanges take.
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  init(
    _ cluster: Cluster, _ plan: Plan, _ architecture: Architecture,
    _ book: PriceBook, farthest: Double?, multiprocessors: Int
  ) throws(ConfigurationError) {
    self.plan = plan
    self.multiprocessors = multiprocessors
    tokens = LoweringSetting(plan, target: .device).expertTokens
    guard let spread = ExpertSpread(architecture, plan, cluster) else {
      (carrier, rowsPerToken) = (.nothing, 1)
      return
    }
    let perNode = plan.expertRanksPerNode(on: cluster)
    guard let kind = plan.dispatcher(for: architecture, on: cluster).collective else {
      var constants = try book.exchanges(of: cluster)
      constants.networkLatency = farthest ?? constants.networkLatency
      let reach = SampledReach.reach(
        of: spread.routing, ranks: plan.expertParallel, ranksPerNode: spread.ranksPerNode,
        nodesPerToken: plan.nodesPerToken)
      carrier = .twoLevels(ExchangeCost(constants), reach, ranksPerNode: perNode)
      rowsPerToken = reach.ranks
      return
    }
    let group = CollectiveGroup(
      ranks: plan.expertParallel, ranksPerNode: perNode, networkLatency: farthest)
    carrier = .collective(
      CollectiveExchange(kind, try book.collectives(of: cluster), group: group),
      experts: spread.routing.experts)
    rowsPerToken = Double(
      kind == .allToAll ? spread.routing.expertsPerToken : plan.expertParallel)
  }

  /// The rows of one exchange where every rank receives the same; those of experts are the rows of all
  /// ranks that hold slices of them.
  func balancedRows(_ architecture: Architecture) -> (received: Int, routed: Int, sent: Int) {
    let chosen = architecture.feedForwards.compactMap(\.mixture).first?.expertsPerToken ?? 1
    let copies = Int((Double(tokens) * rowsPerToken).rounded())
    return (copies, tokens * chosen * plan.expertTensorParallel, copies)
  }

  func price(
    _ transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool,
    over links: LinkSlowness = LinkSlowness()
  ) -> ExchangePrice {
    guard
      let parts = parts(
        transfer, rows: rows, isOverlapped: isOverlapped, stretch: links.exchanges)
    else { return ExchangePrice(preparation: 0, payload: 0) }
    return ExchangePrice(
      preparation: parts.layout + parts.notify, payload: parts.payload.seconds * links.stretch,
      adapterShare: parts.adapterShare, linkShare: parts.linkShare)
  }

  /// The parts of an exchange; nil where nothing is exchanged.
  private func parts(
    _ transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool,
    stretch: LinkStretch = LinkStretch()
  ) -> ExchangeCost.Parts? {
    let direction: ExchangeShape.Direction
    var countsAreKnown = true
    switch transfer.kind {
    case .dispatch: (direction, countsAreKnown) = (.dispatch, false)
    case .combineBackward: direction = .dispatch
    default: direction = .combine
    }
    let load = max(1, Double(received(transfer, rows)) / (Double(tokens) * rowsPerToken))
    switch carrier {
    case .nothing: return nil
    case .twoLevels(let cost, let reach, let perNode):
      return cost.parts(
        ExchangeShape(
          direction, tokens: tokens, rowBytes: Double(transfer.bytesPerRow), reach: reach,
          ranks: plan.expertParallel, ranksPerNode: perNode, load: load,
          countsAreKnown: countsAreKnown),
        multiprocessors: multiprocessors, besideComputation: isOverlapped, over: stretch)
    case .collective(let cost, let experts):
      return cost.parts(
        direction,
        rows: cost.kind == .allToAll ? Double(tokens) * rowsPerToken : Double(tokens),
        rowBytes: Double(transfer.bytesPerRow), load: load,
        countedExperts: countsAreKnown ? nil : experts, multiprocessors: multiprocessors,
        over: stretch)
    }
  }

  /// What this rank receives, or sends back.
  private func received(_ transfer: Transfer, _ rows: ExchangeRows) -> Int {
    switch transfer.kind {
    case .dispatch(let exchange), .combine(let exchange), .combineBackward(let exchange),
      .dispatchBackward(let exchange):
      rows.received[exchange]
    default: 0
    }
  }

  // MARK: What one multiprocessor moves

  /// The same prices at one end of what a multiprocessor of an exchange moves.
  func at(_ end: MultiprocessorRate.End) -> ExchangePricing {
    guard case .twoLevels(let cost, let reach, let perNode) = carrier else { return self }
    var pricing = self
    pricing.carrier = .twoLevels(cost.at(end), reach, ranksPerNode: perNode)
    return pricing
  }

  /// What exchanges of these stages take between the ends of that rate; nil where it makes no difference.
  func range(_ stages: [StageProgram], rows: [ExchangeRows]) -> ExchangeRange? {
    guard case .twoLevels(let cost, _, _) = carrier else { return nil }
    let (low, high) = (at(.low), at(.high))
    var range: ExchangeRange?
    for (stage, rows) in zip(stages, rows) {
      for transfer in stage.forward.transfers + stage.backward.transfers
      where transfer.kind.isExpertPayload {
        func seconds(_ pricing: ExchangePricing) -> Double {
          pricing.parts(transfer, rows: rows, isOverlapped: false)?.payload.seconds ?? 0
        }
        let stated = seconds(self)
        guard stated > range?.seconds ?? 0 else { continue }
        let ends = (low: seconds(low), high: seconds(high))
        guard ends.low > ends.high else { continue }
        range = ExchangeRange(
          multiprocessors: multiprocessors,
          rate: cost.multiprocessorRate(crossingNodes: crossesNodes), seconds: stated,
          secondsAtLow: ends.low, secondsAtHigh: ends.high)
      }
    }
    return range
  }

  /// The fewest multiprocessors on which exchanges of these stages are as fast as on those that they take; nil where
  /// nothing is exchanged.
  ///
  /// - Parameter besideComputation: whether some run beside busy computation, where rows take handling, too.
  func fewestAsFast(
    _ stages: [StageProgram], rows: [ExchangeRows], besideComputation: Bool
  ) -> Int? {
    if case .nothing = carrier { return nil }
    func seconds(_ count: Int) -> [Double] {
      var pricing = self
      pricing.multiprocessors = count
      return zip(stages, rows).flatMap { stage, rows in
        (stage.forward.transfers + stage.backward.transfers).filter(\.kind.isExpertPayload).map {
          pricing.parts($0, rows: rows, isOverlapped: besideComputation)?.payload.seconds ?? 0
        }
      }
    }
    let own = seconds(multiprocessors)
    guard !own.isEmpty else { return nil }
    return leastCount(in: 1...multiprocessors) { seconds($0) == own }
  }

  private var crossesNodes: Bool {
    if case .twoLevels(_, _, let perNode) = carrier { plan.expertParallel > perNode } else { false }
  }
}

/// The least count that does, where all do from some count on, as the last one does.
func leastCount(in counts: ClosedRange<Int>, _ does: (Int) throws -> Bool) rethrows -> Int {
  var (low, high) = (counts.lowerBound, counts.upperBound)
  while low < high {
    let middle = (low + high) / 2
    if try does(middle) { high = middle } else { low = middle + 1 }
  }
  return high
}

extension Plan.Dispatcher {
  /// The collective that carries the rows; nil for DeepEP's own kernels.
  var collective: CollectiveExchange.Kind? {
    switch self {
    case .deepEP: nil
    case .allToAll: .allToAll
    case .allGather: .allGather
    }
  }
}
