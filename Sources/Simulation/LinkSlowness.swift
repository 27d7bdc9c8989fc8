import Costs

/// How the links of a rank differ from healthy ones.
public struct LinkSlowness: Hashable, Sendable {
  /// What they do to the bytes of its exchanges.
  public var exchanges = LinkStretch()
  /// The number of the ranks whose collectives all take as long as this one's.
  public var alike = 0
  /// All that it says to others takes so many times as long as its links make it; 1 but where the question is
  /// what slower links would cost.
  public var stretch = 1.0

  /// Healthy links.
  public init() {}

  /// The factor of a transfer of which nothing but its reach is known: of its slowest link, and what stays in
  /// the node uses no adapter.
  func callAsFunction(crossesNodes: Bool) -> Double {
    stretch * (crossesNodes ? max(exchanges.network, exchanges.node) : exchanges.node)
  }
}
