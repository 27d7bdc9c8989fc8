import Clusters

/// How long one operation takes, and the mechanism that decides it.
public struct Cost: Hashable, Sendable {
  /// Seconds from the first to the last instruction; the gap to the next kernel is not in it.
  public var seconds: Double
  /// The mechanism that takes most of the time: relieving another one would gain little.
  public var limitedBy: Limit

  public init(seconds: Double, limitedBy: Limit) {
    self.seconds = seconds
    self.limitedBy = limitedBy
  }

  /// An operation that does nothing.
  public static let none = Cost(seconds: 0, limitedBy: .launch)

  /// Both operations one after the other, limited by what limits the longer one.
  public static func + (first: Cost, second: Cost) -> Cost {
    Cost(
      seconds: first.seconds + second.seconds,
      limitedBy: first.seconds >= second.seconds ? first.limitedBy : second.limitedBy)
  }

  /// The same operation a number of times, one after the other.
  public static func * (count: Int, cost: Cost) -> Cost {
    Cost(seconds: Double(count) * cost.seconds, limitedBy: cost.limitedBy)
  }
}

/// What decides the duration of an operation.
public enum Limit: String, Hashable, Sendable, CaseIterable {
  case compute
  /// The last wave of tiles leaves multiprocessors idle.
  case waveQuantisation = "wave quantisation"
  case memory
  /// Starting the kernel takes longer than its work.
  case launch
  case infiniBand = "InfiniBand"
  case nvlink = "NVLink"
  /// Uplinks of switches, which carry less than their adapters together.
  case uplinks
  /// Too few multiprocessors move the data.
  case multiprocessors = "SMs"
  case latency

  /// As people of a cluster call it: its own network and links, which need be neither InfiniBand nor NVLink.
  public func name(on cluster: Cluster) -> String {
    switch self {
    case .infiniBand:
      // Generations (`InfiniBand NDR`) are one technology.
      cluster.network.map { $0.name.contains(rawValue) ? rawValue : $0.name } ?? rawValue
    case .nvlink: cluster.node.link.name
    default: rawValue
    }
  }
}
