import Clusters
import Costs
import Documents
import Quantities
import RealModule

/// Fits streaming kernels: a ramp that all share, and what each class reaches.
struct StreamParts {
  let base: Cluster
  let measured: [MeasuredStream]

  /// - Parameter reached: what memory reaches on the calibrated device, bytes a second.
  func parts(reached: Double) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    guard let first = measured.first else { return ([], []) }
    let device = try DeviceModel(base.device)
    let classes = StreamingClass.allCases.filter { kernel in
      measured.contains { $0.kernel == kernel }
    }
    let cells = measured.byThing
    guard cells.count >= 2 * classes.count + 1 || cells.count >= 4 else {
      return (
        [],
        [
          Unfittable(
            what: "streaming kernels (\(first.place.file))",
            reason: "\(counted(cells.count, "kernel")); at least 4 of several sizes are needed")
        ]
      )
    }
    let all = classes.flatMap { kernel in
      halved(
        cells.filter { $0.first.kernel == kernel }.sorted { $0.first.bytes < $1.first.bytes })
    }
    func seconds(_ equal: EqualRows<MeasuredStream>, _ values: [Double]) -> Double {
      let one = equal.first
      let place = classes.firstIndex(of: one.kernel) ?? 0
      return values[0] + one.bytes / values[place + 1]
    }
    let fitted = all.filter(\.isFitted).map(\.element)
    let start =
      // The search goes in shares: what begins at nothing stays there.
      [max(device.streaming.ramp, 1e-6)]
      + classes.map { kernel in
        device.streaming.rates[StreamingClass.allCases.firstIndex(of: kernel) ?? 0]
      }
    let values = LeastSquares().fit(from: start, within: try ranges(classes, reached)) { values in
      fitted.map { Double.log(seconds($0, values) / $0.seconds) }
    }
    let points = all.flatMap { equal, isFitted in
      equal.points(
        series: equal.first.kernel.rawValue, size: equal.first.bytes, .bytes,
        predicted: seconds(equal, values), isFitted: isFitted)
    }
    let kernels = all.map(\.element)
    let part = FittedPart(
      title: "streaming kernels",
      constants: try written(classes, values, points, reached: reached), points: points,
      undetermined: [], extrapolated: Self.extrapolated(kernels.map(\.first))
    ) { cluster throws(ConfigurationError) in
      let cost = StreamingCost(try DeviceModel(cluster.device))
      return kernels.flatMap {
        $0.forEachRow(cost.cost($0.first.kernel, bytes: $0.first.bytes).seconds)
      }
    }
    return ([part], [])
  }

  /// What the ramp and the rates may be, so that the file may have them: none faster than the memory.
  private func ranges(
    _ classes: [StreamingClass], _ reached: Double
  ) throws(ConfigurationError) -> [ClosedRange<Double>] {
    let rate = ConstantKind.rate.range
    let scale = reached / (try base.streamingMeasuredAt)
    let most = min(rate.upperBound * scale, base.device.memory.bandwidth.value.value)
    return [ConstantKind.time.range]
      + classes.map { _ in min(rate.lowerBound * scale, most)...most }
  }

  /// Rates as the file has them: for memory that reaches what the base's were measured at.
  private func written(
    _ classes: [StreamingClass], _ values: [Double], _ points: [FittedPoint], reached: Double
  ) throws(ConfigurationError) -> [FittedConstant] {
    var constants = [
      FittedConstant(
        path: "device.kernels.streaming.ramp", text: "\(figures(values[0] * 1e6)) us",
        source: FittedPart.source(points))
    ]
    for (kernel, rate) in zip(classes, values.dropFirst()) {
      let own = points.filter { $0.series == kernel.rawValue }
      let measuredAt = try base.streamingMeasuredAt
      constants.append(
        FittedConstant(
          path: "device.kernels.streaming.\(kernel.rawValue)",
          text: "\(figures(rate * measuredAt / reached / 1e12)) TB/s",
          source: FittedPart.source(own)
            + "; as it would be where memory reaches \(figures(measuredAt / 1e12)) TB/s"))
    }
    return constants
  }

  private static func extrapolated(_ kernels: [MeasuredStream]) -> String {
    let sizes = kernels.map(\.bytes)
    return
      "below \(sizeText(sizes.min() ?? 0)), above \(sizeText(sizes.max() ?? 0)), and other classes"
  }
}

extension Cluster {
  /// What memory reached where the rates of streaming kernels were measured, bytes a second.
  fileprivate var streamingMeasuredAt: Double {
    get throws(ConfigurationError) {
      guard let section = try device.kernels.read(),
        let table = try section.field("streaming")?.table(toleratesUnknownKeys: true),
        let field = table.field("measured-at")
      else { return device.memory.reached.value.value }
      return try field.read(.sourced(.quantity(in: .init(1)...BytesPerSecond(1e18)))).value.value
    }
  }
}
