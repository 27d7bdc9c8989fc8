import Costs
import RealModule

/// Constants of collectives, fitted to measured ones.
public struct CollectiveFit: Sendable {
  /// A constant that is fitted: its path in a cluster's `collectives` and its place.
  public struct Parameter: Sendable {
    public var name: String
    /// What a value is counted in.
    public var unit: Unit
    let get: @Sendable (CollectiveConstants) -> Double
    let set: @Sendable (inout CollectiveConstants, Double) -> Void

    public enum Unit: String, Sendable {
      case seconds, bytes, share, cycles, exponent, multiple
      case rate = "bytes_per_second"

      /// What a file may say of a key in this unit.
      var kind: ConstantKind {
        switch self {
        case .seconds: .time
        case .bytes: .bytes
        case .share: .share
        case .cycles: .cycles
        case .exponent: .exponent
        case .multiple: .multiple
        case .rate: .rate
        }
      }
    }

    /// What the key may be.
    var range: ClosedRange<Double> { (kind ?? unit.kind).range }
    /// Where the unit alone does not say it.
    var kind: ConstantKind?

    /// The value of some constants.
    public func callAsFunction(_ constants: CollectiveConstants) -> Double { get(constants) }
  }

  public var constants: CollectiveConstants
  public var parameters: [Parameter]

  /// Fits `parameters` of `start` to cells, the others staying as they are.
  public init(
    _ parameters: [Parameter], to cells: [CollectiveCell], from start: CollectiveConstants
  ) {
    func with(_ values: [Double]) -> CollectiveConstants {
      var constants = start
      for (parameter, value) in zip(parameters, values) {
        // No share is above one.
        parameter.set(&constants, parameter.unit == .share ? min(1, value) : value)
      }
      return constants
    }
    let fitted = LeastSquares().fit(from: parameters.map { $0(start) }) { values in
      let constants = with(values)
      return cells.map { Double.log($0.predictedSeconds(constants) / $0.measuredSeconds) }
    }
    self.parameters = parameters
    constants = with(fitted)
  }
}

