import Clusters
import Costs
import Documents
import RealModule

/// Fits constants of collectives to measured ones, inside nodes first and then between them.
struct CollectiveParts {
  /// The base with the links that other measurements found.
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
      parameters: CollectiveFit.Parameter.exchangeBetweenNodes),
  ]

  /// The parts, and what could not be fitted.
  ///
  /// - Parameter constants: the base's, which take up what is found.
  func parts(
    _ constants: inout CollectiveConstants
  ) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    for one in measured { try check(one) }
    for family in Self.families {
      let own = measured.filter { family.isWanted(Self.cell($0)) }
      guard !own.isEmpty else { continue }
      let series = Self.series(own)
      guard let widest = series.max(by: { $0.count < $1.count }), Self.isEnough(widest) else {
        refused.append(
          Unfittable(
            what: "\(family.title) (\(Self.name(Self.cell(own[0]))), \(own[0].place.file))",
            reason:
              "\(counted(Set(own.map(\.bytes)).count, "size")); at least 3 that differ by 4 "
              + "times in all "
              + "are needed, such as -b 8 -e 1G -f 2"))
        continue
      }
      var found = constants
      let part = part(family, series, &found)
      if let misfit = part.misfit {
        refused.append(misfit)
        continue
      }
      constants = found
      parts.append(part)
    }
    return (parts, refused)
  }

  typealias Cell = EqualRows<MeasuredCollective>

  /// Refuses groups of which it is not known how they lie on nodes, or which do not fit on those of the base.
  private func check(_ one: MeasuredCollective) throws(ConfigurationError) {
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
  }

  /// As the formulas take it; where nobody says how many nodes, one.
  private static func cell(_ one: MeasuredCollective, _ seconds: Double? = nil) -> CollectiveCell {
    CollectiveCell(
      kind: one.kind, nodes: one.nodes ?? 1, ranks: one.ranks, bytes: one.bytes,
      measuredSeconds: seconds ?? one.seconds)
  }

  static func name(_ cell: CollectiveCell) -> String {
    "\(cell.kind.rawValue) over \(cell.ranks) ranks"
      + (cell.nodes > 1 ? " on \(cell.nodes) nodes" : "")
  }

  /// Cells of one kind and group by size; equal sizes are one.
  private static func series(_ rows: [MeasuredCollective]) -> [[Cell]] {
    let groups = Dictionary(grouping: rows.byThing) { name(cell($0.first)) }
    return groups.sorted { $0.key < $1.key }.map { _, cells in
      cells.sorted { $0.first.bytes < $1.first.bytes }
    }
  }

  static func isEnough(_ series: [Cell]) -> Bool {
    guard series.count >= 3, let first = series.first, let last = series.last else { return false }
    return last.first.bytes >= 4 * first.first.bytes
  }

  private func part(
    _ family: Family, _ series: [[Cell]], _ constants: inout CollectiveConstants
  ) -> FittedPart {
    let all = series.flatMap { one in
      one.count < Self.fewest ? one.map { (element: $0, isFitted: true) } : halved(one)
    }
    let start = constants
    let usable = family.parameters.filter { parameter in
      let value = parameter(start)
      return value.isFinite && (value > 0 || parameter.unit.seed > 0 && parameter.canBegin(start))
    }
    func with(_ values: [Double]) -> CollectiveConstants {
      var changed = start
      for (parameter, value) in zip(usable, values) {
        parameter.set(&changed, parameter.unit == .share ? min(1, value) : value)
      }
      return changed
    }
    let cells = all.map { Self.cell($0.element.first, $0.element.seconds) }
    let prices = Self.prices(of: cells, on: base, start)
    let fitted = zip(prices, zip(all, cells)).filter { $1.0.isFitted }.map { ($0, $1.1) }
    func residuals(_ values: [Double]) -> [Double] {
      let constants = with(values)
      return fitted.map { Double.log($0.seconds($1.bytes, constants) / $1.measuredSeconds) }
    }
    let own = usable.map { $0(start) }
    let isFew = series.allSatisfy { $0.count < Self.fewest }
    let begin = isFew ? ScaledStart(own, usable, residuals).values : own
    let fit = SelectedFit(
      from: begin, seeds: usable.map(\.unit.seed), within: usable.map(\.range),
      measurements: isFew ? 2 * fitted.count : fitted.count, ways: usable.map(Self.way), residuals)
    constants = with(fit.values)
    let found = constants
    let points = zip(prices, zip(all, cells)).flatMap { price, both in
      let (one, cell) = both
      return one.element.points(
        series: Self.name(cell), size: cell.bytes, .bytes,
        predicted: price.seconds(cell.bytes, found), isFitted: one.isFitted)
    }
    let rows = all.map(\.element)
    var part = FittedPart(
      title: family.title,
      constants: Self.written(usable, fit, begun: zip(own, begin).map { $0 != $1 }, found, points),
      points: points,
      undetermined: usable.indices.filter { !fit.determined.contains($0) && own[$0] == begin[$0] }
        .map { usable[$0].name },
      extrapolated: Self.extrapolated(cells)
    ) { cluster throws(ConfigurationError) in
      let constants = try CollectiveConstants(cluster)
      let prices = Self.prices(of: cells, on: cluster, constants)
      return zip(prices, zip(rows, cells)).flatMap { price, both in
        both.0.forEachRow(price.seconds(both.1.bytes, constants))
      }
    }
    part.remarks = series.filter { $0.count < Self.fewest }.map { few in
      "\(few[0].first.place.file): \(counted(few.count, "size")) of \(Self.name(Self.cell(few[0].first))): "
        + "all are fitted, and none is left to check (from \(Self.fewest) sizes on every second one is)"
    }
    return part
  }

  /// The constants for the file: those that rows decide, and those that moved with all others.
  private static func written(
    _ usable: [CollectiveFit.Parameter], _ fit: SelectedFit, begun: [Bool],
    _ found: CollectiveConstants, _ points: [FittedPoint]
  ) -> [FittedConstant] {
    usable.indices.compactMap { place in
      let parameter = usable[place]
      let isDetermined = fit.determined.contains(place)
      guard isDetermined || begun[place] else { return nil }
      let source = FittedPart.source(points, of: parameter(found), in: parameter.range)
      return FittedConstant(
        path: "node.collectives.\(parameter.name)", text: parameter.unit.text(parameter(found)),
        source: isDetermined ? source : "moved as far as its kind on the whole; \(source)",
        isAssumed: !isDetermined)
    }
  }

  /// Sizes of a series from which on half of them decide what all together do: a protocol's start and rate take two,
  /// and a series goes through two or three protocols.
  private static let fewest = 8

  /// What prices each cell; those of one group are priced as one, since to count its flows takes longest.
  private static func prices(
    of cells: [CollectiveCell], on cluster: Cluster, _ constants: CollectiveConstants
  ) -> [GroupPricing] {
    var known: [String: GroupPricing] = [:]
    return cells.map { cell in
      let name = name(cell)
      let price = known[name] ?? GroupPricing(cell, on: cluster, constants)
      known[name] = price
      return price
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

extension CollectiveFit.Parameter {
  /// Whether the constants have a place for it: sums in a switch that adds nothing up have none.
  fileprivate func canBegin(_ constants: CollectiveConstants) -> Bool {
    var changed = constants
    set(&changed, unit.seed)
    return self(changed) == unit.seed
  }
}

extension CollectiveFit.Parameter.Unit {
  /// With what a fit begins where the base has nothing: times alone may be none at all and still count.
  var seed: Double { self == .seconds ? 5e-6 : 0 }

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
