import Costs
import RealModule

/// A collective that was measured: all runs of one size on as many nodes and ranks.
public struct CollectiveCell: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case allReduce = "all-reduce"
    case allGather = "all-gather"
    case reduceScatter = "reduce-scatter"
    case allToAll = "all-to-all"
    case send
  }

  public var kind: Kind
  public var nodes: Int
  public var ranks: Int
  /// Bytes on each rank, all parts together.
  public var bytes: Double
  /// The mean over what several published.
  public var measuredSeconds: Double

  package init(
    kind: Kind, nodes: Int, ranks: Int, bytes: Double, measuredSeconds: Double
  ) {
    self.kind = kind
    self.nodes = nodes
    self.ranks = ranks
    self.bytes = bytes
    self.measuredSeconds = measuredSeconds
  }

  /// Seconds by the formulas; nothing where the cluster cannot carry it out.
  public func predictedSeconds(_ constants: CollectiveConstants) -> Double {
    let cost = CollectiveCost(constants)
    let group = CollectiveGroup(ranks: ranks, ranksPerNode: (ranks + nodes - 1) / nodes)
    return switch kind {
    case .allReduce: cost.allReduce(bytes: bytes, group: group).seconds
    case .allGather: cost.allGather(bytes: bytes, group: group).seconds
    case .reduceScatter: cost.reduceScatter(bytes: bytes, group: group).seconds
    case .allToAll: cost.allToAll(bytes: bytes, group: group).seconds
    case .send: cost.send(bytes: bytes, insideNode: nodes == 1).seconds
    }
  }
}

/// The measured collectives of one kind of machine, halved: constants are fitted to every second cell of
/// a series over size, and the others are predicted.
public struct CollectiveCells: Sendable {
  public var fitted: [CollectiveCell]
  public var predicted: [CollectiveCell]

  init(fitted: [CollectiveCell], predicted: [CollectiveCell]) {
    self.fitted = fitted
    self.predicted = predicted
  }

  /// The shipped measurements of `machine` (`h100`, `a100`, `efa`) whose kind is listed.
  ///
  /// A cell is the mean over its rows, which are those nearest to one power of two: seconds, and bytes by
  /// their logarithms.
  ///
  /// - Parameter alternatingOverNodes: a series goes on over nodes, where most have one size only.
  public init(
    shipped machine: String, _ kinds: [CollectiveCell.Kind], alternatingOverNodes: Bool = false
  ) {
    struct Place: Hashable, Comparable {
      var kind: String
      var nodes: Int
      var ranks: Int
      var exponent: Int

      static func < (first: Place, second: Place) -> Bool {
        (first.kind, first.nodes, first.ranks, first.exponent)
          < (second.kind, second.nodes, second.ranks, second.exponent)
      }
    }
    let table = ComponentTable(PackageResources.nccl_csv)
    var rows: [Place: [(bytes: Double, seconds: Double)]] = [:]
    for row in table.rows where row.text("machine") == machine {
      guard let kind = CollectiveCell.Kind(rawValue: row.text("collective")), kinds.contains(kind)
      else { continue }
      let exponent = Int(Double.log2(row.number("bytes")).rounded())
      let place = Place(
        kind: kind.rawValue, nodes: row.integer("nodes"), ranks: row.integer("ranks"),
        exponent: exponent)
      rows[place, default: []].append((row.number("bytes"), row.number("us") * 1e-6))
    }
    self.init(fitted: [], predicted: [])
    var last: Place?
    var isFitted = false
    for place in rows.keys.sorted() {
      let isSameSeries =
        last.map {
          alternatingOverNodes
            ? $0.kind == place.kind
            : ($0.kind, $0.nodes, $0.ranks) == (place.kind, place.nodes, place.ranks)
        } ?? false
      isFitted = isSameSeries ? !isFitted : true
      last = place
      guard let kind = CollectiveCell.Kind(rawValue: place.kind), let all = rows[place] else {
        continue
      }
      let cell = CollectiveCell(
        kind: kind, nodes: place.nodes, ranks: place.ranks,
        bytes: Double.exp2(all.reduce(0) { $0 + Double.log2($1.bytes) } / Double(all.count)),
        measuredSeconds: all.reduce(0) { $0 + $1.seconds } / Double(all.count))
      if isFitted { fitted.append(cell) } else { predicted.append(cell) }
    }
  }
}
