/// How much slower than described the links of a rank are: times of what crosses them are multiplied by
/// it, 1 for healthy ones.
public struct LinkSlowness: Hashable, Sendable {
  /// Of the way to other nodes.
  public var network = 1.0
  /// Of the link inside the node.
  public var node = 1.0

  /// Healthy links.
  public init() {}

  public init(network: Double, node: Double) {
    self.network = network
    self.node = node
  }

  /// The factor of a transfer: of its slowest link, and what stays in the node uses no adapter.
  func callAsFunction(crossesNodes: Bool) -> Double { crossesNodes ? max(network, node) : node }
}
