import Clusters
import Quantities

/// The links that join two ranks.
public struct PathReport: Encodable, Sendable {
  /// One link on the way.
  public struct Hop: Encodable, Sendable {
    public var link: String
    public var bytesPerSecond: Double
    public var latencySeconds: Double
  }

  public var source: Int
  public var destination: Int
  /// The highest thing that the path reaches: `same-node`, `cross-leaf`.
  public var reach: String
  /// Whether another device of a node passes the data on.
  public var isForwarded: Bool
  /// What a single flow can have; nil from a rank to itself.
  public var bytesPerSecond: Double?
  public var latencySeconds: Double
  public var hops: [Hop]

  init(_ path: Path) {
    source = path.source
    destination = path.destination
    reach = Self.describe(path.reach)
    isForwarded = path.isForwarded
    bytesPerSecond = path.hops.isEmpty ? nil : path.bandwidth.value
    latencySeconds = path.latency.value
    hops = path.hops.map { hop in
      Hop(
        link: "\(hop.link)", bytesPerSecond: hop.bandwidth.value,
        latencySeconds: hop.latency.value)
    }
  }

  private static func describe(_ reach: Path.Reach) -> String {
    switch reach {
    case .sameRank: "same-rank"
    case .sameNode: "same-node"
    case .sameLeaf: "same-leaf"
    case .crossLeaf: "cross-leaf"
    case .crossPod: "cross-pod"
    }
  }

  /// The path as a table of links.
  public var text: String {
    let forwarded = isForwarded ? ", forwarded by another device" : ""
    var text = "rank \(source) to rank \(destination): \(reach)\(forwarded)\n"
    guard let bytesPerSecond else { return text }
    var table = TextTable([.left])
    table.add("link", "bandwidth", "latency")
    for hop in hops {
      table.add(
        hop.link, BytesPerSecond(hop.bytesPerSecond).description,
        hop.latencySeconds == 0 ? "0" : Seconds(hop.latencySeconds).description)
    }
    table.add(
      "one flow", BytesPerSecond(bytesPerSecond).description, Seconds(latencySeconds).description)
    text += table.text()
    return text
  }
}
