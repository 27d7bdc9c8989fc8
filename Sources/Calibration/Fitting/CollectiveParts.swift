import Clusters
import Costs
import Documents
import RealModule

/// Fits constants of collectives to measured ones, inside nodes first and then between them.
struct CollectiveParts {
  let base: Cluster
  let measured: [MeasuredCollective]

  /// A kind of fit: what it is called, its cells, and what it may decide.
  private struct Family: Sendable {
    var title: String
    var isWanted: @Sendable (CollectiveCell) -> Bool
    var parameters: [CollectiveFit.Parameter]
  }

  private static let reductions: Set<CollectiveCell.Kind> = [
    .allReduce, .allGather, .reduceScatter,
  ]

  private static let families: [Family] = [
    Family(
      title: "collectives inside a node",
      isWanted: { $0.nodes == 1 && reductions.contains($0.kind) },
      parameters: CollectiveFit.Parameter.rings + CollectiveFit.Parameter.inSwitch),
    Family(
      title: "collectives between nodes",
      isWanted: { $0.nodes > 1 && reductions.contains($0.kind) },
      parameters: CollectiveFit.Parameter.trees + CollectiveFit.Parameter.ringsBetweenNodes
        + CollectiveFit.Parameter.inSwitchAcross),
    Family(
      title: "messages inside a node", isWanted: { $0.nodes == 1 && $0.kind == .send },
      parameters: CollectiveFit.Parameter.directInsideNodes),
    Family(
      title: "messages between nodes", isWanted: { $0.nodes > 1 && $0.kind == .send },
      parameters: CollectiveFit.Parameter.directBetweenNodes),
    Family(
      title: "all-to-alls inside a node", isWanted: { $0.nodes == 1 && $0.kind == .allToAll },
      parameters: CollectiveFit.Parameter.exchange),
    Family(
      title: "all-to-alls between nodes", isWanted: { $0.nodes > 1 && $0.kind == .allToAll },
      parameters: [CollectiveFit.Parameter.exchangeShareBetweenNodes]),
  ]

