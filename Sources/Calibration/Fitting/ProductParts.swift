import Clusters
import Costs
import Documents
import RealModule

/// Fits a library's matrix products to measured ones.
struct ProductParts {
  let base: Cluster
  let measured: [MeasuredProduct]

  /// The parts, and what could not be fitted.
  func parts() throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    let device = try DeviceModel(base.device)
    for library in MatmulLibrary.allCases {
      let own = measured.filter { $0.library == library }.byThing
      guard let first = own.first else { continue }
      let title = "products by \(library.rawValue)"
      let lent = try device.matmuls[library] == nil ? LentLibrary(library, to: base.device) : nil
      guard let constants = device.matmuls[library] ?? lent?.constants else {
        refused.append(
          Unfittable(
            what: "\(title) (\(first.first.place.file))",
            reason: "\(base.device.name) has no peak of such products: device.peak of the base "
              + "says it"))
        continue
      }
      guard own.count >= Self.leastShapes else {
        refused.append(
          Unfittable(
            what: "\(title) (\(first.first.place.file))",
            reason:
              "\(counted(own.count, "shape")); at least \(Self.leastShapes) are needed, large "
              + "and small"
              + (own.count == 1 ? ": of mamf-finder the terminal's output has every shape" : "")))
        continue
      }
      parts.append(part(title, library, own, device, from: constants, lent))
    }
    return (parts, refused)
  }

  private static let leastShapes = 4

  private func part(
    _ title: String, _ library: MatmulLibrary, _ own: [EqualRows<MeasuredProduct>],
    _ device: DeviceModel, from constants: MatmulConstants, _ lent: LentLibrary?
  ) -> FittedPart {
    let all = halved(own.inTurns)
    // Kernels of a millisecond feel the power limit of whoever measured them.
    let isLong = own.contains { $0.seconds >= 1e-3 }
    let start = ProductFit.State(
      constants: constants,
      clock: isLong ? BenchmarkClock(burst: 2.34e-3, sustained: 0.9) : .boost)
    let usable = ProductFit.parameters(of: library).filter { parameter in
      let value = parameter(start)
      return value.isFinite && (value > 0 || parameter.unit.seed > 0)
    }
    func state(_ values: [Double]) -> ProductFit.State {
      var state = start
      for (parameter, value) in zip(usable, values) {
        parameter.set(&state, parameter.unit == .share ? min(1, value) : value)
      }
      return state
    }
    func cells(_ products: [EqualRows<MeasuredProduct>]) -> [ProductCell] {
      products.map { ProductCell(shape: $0.first.shape, measuredSeconds: $0.seconds) }
    }
    let fitted = cells(all.filter(\.isFitted).map(\.element))
    let fit = SelectedFit(
      from: usable.map { $0(start) }, seeds: usable.map(\.unit.seed), within: usable.map(\.range),
      measurements: fitted.count
    ) { values in
      zip(ProductFit.predictions(fitted, state(values), library, on: device), fitted).map {
        Double.log($0 / $1.measuredSeconds)
      }
    }
    let found = state(fit.values)
    let rows = all.map(\.element)
    let everything = cells(rows)
    let predictions = ProductFit.predictions(everything, found, library, on: device)
    let points = zip(all, predictions).flatMap { one, predicted in
      one.element.points(
        series: title, size: one.element.first.shape.flops, .operations, predicted: predicted,
        isFitted: one.isFitted)
    }
    let clock = found.clock
    return FittedPart(
      title: title,
      constants: written(library, usable, fit, found, points, lent), points: points,
      undetermined: usable.indices.filter { !fit.determined.contains($0) }.map { usable[$0].name },
      extrapolated: Self.extrapolated(own.map(\.first))
    ) { cluster throws(ConfigurationError) in
      let device = try DeviceModel(cluster.device)
      guard let constants = device.matmuls[library] else { return [] }
      let predictions = ProductFit.predictions(
        everything, .init(constants: constants, clock: clock), library, on: device)
      return zip(rows, predictions).flatMap { $0.forEachRow($1) }
    }
  }

  /// The constants for the file; where the base's are another device's, those of a step are written too, since
  /// their scale ends with the library's own.
  private func written(
    _ library: MatmulLibrary, _ usable: [ProductFit.Parameter], _ fit: SelectedFit,
    _ found: ProductFit.State, _ points: [FittedPoint], _ lent: LentLibrary?
  ) -> [FittedConstant] {
    let table = "device.kernels.matmul.\(library.rawValue)"
    var constants = fit.determined.sorted().map { usable[$0] }
      .filter { !$0.name.hasSuffix("(of the benchmark)") }
      .map {
        FittedConstant(
          path: "\(table).\($0.name)", text: $0.unit.text($0(found)),
          source: FittedPart.source(points, of: $0(found), in: $0.range))
      }
    guard base.device.kernelsAreScaled || lent != nil else { return constants }
    for (name, value) in [
      ("flops-per-clock", found.constants.flopsPerClock),
      ("step-overhead", found.constants.stepOverhead), ("step-floor", found.constants.stepFloor),
    ] where !constants.contains(where: { $0.path == "\(table).\(name)" }) {
      constants.append(
        FittedConstant(
          path: "\(table).\(name)", text: figures(value),
          source:
            "the device's peak; the rest of a step as long a part of it as where it was measured",
          isAssumed: true))
    }
    let known = Set(constants.map(\.path))
    return constants + (lent?.entries ?? []).filter { !known.contains($0.path) }
  }

  private static func extrapolated(_ products: [MeasuredProduct]) -> String {
    let rows = products.map { $0.shape.rows.max() ?? 0 }
    func range(_ values: [Int]) -> String {
      let (least, most) = (values.min() ?? 0, values.max() ?? 0)
      return least == most ? "\(least)" : "\(least) to \(most)"
    }
    let passes = MatmulPass.allCases.filter { pass in
      !products.contains { $0.shape.pass == pass }
    }
    let names: [MatmulPass: String] = [
      .forward: "forwards", .backwardInput: "input gradients", .backwardWeight: "weight gradients",
    ]
    return "m beyond \(range(rows)), n beyond \(range(products.map(\.shape.columns))), k beyond "
      + range(products.map(\.shape.depth))
      + (passes.isEmpty ? "" : "; " + passes.compactMap { names[$0] }.joined(separator: " and "))
      + "; and the clock that training leaves: rows are compared at boost, as by sluice cost matmul "
      + "--clock boost"
  }
}
