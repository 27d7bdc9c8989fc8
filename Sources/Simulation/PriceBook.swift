import Clusters
import Costs
import Documents
import Plans
import Synchronization

/// What steps on one device have in common beside their programs: its constants, and the prices of kernels.
package final class PriceBook: Sendable {
  private struct Pages {
    var devices: [(Device, DeviceModel)] = []
    var collectives: [(Cluster, CollectiveConstants)] = []
    var exchanges: [(Cluster, ExchangeConstants)] = []
    var kernels: [KernelPricing.Basis: KernelPricing] = [:]
    /// Plans without what orders their passes whose steps are far from the longest one, on one cluster.
    var cluster: Cluster?
    var short: Set<Plan> = []
  }

  /// Devices, and kinds of prices, that are kept; a search has few of them.
  private static let most = 64
  private let pages = Mutex(Pages())

  /// Nothing is known yet.
  package init() {}

  /// The constants of a device.
  ///
  /// - Throws: `ConfigurationError` if its file lacks one.
  func model(of device: Device) throws(ConfigurationError) -> DeviceModel {
    try known(of: device, in: \.devices, DeviceModel.init)
  }

  /// The constants of a cluster's collectives.
  ///
  /// - Throws: `ConfigurationError` if its file lacks one.
  func collectives(of cluster: Cluster) throws(ConfigurationError) -> CollectiveConstants {
    try known(of: cluster, in: \.collectives, CollectiveConstants.init)
  }

  /// The constants of a cluster's exchanges over two levels.
  ///
  /// - Throws: `ConfigurationError` if its file lacks one.
  func exchanges(of cluster: Cluster) throws(ConfigurationError) -> ExchangeConstants {
    try known(of: cluster, in: \.exchanges, ExchangeConstants.init)
  }

  /// What a description says, read once.
  private func known<Key: Equatable & Sendable, Constants: Sendable>(
    of key: Key, in page: WritableKeyPath<Pages, [(Key, Constants)]> & Sendable,
    _ read: (Key) throws(ConfigurationError) -> Constants
  ) throws(ConfigurationError) -> Constants {
    if let known = pages.withLock({ $0[keyPath: page].first { $0.0 == key }?.1 }) { return known }
    let made = try read(key)
    pages.withLock { pages in
      guard !pages[keyPath: page].contains(where: { $0.0 == key }) else { return }
      if pages[keyPath: page].count >= Self.most { pages[keyPath: page] = [] }
      pages[keyPath: page].append((key, made))
    }
    return made
  }

  /// Prices of kernels with what was asked of them before, by all that decides them.
  func kernels(_ basis: KernelPricing.Basis, _ make: () -> KernelPricing) -> KernelPricing {
    if let known = pages.withLock({ $0.kernels[basis] }) { return known }
    let made = make()
    return pages.withLock { pages in
      if let known = pages.kernels[basis] { return known }
      if pages.kernels.count >= Self.most { pages.kernels = [:] }
      pages.kernels[basis] = made
      return made
    }
  }

  /// Whether a step with the same degrees, batch and state was found to be a thousand times shorter than the
  /// clock holds.
  ///
  /// Another schedule, cut or recomputation of the same passes does not make up for that.
  func isShort(_ plan: Plan, on cluster: Cluster) -> Bool {
    let alike = Self.alike(plan)
    return pages.withLock { $0.cluster == cluster && $0.short.contains(alike) }
  }

  func noteShort(_ plan: Plan, on cluster: Cluster) {
    let alike = Self.alike(plan)
    pages.withLock { pages in
      if pages.cluster != cluster || pages.short.count >= 4096 {
        (pages.cluster, pages.short) = (cluster, [])
      }
      pages.short.insert(alike)
    }
  }

  private static func alike(_ plan: Plan) -> Plan {
    var plan = plan
    plan.name = ""
    plan.source = nil
    plan.schedule = .named("1f1b")
    plan.stagesPerRank = 1
    plan.layout = .even
    plan.recomputation = .none
    return plan
  }
}
