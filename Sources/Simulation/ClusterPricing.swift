import Clusters
import Costs
import Documents
import Models
import Plans
import Programs

/// Prices of a plan on a cluster, from the cost model.
///
/// Kernels of fixed size are priced once per kind and kept; those of routed rows are priced at whole
/// blocks of rows.
public struct ClusterPricing: Pricing {
  let cluster: Cluster
  let plan: Plan
  /// The device with the constants that kernels are priced by.
  public private(set) var device: DeviceModel
  private(set) var kernels: KernelPricing
  private(set) var exchange: ExchangePricing
  /// Multiprocessors of exchanges; 0 where there are none and the plan reserves none.
  let communicationSMs: Int
  let collectives: CollectiveCost
  let distances: GroupDistances
  /// Nil where closed forms say all about links.
  let sharedLinks: SharedLinks?
  let messageEnds: MessageEnds
  let keyValueReplicas: Int

  /// Prices for a plan of a model on a cluster.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  public init(_ cluster: Cluster, plan: Plan, architecture: Architecture) throws(ConfigurationError)
  {
    try self.init(cluster, plan: plan, architecture: architecture, sharing: nil)
  }

  /// The same, with what other steps have asked of the device.
  package init(
    _ cluster: Cluster, plan: Plan, architecture: Architecture, sharing book: PriceBook?
  ) throws(ConfigurationError) {
    self.cluster = cluster
    self.plan = plan
    // Without a book of others' it lasts for this step.
    let book = book ?? PriceBook()
    device = try book.model(of: cluster.device)
    keyValueReplicas = LoweringSetting(plan, target: .device).keyValueReplicas(of: architecture)
    distances = GroupDistances(plan, keyValueReplicas: keyValueReplicas, on: cluster)
    let usual = try plan.usualCommunicationSMs(on: cluster, for: architecture, book)?.count
    communicationSMs = plan.communicationSMs ?? usual ?? 0
    kernels = KernelPricing(
      cluster.device, device, plan: plan, communicationSMs: communicationSMs)
    let constants = try book.collectives(of: cluster)
    exchange = try ExchangePricing(
      cluster, plan, architecture, book, farthest: distances.farthestExpert,
      multiprocessors: communicationSMs)
    collectives = CollectiveCost(constants)
    sharedLinks = SharedLinks(
      cluster, plan, constants, keyValueReplicas: keyValueReplicas)
    messageEnds = MessageEnds(cluster, plan)
  }

  /// The same prices with kernels at another clock, hertz.
  package func running(at clock: Double) -> ClusterPricing { running(at: clock, sharing: nil) }

  /// The same with prices that other steps have asked for at this clock.
  func running(at clock: Double, sharing book: PriceBook?) -> ClusterPricing {
    var pricing = self
    pricing.device.loadedClock = clock
    func made() -> KernelPricing {
      KernelPricing(
        cluster.device, pricing.device, plan: plan, communicationSMs: communicationSMs)
    }
    pricing.kernels =
      book?.kernels(
        KernelPricing.Basis(
          cluster.device, clock: clock, plan, communicationSMs: communicationSMs), made) ?? made()
    return pricing
  }

  /// The prices of programs of inference.
  func serving() -> ClusterPricing {
    var pricing = self
    pricing.kernels.serves = true
    return pricing
  }

  /// The same prices with exchanges at one end of what their multiprocessors move.
  func exchanging(at end: MultiprocessorRate.End) -> ClusterPricing {
    var pricing = self
    pricing.exchange = exchange.at(end)
    return pricing
  }

  /// The library that multiplies the operands of the plan's linear maps.
  public var library: MatmulLibrary? {
    plan.precision.linearOperands == .e4m3
      ? device.libraryOfFP8(plan.precision.scaling, chosen: plan.library)
      : device.library(for: .bf16, chosen: plan.library)
  }

