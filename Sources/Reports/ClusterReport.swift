import Clusters
import Documents
import Quantities

/// What a cluster's description says, with sources, and what its network is made of.
public struct ClusterReport: Encodable, Sendable {
  /// One value of the description.
  public struct Entry: Encodable, Sendable {
    /// The key in the file: `device.memory.size`.
    public var key: String
    /// The value with three significant figures, and with every digit.
    public var value: String
    public var exactValue: String
    /// Where it was published; nil where the file does not say.
    public var source: String?
    /// Why the value was taken where nobody has published it.
    public var assumption: String?
  }

  /// Switches and cables.
  public struct Parts: Encodable, Sendable {
    public var endpoints: Int
    public var leafSwitches: Int
    public var spineSwitches: Int
    public var coreSwitches: Int
    public var switches: Int
    /// Between switches; those to adapters, one per endpoint, not counted.
    public var links: Int
  }

  public var name: String
  public var summary: String?
  public var nodes: Int
  public var devices: Int
  public var entries: [Entry]
  public var bill: Parts?
  /// What is slower than described, one sentence each.
  public var degradations: [String]
  public var path: PathReport?
  public var inputs: Inputs
  let heading: String

  /// Describes a cluster, and the path between two of its ranks where one is given.
  public init(_ cluster: Cluster, path: Path? = nil, _ inputs: Inputs) {
    name = cluster.name
    summary = cluster.summary
    nodes = cluster.nodes.value
    devices = cluster.rankCount
    heading = cluster.heading(of: grouped(cluster.rankCount))
    entries = cluster.facts.map { fact in
      var entry = Entry(key: fact.path, value: fact.text, exactValue: fact.exact)
      switch fact.origin {
      case .source(let text): entry.source = text
      case .assumption(let text): entry.assumption = text
      case .unstated: break
      }
      return entry
    }
    bill = cluster.bill.map { bill in
      Parts(
        endpoints: bill.endpoints, leafSwitches: bill.leafSwitches,
        spineSwitches: bill.spineSwitches, coreSwitches: bill.coreSwitches,
        switches: bill.switches, links: bill.links)
    }
    degradations = cluster.degradations.map { "\($0)" }
    self.path = path.map { PathReport($0) }
    self.inputs = inputs
  }

  private enum CodingKeys: String, CodingKey {
    case name, summary, nodes, devices, entries, bill, degradations, path, inputs
  }
}

extension ClusterReport {
  /// The report as a page of at most 100 columns; with a path, only the path.
  public var text: String {
    let changes = inputs.lines(width: 100).map { $0 + "\n" }.joined()
    if let path { return changes + path.text }
    var text = (summary.map { "\(name): \($0)" } ?? name) + "\n\(heading)\n\(changes)\n"
    var table = TextTable([.left, .left, .left])
    for entry in entries {
      let origin = entry.source ?? entry.assumption.map { "assumption: \($0)" } ?? ""
      table.add(entry.key, entry.value, origin)
    }
    text += table.text(width: 100)
    if let bill {
      text += "\nNetwork, all planes together\n"
      var parts = TextTable([.left, .right])
      parts.add("endpoints", grouped(bill.endpoints))
      parts.add("leaf switches", grouped(bill.leafSwitches))
      if bill.spineSwitches > 0 { parts.add("spine switches", grouped(bill.spineSwitches)) }
      if bill.coreSwitches > 0 { parts.add("core switches", grouped(bill.coreSwitches)) }
      parts.add("switches", grouped(bill.switches))
      parts.add("links between switches", grouped(bill.links))
      text += parts.text()
    }
    return text
  }
}
