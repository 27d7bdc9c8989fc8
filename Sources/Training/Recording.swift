/// What a ledger records beside its sums.
public struct Recording: Sendable {
  /// The order of operations and transfers.
  public var order = false
  /// Spans on the wall's clock.
  public var timeline = false
  /// Matrix products with their sizes.
  public var products = false
  /// What routers chose.
  public var routes = false

  /// Sums alone.
  public init(
    order: Bool = false, timeline: Bool = false, products: Bool = false, routes: Bool = false
  ) {
    self.order = order
    self.timeline = timeline
    self.products = products
    self.routes = routes
  }
}
