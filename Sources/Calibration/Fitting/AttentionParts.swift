import Clusters
import Costs
import Documents
import RealModule

/// Fits fused attention, library by library and width by width.
struct AttentionParts {
  let base: Cluster
  let measured: [MeasuredAttention]

  /// The parts, and what could not be fitted.
  func parts() throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    let device = try DeviceModel(base.device)
    let power = PowerModel(base.device)
    for library in AttentionLibrary.preferred {
      for width in Set(measured.compactMap(Self.width)).sorted() {
        let own = measured.filter { $0.library == library && Self.width($0) == width }
        guard let first = own.first else { continue }
        let title = "attention by \(library.rawValue), heads of \(width)"
        let kernels = own.byThing
        guard kernels.count >= 3 else {
          refused.append(
            Unfittable(
              what: "\(title) (\(first.place.file))",
              reason: "\(counted(kernels.count, "kernel")); at least 3 lengths are needed"))
          continue
        }
        parts.append(part(title, library, width, kernels, device, power))
      }
    }
    return (parts, refused)
  }

  /// The table that a kernel belongs to: the narrowest that is wide enough.
  private static func width(_ one: MeasuredAttention) -> Int? {
    let widest = max(one.cell.shape.queryDimension, one.cell.shape.valueDimension)
    return [64, 128, 192, 256].first { $0 >= widest }
  }

  /// For how long a kernel runs at boost: as long as the products of NVIDIA's tables do.
  private static let burst = 2.34e-3

  private func part(
    _ title: String, _ library: AttentionLibrary, _ width: Int,
    _ own: [EqualRows<MeasuredAttention>], _ device: DeviceModel, _ power: PowerModel?
  ) -> FittedPart {
    var start = device.attention.table(library, width)
    start.width = width
    let all = Self.series(own).flatMap { halved($0) }
    let usable = AttentionFit.parameters.filter { parameter in
      let isBackward = parameter.name.hasPrefix("backward")
      return own.contains { ($0.first.cell.pass == .forward) != isBackward }
    }
    func with(_ values: [Double]) -> DeviceModel {
      var kernels = start
      for (parameter, value) in zip(usable, values) {
        kernels[keyPath: parameter.path] = value
      }
      return device.setting(kernels, of: library)
    }
    let cells = all.map { Self.cell($0.element) }
    let fitted = zip(all, cells).filter { $0.0.isFitted }.map(\.1)
    // A ramp of nothing has no logarithm: a few keys are a start.
    let from = usable.map { parameter in
      let value = start[keyPath: parameter.path]
      return value > 0 ? value : 50
    }
    let fit = SelectedFit(
      from: from, within: usable.map { Self.range($0.name) }, measurements: fitted.count
    ) { values in
      let device = with(values)
      return fitted.map {
        Double.log(
          AttentionFit.seconds($0, library, on: device, power, burst: Self.burst)
            / $0.measuredSeconds)
      }
    }
    let found = with(fit.values)
    let rows = all.map(\.element)
    let points = zip(all, cells).flatMap { one, cell in
      one.element.points(
        series: "\(title), \(cell.pass.rawValue)", size: cell.shape.flops, .operations,
        predicted: AttentionFit.seconds(cell, library, on: found, power, burst: Self.burst),
        isFitted: one.isFitted)
    }
    return FittedPart(
      title: title,
      constants: written(
        library, found.attention.table(library, width), usable.map(\.name), fit, points),
      points: points,
      undetermined: usable.indices.filter { !fit.determined.contains($0) }.map { usable[$0].name },
      extrapolated: Self.extrapolated(cells)
    ) { cluster throws(ConfigurationError) in
      let device = try DeviceModel(cluster.device)
      let power = PowerModel(cluster.device)
      return zip(rows, cells).flatMap {
        $0.forEachRow(AttentionFit.seconds($1, library, on: device, power, burst: Self.burst))
      }
    }
  }

  /// Kernels of one pass, mask and sharing by length.
  private static func series(
    _ own: [EqualRows<MeasuredAttention>]
  ) -> [[EqualRows<MeasuredAttention>]] {
    let series = Dictionary(grouping: own) { one in
      let cell = one.first.cell
      return "\(cell.pass) \(cell.shape.causal) \(cell.shape.queriesPerKey)"
    }
    return series.sorted { $0.key < $1.key }.map {
      $0.value.sorted { $0.first.cell.shape.queries < $1.first.cell.shape.queries }
    }
  }

  /// The cell of equal kernels, with the mean of their times.
  private static func cell(_ equal: EqualRows<MeasuredAttention>) -> AttentionCell {
    var cell = equal.first.cell
    cell.measuredSeconds = equal.seconds
    return cell
  }

  /// All four constants of the table: what was not measured is the base's.
  private func written(
    _ library: AttentionLibrary, _ kernels: AttentionWidth, _ usable: [String], _ fit: SelectedFit,
    _ points: [FittedPoint]
  ) -> [FittedConstant] {
    let table = "device.kernels.attention.\(library.rawValue).width-\(kernels.width)"
    let determined = Set(fit.determined.map { usable[$0] })
    return AttentionFit.parameters.map { parameter in
      let value = kernels[keyPath: parameter.path]
      let isKnown = determined.contains(parameter.name)
      return FittedConstant(
        path: "\(table).\(parameter.name)", text: figures(value),
        source: isKnown
          ? FittedPart.source(points, of: value, in: Self.range(parameter.name))
          : "not decided by these measurements: as in \(base.name)",
        isAssumed: !isKnown)
    }
  }

  /// What a key may be.
  private static func range(_ name: String) -> ClosedRange<Double> {
    (name.hasSuffix("share") ? ConstantKind.share : .keys).range
  }

  private static func extrapolated(_ cells: [AttentionCell]) -> String {
    let lengths = cells.map(\.shape.queries)
    let hasBackward = cells.contains { $0.pass != .forward }
    return "lengths below \(lengths.min() ?? 0) and above \(lengths.max() ?? 0)"
      + (hasBackward ? "" : "; backwards")
  }
}

extension AttentionConstants {
  /// The table of a library for one width, or what stands for it.
  func table(_ library: AttentionLibrary, _ width: Int) -> AttentionWidth {
    let own = libraries[library] ?? []
    let others = own.isEmpty ? usual.flatMap { libraries[$0] } ?? shares : own
    guard let table = others.first(where: { $0.width >= width }) ?? others.last else {
      preconditionFailure("A device has kernels of attention.")
    }
    return table
  }
}

extension DeviceModel {
  /// The same device with a table of attention in place of its own.
  fileprivate func setting(_ kernels: AttentionWidth, of library: AttentionLibrary) -> DeviceModel {
    var device = self
    var tables = (device.attention.libraries[library] ?? []).filter { $0.width != kernels.width }
    tables.append(kernels)
    device.attention.libraries[library] = tables.sorted { $0.width < $1.width }
    return device
  }
}
