import Clusters
import Costs
import Documents

/// A fit of what ships: measured collectives, and the cluster whose constants come from them.
public struct ShippedFit: Sendable {
  /// What the measurements are called.
  public var machine: String
  public var cluster: String
  /// The fit's parts, one after the other: what is fitted to which kinds.
  var parts: [Part]

  struct Part: Sendable {
    var machine: String
    var kinds: [CollectiveCell.Kind]
    var parameters: [CollectiveFit.Parameter]
    /// Whether every second cell is kept back, to be predicted.
    var isHalved = true
    /// Whether every second is counted over nodes and sizes together, not over the sizes of each series.
    var alternatesOverNodes = false
  }

  private static let reductions: [CollectiveCell.Kind] = [.allReduce, .allGather, .reduceScatter]

  /// Every fit, by the name of its measurements.
  public static let all: [ShippedFit] = [
    ShippedFit(
      machine: "h100", cluster: "h100-2048",
      parts: [
        Part(
          machine: "h100", kinds: reductions,
          parameters: CollectiveFit.Parameter.rings + CollectiveFit.Parameter.inSwitch
            + CollectiveFit.Parameter.trees + CollectiveFit.Parameter.inSwitchAcross),
        Part(
          machine: "h100", kinds: [.send], parameters: CollectiveFit.Parameter.direct),
        Part(
          machine: "h100", kinds: [.allToAll], parameters: CollectiveFit.Parameter.exchange),
        Part(
          machine: "h100-gather", kinds: [.allGather],
          parameters: [CollectiveFit.Parameter.ringShareBetweenNodes]),
      ]),
    ShippedFit(
      machine: "a100", cluster: "a100-selene",
      parts: [
        Part(
          machine: "a100", kinds: reductions, parameters: CollectiveFit.Parameter.rings),
        Part(
          machine: "a100", kinds: [.allToAll], parameters: CollectiveFit.Parameter.exchange),
      ]),
    ShippedFit(
      machine: "a100-vtrain", cluster: "a100-vtrain-512",
      parts: [
        Part(
          machine: "a100-vtrain", kinds: [.allReduce],
          parameters: CollectiveFit.Parameter.wholeChunks, isHalved: false)
      ]),
    ShippedFit(
      machine: "efa", cluster: "aws-p5",
      parts: [
        Part(
          machine: "efa", kinds: reductions, parameters: CollectiveFit.Parameter.sharedNetwork,
          alternatesOverNodes: true)
      ]),
  ]

  /// The keys of what is fitted, below `node.collectives`.
  public var constantNames: [String] { parts.flatMap { $0.parameters.map(\.name) } }

  /// The constants as they ship, those fitted anew from them, what was fitted, and the measured cells.
  public struct Outcome: Sendable {
    public var shipped: CollectiveConstants
    public var fitted: CollectiveConstants
    public var parameters: [CollectiveFit.Parameter]
    public var cells: CollectiveCells
  }

  /// Fits again, in about a second.
  ///
  /// What a link reached is left out of it: it is the ceiling of what the fit finds.
  public func run() throws(ConfigurationError) -> Outcome {
    let shipped = try CollectiveConstants(Cluster.shipped(cluster))
    var constants = shipped
    constants.linkReached = constants.linkBandwidth
    constants.networkReached = constants.networkBandwidth
    var parameters: [CollectiveFit.Parameter] = []
    var all = CollectiveCells(fitted: [], predicted: [])
    for part in parts {
      var cells = CollectiveCells(
        shipped: part.machine, part.kinds, alternatingOverNodes: part.alternatesOverNodes)
      if !part.isHalved {
        cells = CollectiveCells(fitted: cells.fitted + cells.predicted, predicted: [])
      }
      constants = CollectiveFit(part.parameters, to: cells.fitted, from: constants).constants
      parameters += part.parameters
      all.fitted += cells.fitted
      all.predicted += cells.predicted
    }
    return Outcome(shipped: shipped, fitted: constants, parameters: parameters, cells: all)
  }
}