  /// The parts, and what could not be fitted.
  ///
  /// - Parameter constants: the base's, which take up what is found.
  func parts(
    _ constants: inout CollectiveConstants
  ) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    let cells = try cells()
    for family in Self.families {
      let own = cells.filter { family.isWanted($0.cell) }
      guard !own.isEmpty else { continue }
      let series = Self.series(own)
      guard let widest = series.max(by: { $0.count < $1.count }), Self.isEnough(widest) else {
        refused.append(
          Unfittable(
            what: "\(family.title) (\(Self.name(own[0].cell)), \(own[0].place.file))",
            reason:
              "\(counted(Set(own.map(\.cell.bytes)).count, "size")); at least 3 that differ by 4 "
              + "times in all "
              + "are needed, such as -b 8 -e 1G -f 2"))
        continue
      }
      parts.append(part(family, series, &constants))
    }
    return (parts, refused)
  }

  typealias Cell = (cell: CollectiveCell, place: MeasuredPlace)

  private func cells() throws(ConfigurationError) -> [Cell] {
    var cells: [Cell] = []
    for one in measured {
      guard let nodes = one.nodes else {
        throw ConfigurationError(
          file: one.place.file, line: one.place.line,
          rule: "does not say how many nodes its \(one.ranks) ranks lie on: --nodes N")
      }
      let perNode = one.ranks / nodes
      guard perNode <= base.node.devices.value else {
        throw ConfigurationError(
          file: one.place.file, line: one.place.line,
          rule: "has \(perNode) ranks on a node, and those of \(base.name) have "
            + "\(base.node.devices.value) devices: --base NAME for another one")
      }
      let cell = CollectiveCell(
        kind: one.kind, nodes: nodes, ranks: one.ranks, bytes: one.bytes,
        measuredSeconds: one.seconds)
      cells.append((cell, one.place))
    }
    return cells
  }

  static func name(_ cell: CollectiveCell) -> String {
    "\(cell.kind.rawValue) over \(cell.ranks) ranks"
      + (cell.nodes > 1 ? " on \(cell.nodes) nodes" : "")
  }

  /// Cells of one kind and group by size; equal sizes are one, with their mean.
  static func series(_ cells: [Cell]) -> [[Cell]] {
    var series: [String: [Double: [Cell]]] = [:]
    for one in cells {
      series[name(one.cell), default: [:]][one.cell.bytes, default: []].append(one)
    }
    return series.sorted { $0.key < $1.key }.map { _, sizes in
      sizes.sorted { $0.key < $1.key }.map { _, equal in
        var first = equal[0]
        first.cell.measuredSeconds =
          equal.reduce(0) { $0 + $1.cell.measuredSeconds } / Double(equal.count)
        return first
      }
    }
  }

  static func isEnough(_ series: [Cell]) -> Bool {
    guard series.count >= 3, let first = series.first, let last = series.last else { return false }
    return last.cell.bytes >= 4 * first.cell.bytes
  }

  private func part(
    _ family: Family, _ series: [[Cell]], _ constants: inout CollectiveConstants
  ) -> FittedPart {
    let all = series.flatMap { halved($0) }
    let start = constants
    let usable = family.parameters.filter { $0(start) > 0 && $0(start).isFinite }
    func with(_ values: [Double]) -> CollectiveConstants {
      var changed = start
      for (parameter, value) in zip(usable, values) {
        parameter.set(&changed, parameter.unit == .share ? min(1, value) : value)
      }
      return changed
    }
    let fitted = all.filter(\.isFitted).map(\.element.cell)
    let fit = SelectedFit(
      from: usable.map { $0(start) }, within: usable.map(\.range), measurements: fitted.count,
      ways: usable.map(Self.way)
    ) { values in
      let constants = with(values)
      return fitted.map { Double.log($0.predictedSeconds(constants) / $0.measuredSeconds) }
    }
    constants = with(fit.values)
    let found = constants
    let points = all.map { one, isFitted in
      FittedPoint(
        series: Self.name(one.cell), place: one.place, size: one.cell.bytes, unit: .bytes,
        measured: one.cell.measuredSeconds, predicted: one.cell.predictedSeconds(found),
        isFitted: isFitted)
    }
    let written = fit.determined.sorted().map { usable[$0] }
    let cells = all.map(\.element.cell)
    return FittedPart(
      title: family.title,
      constants: written.map {
        FittedConstant(
          path: "node.collectives.\($0.name)", text: $0.unit.text($0(found)),
          source: FittedPart.source(points, of: $0(found), in: $0.range))
      }, points: points,
      undetermined: usable.indices.filter { !fit.determined.contains($0) }.map { usable[$0].name },
      extrapolated: Self.extrapolated(cells)
    ) { cluster throws(ConfigurationError) in
      let constants = try CollectiveConstants(cluster)
      return cells.map { $0.predictedSeconds(constants) }
    }
  }

  /// The algorithm and protocol that a constant is of, `ring.ll` of `ring.ll.step`; times make it slower.
  private static func way(_ parameter: CollectiveFit.Parameter) -> SeveralStarts.Way {
    .init(
      name: parameter.name.split(separator: ".").dropLast().joined(separator: "."),
      slower: parameter.unit == .seconds ? 8 : 1)
  }

  private static func extrapolated(_ cells: [CollectiveCell]) -> String {
    let sizes = cells.map(\.bytes)
    let groups = Set(
      cells.map { "\($0.ranks) ranks" + ($0.nodes > 1 ? " on \($0.nodes) nodes" : "") })
    return
      "below \(sizeText(sizes.min() ?? 0)), above \(sizeText(sizes.max() ?? 0)), and groups "
      + "other than "
      + groups.sorted().joined(separator: ", ")
  }
}

/// `1 size`, `2 sizes`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

extension CollectiveFit.Parameter.Unit {
  /// A value as a cluster's file has it.
  func text(_ value: Double) -> String {
    switch self {
    case .seconds: "\(figures(value * 1e6)) us"
    case .bytes: "\(Int(min(max(1, value.rounded()), 0x1p53))) B"
    case .rate: "\(figures(value / 1e9)) GB/s"
    case .share, .cycles, .exponent, .multiple: figures(value)
    }
  }
}