  /// Refuses to offload where the cluster's file does not say what joins device and host.
  func checkOffload() throws(PlanError) {
    guard !plan.offload.isNothing, cluster.device.hostLink == nil else { return }
    throw .cannotSimulate(
      key: "offload",
      value: "{activations: \(plan.offload.activations), optimizer: \(plan.offload.optimizer)}",
      rule: "needs device.host-link, which \(cluster.name) does not describe")
  }

  /// Refuses a library that the cluster's file does not describe.
  func checkLibrary() throws(PlanError) {
    guard let chosen = plan.library else { return }
    let scaling = plan.precision.scaling
    if chosen.isFP8, scaling != .microscaling, chosen.scalesTensors != scaling.isOfTensors {
      throw .cannotSimulate(
        key: "library", value: chosen.rawValue,
        rule: "multiplies FP8 with one scale a \(chosen.scalesTensors ? "tensor" : "block"), and "
          + "precision.fp8-scaling is \(scaling.rawValue)")
    }
    guard device.matmuls[chosen] == nil else { return }
    let known = device.libraries(for: chosen.precision)
      .filter { $0.scalesTensors == (scaling.isOfTensors && $0.isFP8) }.map(\.rawValue)
    throw .cannotSimulate(
      key: "library", value: chosen.rawValue,
      rule: "is not among the matrix products that \(cluster.name) describes for "
        + "\(cluster.device.name)"
        + (known.isEmpty ? "" : "; there is \(known.joined(separator: ", "))"))
  }

  /// Refuses sums in a switch where no switch adds up, or too few ranks of a node take part.
  func checkAlgorithm() throws(PlanError) {
    guard plan.collectiveAlgorithm == .inSwitch, plan.replicas > 1 else { return }
    func refused(_ rule: String) -> PlanError {
      .cannotSimulate(key: "collective-algorithm", value: "in-switch", rule: rule)
    }
    guard let least = collectives.leastRanksInSwitch else {
      throw refused(
        "needs switches that add up, and \(cluster.name) has no node.collectives.in-switch")
    }
    let ranks = group(.gradient).ranksPerNode
    guard ranks < least else { return }
    throw refused(
      "needs \(least) ranks of a node in every group of data ranks (node.collectives.in-switch."
        + "from-ranks), and \(ranks == 1 ? "1 takes" : "\(ranks) take") part")
  }

  /// The rows of one exchange where every rank receives the same; those of experts are the rows of all
  /// ranks that hold slices of them.
  public func balancedRows(_ architecture: Architecture) -> (received: Int, routed: Int, sent: Int)
  {
    exchange.balancedRows(architecture)
  }

  public func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    seconds(of: operation, rows: rows, isOverlapped: isOverlapped, channels: 0)
  }

  public func seconds(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int
  ) -> Double {
    if case .awaited = operation.kernel { return hostSeconds(of: operation) }
    return kernels.seconds(
      of: operation, rows: rows, isOverlapped: isOverlapped, channels: channels)
  }

  /// Those of NCCL's collectives, by rings, trees and in the switch alike (16 channels of NVLS on an H200,
  /// stas00/ml-engineering network/README.md); none in a group of one.
  public func channels(of transfer: Transfer) -> Int {
    switch transfer.kind {
    case .allGather(let of), .reduceScatter(let of), .allReduce(let of):
      group(of).ranks > 1 ? collectives.channels(of: group(of)) : 0
    default: 0
    }
  }

  /// Multiprocessors that collectives over copies of the parameters may take, however many there are and
  /// whatever groups they are divided into.
  package var channelsOfCopies: Set<Int> {
    collectives.channels(ofRanksApart: plan.tensorParallel)
  }

  public func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
    -> ExchangePrice
  {
    exchange.price(transfer, rows: rows, isOverlapped: isOverlapped)
  }

  public func price(
    ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool, over links: LinkSlowness
  ) -> ExchangePrice {
    exchange.price(transfer, rows: rows, isOverlapped: isOverlapped, over: links)
  }

  /// Kernels over routed rows are priced at whole tiles.
  public var rowsPerBlock: Int { KernelPricing.rowsPerBlock }
}
