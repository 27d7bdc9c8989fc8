/// By what the bytes of a rank take longer over its links than over healthy ones, 1 for as long.
public struct LinkStretch: Hashable, Sendable {
  /// To other nodes.
  public var network: Double
  /// Inside the node.
  public var node: Double

  public init(network: Double = 1, node: Double = 1) {
    self.network = network
    self.node = node
  }
}