extension CollectiveFit.Parameter {
  fileprivate init(
    _ name: String, _ unit: Unit,
    _ path: WritableKeyPath<CollectiveConstants, Double> & Sendable, of kind: ConstantKind? = nil
  ) {
    self.init(
      name: name, unit: unit, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 },
      kind: kind)
  }

  fileprivate static func steps(
    _ name: String,
    _ path: WritableKeyPath<CollectiveConstants, CollectiveConstants.Steps> & Sendable
  ) -> [Self] {
    func part(
      _ key: String, _ unit: Unit,
      _ inner: WritableKeyPath<CollectiveConstants.Steps, Double> & Sendable
    ) -> Self {
      .init(
        name: "ring.\(name).\(key)", unit: unit, get: { $0[keyPath: path][keyPath: inner] },
        set: { $0[keyPath: path][keyPath: inner] = $1 })
    }
    return [
      part("start", .seconds, \.start), part("step", .seconds, \.step),
      part("link-share", .share, \.linkShare),
    ]
  }

  /// Rings inside a node, of every protocol.
  public static let rings: [Self] =
    steps("ll", \.lowLatency) + steps("ll128", \.lowLatency128) + steps("simple", \.simple) + [
      .init("ring.simple.fill", .seconds, \.simple.fill.seconds),
      .init("ring.simple.fill-bytes", .bytes, \.simple.fill.bytes),
      .init("ring.pair-loss", .share, \.pairLoss, of: .fraction),
    ]

  /// Sums in the switch of one node.
  public static let inSwitch: [Self] = [
    inSwitch("start", .seconds, \.start), inSwitch("fill", .seconds, \.fill.seconds),
    inSwitch("fill-bytes", .bytes, \.fill.bytes), inSwitch("link-share", .share, \.linkShare),
  ]

  /// Trees between nodes, their ends inside nodes included.
  public static let trees: [Self] = [
    .init("tree.ll-level", .seconds, \.trees.lowLatencyLevel),
    .init("tree.ll-network-share", .share, \.trees.lowLatencyShare),
    .init("tree.level", .seconds, \.trees.level),
    .init("tree.fill", .seconds, \.trees.fill.seconds),
    .init("tree.fill-bytes", .bytes, \.trees.fill.bytes),
    .init("tree.network-share", .share, \.trees.networkShare),
  ]

  /// Sums in switches beside trees.
  public static let inSwitchAcross: [Self] = [
    inSwitch("link-share-across", .share, \.linkShareAcross)
  ]

  /// Rings of whole chunks inside a node, which alone explain messages from 1 MiB.
  public static let wholeChunks: [Self] =
    steps("simple", \.simple) + [
      .init("ring.simple.fill", .seconds, \.simple.fill.seconds),
      .init("ring.simple.fill-bytes", .bytes, \.simple.fill.bytes),
      .init("ring.pair-loss", .share, \.pairLoss, of: .fraction),
    ]

  /// Rings that leave their node.
  public static let ringShareBetweenNodes = Self(
    "ring.across.network-share", .share, \.rings.networkShare)

  /// Rings that leave their node, hops by every protocol.
  static let ringsBetweenNodes: [Self] = [
    .init("ring.across.ll-hop", .seconds, \.rings.lowLatencyHop),
    .init("ring.across.ll128-hop", .seconds, \.rings.lowLatency128Hop),
    .init("ring.across.hop", .seconds, \.rings.hop), ringShareBetweenNodes,
  ]

  /// All-to-alls between nodes; a start of nothing has no logarithm, so that a search begins at a microsecond.
  static let exchangeBetweenNodes: [Self] = [
    .init(
      name: "all-to-all.network-start", unit: .seconds, get: { max(1e-6, $0.startAcross) },
      set: { $0.exchange.networkStart = $1 }, kind: nil),
    .init("all-to-all.network-share", .share, \.exchange.networkShare),
  ]

  /// Collectives between nodes of a network that others use too, and rings of whole chunks inside a node.
  ///
  /// Rings of words with flags are left out: trees of them are faster wherever they were measured. So is the
  /// rate of these trees: sizes at which it would show were measured on two nodes alone, and contradict each
  /// other.
  public static let sharedNetwork: [Self] =
    [
      .init("ring.simple.link-share", .share, \.simple.linkShare),
      .init("ring.across.ll128-hop", .seconds, \.rings.lowLatency128Hop),
      .init("ring.across.hop", .seconds, \.rings.hop), ringShareBetweenNodes,
    ] + trees.filter { $0.name != "tree.ll-network-share" } + [
      .init("straggling", .share, \.straggling, of: .fraction)
    ]

  /// Direct messages.
  public static let direct: [Self] = directInsideNodes + directBetweenNodes

  /// Direct messages between nodes.
  static let directBetweenNodes: [Self] = [
    .init("direct.network-start", .seconds, \.direct.networkStart),
    .init("direct.network-share", .share, \.direct.networkShare),
  ]

  /// All-to-alls inside a node.
  public static let exchange: [Self] = [
    .init("all-to-all.ll-start", .seconds, \.exchange.lowLatencyStart),
    .init("all-to-all.ll-rate", .rate, \.exchange.lowLatencyRate),
    .init("all-to-all.start", .seconds, \.exchange.start),
    .init("all-to-all.fill", .seconds, \.exchange.fill.seconds),
    .init("all-to-all.own-rate", .rate, \.exchange.ownRate),
    .init("all-to-all.link-share", .share, \.exchange.linkShare),
  ]

  /// Direct messages inside a node.
  public static let directInsideNodes: [Self] = [
    .init("direct.link-start", .seconds, \.direct.linkStart),
    .init("direct.link-share", .share, \.direct.linkShare),
  ]

  private static func inSwitch(
    _ name: String, _ unit: Unit,
    _ path: WritableKeyPath<CollectiveConstants.InSwitch, Double> & Sendable
  ) -> Self {
    .init(
      name: "in-switch.\(name)", unit: unit, get: { $0.inSwitch?[keyPath: path] ?? 0 },
      set: { $0.inSwitch?[keyPath: path] = $1 })
  }
}
