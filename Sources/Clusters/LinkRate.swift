import Documents
import Quantities

/// What a link carries one way.
public struct LinkRate: Hashable, Sendable {
  /// As the data sheet says.
  public var bandwidth: Sourced<BytesPerSecond>
  /// As transfers were measured to reach; at most the bandwidth.
  public var reached: Sourced<BytesPerSecond>
}
