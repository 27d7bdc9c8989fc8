import Plans
import Quantities
import Simulation

/// A step of serving beside the same step with other numbers of sequences.
public enum ServingBatches {
  /// Steps with batches of powers of two up to the most whose caches fit, or that were asked for.
  ///
  /// In their order, with the step itself and the most whose caches fit beside its other memory, which grows
  /// with the batch: that last one may not fit. Batches that the plan refuses are left out.
  ///
  /// - Complexity: at most 19 steps.
  public static func steps(
    beside report: InferenceReport, of planned: PlannedInference
  ) throws -> [InferenceReport] {
    let ceiling = 65_536
    let most = min(max(report.request.batch, report.mostSequences), ceiling)
    let doubled = sequence(first: 1) { 2 * $0 }.prefix { $0 <= most }
    let batches = Set(doubled + [most, max(1, min(report.mostSequences, ceiling))])
      .subtracting([report.request.batch])
    var steps = [report]
    for batch in batches {
      var request = report.request
      request.batch = batch
      do { steps.append(try planned.report(request)) } catch is PlanError { continue }
    }
    return steps.sorted { $0.request.batch < $1.request.batch }
  }

  static func section(_ steps: [InferenceReport], asked: Int) -> ReportPage.Section {
    let isDecode = if case .decode = steps[0].request.kind { true } else { false }
    var blocks: [ReportBlock] = [.picture(throughput(steps))]
    if isDecode { blocks.append(.picture(exchange(steps))) }
    blocks.append(.table(table(steps, asked: asked, isDecode)))
    return ReportPage.Section(
      "Other batches",
      lead:
        "The same step with other numbers of sequences on a data rank. More sequences share the "
        + "weights that are read"
        + (isDecode ? ", and each of them waits longer for its tokens." : ".")
        + " Batches that the plan refuses are left out.", blocks)
  }

  /// Steps that fit as a line, the others as pale points.
  private static func series(
    _ steps: [InferenceReport], _ place: (InferenceReport) -> (Double, Double)
  ) -> [PlotPicture.Series] {
    func points(_ fits: Bool) -> [PlotPicture.Point] {
      steps.filter { $0.memory.fits == fits }.map { step in
        let (x, y) = place(step)
        return .init(
          x, y,
          "\(counted(step.request.batch, "sequence")): "
            + "\(tokenRate(step.tokensPerSecondPerDevice)) tokens a second and GPU, a step of "
            + "\(Seconds(step.seconds))")
      }
    }
    return [
      PlotPicture.Series("fits", .line, .series(0), points(true)),
      PlotPicture.Series("does not fit", .rings, .series(1), points(false)),
    ].filter { !$0.points.isEmpty }
  }

  private static func throughput(_ steps: [InferenceReport]) -> PlotPicture {
    let batches = steps.map { Double($0.request.batch) }
    var x = PlotPicture.Scale(
      "sequences of a data rank", (batches.first ?? 1)...(batches.last ?? 1),
      isLogarithmic: true, text: { grouped(Int($0.rounded())) })
    let round = steps.map(\.request.batch).filter { $0 & ($0 - 1) == 0 }
    x.names = StepLanes.spread(round.count, most: 9).map {
      (value: Double(round[$0]), text: grouped(round[$0]))
    }
    let lines = series(steps) { (Double($0.request.batch), $0.tokensPerSecondPerDevice) }
    return PlotPicture(
      "Tokens a second and GPU", description: "Tokens a second and GPU over the batch", x: x,
      y: scale("tokens a second and GPU", lines), series: lines)
  }

  private static func exchange(_ steps: [InferenceReport]) -> PlotPicture {
    let lines = series(steps) { ($0.tokensPerSecondPerSequence, $0.tokensPerSecondPerDevice) }
    let most = steps.map(\.tokensPerSecondPerSequence).max() ?? 1
    return PlotPicture(
      "What a GPU makes against what a sequence gets",
      description: "Tokens a second and GPU over tokens a second of a sequence",
      x: .init("tokens a second of a sequence", 0...most * 1.03, text: { decimal($0) }),
      y: scale("tokens a second and GPU", lines), series: lines)
  }

  private static func scale(
    _ title: String, _ lines: [PlotPicture.Series]
  ) -> PlotPicture.Scale {
    let most = lines.flatMap(\.points).map(\.y).max() ?? 1
    return .init(title, 0...most * 1.05, text: { tokenRate($0) })
  }

  private static func table(
    _ steps: [InferenceReport], asked: Int, _ isDecode: Bool
  ) -> ReportTable {
    var table = ReportTable(
      "Every batch",
      [.init("sequences"), .init("step, ms"), .init("tokens/s and GPU")]
        + (isDecode ? [.init("tokens/s of a sequence")] : [])
        + [.init("memory, GiB"), .init("fits", isText: true), .init("which", isText: true)])
    table.isAside = true
    for step in steps {
      table.add(
        [
          .count(step.request.batch),
          ReportFigure(fixed(step.seconds * 1e3, decimals: 3), step.seconds),
          ReportFigure(tokenRate(step.tokensPerSecondPerDevice), step.tokensPerSecondPerDevice),
        ]
          + (isDecode
            ? [
              ReportFigure(
                threeFigures(step.tokensPerSecondPerSequence), step.tokensPerSecondPerSequence)
            ] : [])
          + [
            .init(
              fixed(Double(step.memory.needed) / 0x1p30, decimals: 2),
              Double(step.memory.needed)),
            ReportFigure(step.memory.fits ? "yes" : "no"),
            ReportFigure(step.request.batch == asked ? "this one" : ""),
          ])
    }
    return table
  }
}
