/// What is known of the ranks that a plan will run on.
public enum World: Hashable, Sendable {
  case unknown
  /// A cluster with so many devices, of which the plan may use a part.
  case devices(Int)
  /// Exactly so many running ranks.
  case ranks(Int)
}
