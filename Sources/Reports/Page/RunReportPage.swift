import Foundation
import Quantities
import Schedules

extension ReportPage {
  /// A real run of one phase or several; its figures are the lines of the log.
  ///
  /// - Parameter phases: at least one, in their order.
  public init(run phases: [RunFigures]) throws {
    var page = ReportPage(
      "train", verdict: phases.map(\.summary.verdict).joined(separator: " "),
      json: try Self.json(of: phases))
    for (index, phase) in phases.enumerated() {
      let isOne = phases.count == 1
      let summary = phase.summary
      page.remarks += summary.remarks(of: isOne ? "The run" : phase.name)
      page.inputs += (phase.inputs.lines(assuming: []) + summary.outputs).map {
        .init(isOne ? $0.name : "\(phase.name): \($0.name)", $0.text, details: $0.details)
      }
      let place = isOne ? "" : "phases.\(index)."
      // What everybody asks for first is how it ended.
      if index == phases.count - 1 { page.facts = summary.facts(at: place) }
      page.sections += try phase.sections(at: place).map {
        Section(isOne ? $0.title : "\(phase.name): \($0.title)", lead: $0.lead, $0.blocks)
      }
    }
    self = page
  }

  private static func json(of phases: [RunFigures]) throws -> String {
    let parts = try phases.map { phase in
      let lines = phase.steps.map(\.line).joined(separator: ",")
      return "{\"inputs\":\(try jsonLine(phase.inputs)),\"steps\":[\(lines)]}"
    }
    return parts.count == 1 ? parts[0] : "{\"phases\":[\(parts.joined(separator: ","))]}"
  }
}

extension RunFigures {
  /// - Parameter place: where the figures have this phase.
  fileprivate func sections(at place: String) throws -> [ReportPage.Section] {
    var sections = policySections
    let losses = [
      ("loss", \RunFigures.Step.loss), ("multi-token prediction", \.predictionLoss),
      ("evaluation", \.evaluationLoss),
    ]
    let learns = steps.contains { $0.policy != nil }
    sections.append(
      .init(
        "Loss",
        lead: learns
          ? "The policy's loss by update; it says little of how the policy does."
          : "Mean cross-entropy of the next token, in nats, by step.",
        [
          .picture(plot("Loss", losses, fromZero: false)), .table(table(at: place)),
        ]))
    sections.append(
      .init(
        "Rates",
        [
          .picture(plot("Learning rate", [("learning rate", \.learningRate)])),
          .picture(plot("Norm of the gradients", [("norm", \.gradientNorm)])),
          .picture(plot("Tokens a second", [("tokens a second", \.tokensPerSecond)])),
        ]))
    if let recorded {
      sections.append(
        .init(
          "One step, rank by rank",
          lead:
            "Above what the ranks really did; below the same schedule, where every action takes the "
            + "mean of its kind and messages take nothing. What the rows above take longer is waiting, "
            + "messages and the optimizer.",
          [
            .picture(
              try RunLanes.picture(
                recorded.parts, predicted: prediction?.parts ?? [], recorded.schedule,
                step: recorded.step))
          ]))
    }
    if let picture = timePicture {
      sections.append(
        .init(
          "Where the time goes", lead: "The mean of all steps, on the slowest rank.",
          [.picture(picture), .table(timeTable)]))
    }
    if steps.contains(where: { !$0.imbalance.isEmpty }) {
      sections.append(
        .init(
          "Load of experts", lead: "The most loaded expert over the mean, by layer: 1 is even.",
          [.picture(imbalancePlot)]))
    }
    return sections
  }
}

extension RunFigures {
  func plot(
    _ title: String, _ lines: [(String, KeyPath<Step, Double?>)], fromZero: Bool = true
  ) -> PlotPicture {
    let kept = StepLanes.spread(steps.count, most: 400).map { steps[$0] }
    let series = lines.enumerated().compactMap { index, line -> PlotPicture.Series? in
      let (name, path) = line
      // What is known of few steps is shown of all of them.
      let all = steps.filter { $0[keyPath: path] != nil }
      let own = all.count > kept.count ? kept : all
      let points = own.compactMap { step -> PlotPicture.Point? in
        step[keyPath: path].map {
          .init(Double(step.step), $0, "step \(step.step): \(name) \(Self.number($0))")
        }
      }
      return points.isEmpty ? nil : .init(name, .line, .series(index), points)
    }
    let values = series.flatMap(\.points).map(\.y)
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let margin = max((high - low) * 0.06, abs(high) * 1e-6)
    let places = steps.map { Double($0.step) }
    return PlotPicture(
      title, description: "\(title) over \(steps.count) steps",
      x: .init(
        "step", (places.min() ?? 0)...(places.max() ?? 1), text: { grouped(Int($0.rounded())) }),
      y: .init(
        "", (fromZero ? min(0, low) : low - margin)...(high + margin), text: { Self.number($0) }),
      series: series)
  }

  /// Few digits, small numbers with a power of ten.
  static func number(_ value: Double) -> String {
    if abs(value) >= 10_000, abs(value) < 1e15 { return grouped(Int(value.rounded())) }
    return value != 0 && abs(value) < 1e-3 ? String(format: "%.3g", value) : decimal(value)
  }

  /// - Parameter place: where the figures have this phase.
  fileprivate func table(at place: String) -> ReportTable {
    let columns: [(String, String, KeyPath<Step, Double?>)] = [
      ("loss", "loss", \.loss), ("multi-token prediction", "mtp_loss", \.predictionLoss),
      ("evaluation", "evaluation_loss", \.evaluationLoss),
      ("reward", "reward", \.reward), ("divergence", "kl", \.divergence),
      ("entropy", "entropy", \.entropy), ("length", "completions/mean_length", \.meanLength),
      ("held-out accuracy", "evaluation_accuracy", \.heldOutAccuracy),
      ("gradient norm", "grad_norm", \.gradientNorm),
      ("learning rate", "learning_rate", \.learningRate), ("seconds", "seconds", \.seconds),
      ("tokens/s", "tokens_per_second", \.tokensPerSecond),
    ]
    let used = columns.filter { column in steps.contains { $0[keyPath: column.2] != nil } }
    var table = ReportTable("Steps", [.init("step")] + used.map { .init($0.0) })
    for (index, step) in steps.enumerated() {
      table.add(
        [ReportFigure("\(step.step)", Double(step.step), key: "\(place)steps.\(index).step")]
          + used.map { _, key, path in
            step[keyPath: path].map { value in
              ReportFigure(
                abs(value) < 1e-3
                  ? String(format: "%.3g", value)
                  : fixed(value, decimals: abs(value) >= 1000 ? 0 : 4), value,
                key: "\(place)steps.\(index).\(key)")
            } ?? ReportFigure("–")
          })
    }
    table.shown = 12
    return table
  }

  /// The mean of each kind of work over steps.
  private var meanTimes: [(kind: String, seconds: Double, exposed: Double?)] {
    var kinds: [String] = []
    for time in steps.flatMap(\.times) where !kinds.contains(time.kind) { kinds.append(time.kind) }
    let count = Double(max(1, steps.count))
    return kinds.map { kind in
      let own = steps.flatMap(\.times).filter { $0.kind == kind }
      let exposed = own.compactMap(\.exposed)
      return (
        kind.split(separator: "_").joined(separator: " "),
        own.reduce(0) { $0 + $1.seconds } / count,
        exposed.isEmpty ? nil : exposed.reduce(0, +) / count
      )
    }.sorted { $0.seconds > $1.seconds }
  }

  fileprivate var timePicture: BarPicture? {
    let times = meanTimes
    guard !times.isEmpty else { return nil }
    return BarPicture(
      "Time of a step by kind of work", description: "Mean seconds of a step by kind of work",
      bars: times.map { kind, seconds, exposed in
        guard let exposed else { return (kind, [.init("at work", seconds, .accent)]) }
        return (
          kind,
          [
            .init("hidden", max(0, seconds - exposed), .hidden),
            .init("exposed", min(exposed, seconds), .waiting),
          ]
        )
      }, text: { LanePicture.time($0) })
  }

  fileprivate var timeTable: ReportTable {
    var table = ReportTable(
      "Mean milliseconds of a step",
      [.init("kind", isText: true), .init("all"), .init("exposed")])
    for time in meanTimes {
      table.add([
        ReportFigure(time.kind), ReportFigure(fixed(time.seconds * 1e3, decimals: 3), time.seconds),
        time.exposed.map { ReportFigure(fixed($0 * 1e3, decimals: 3), $0) } ?? ReportFigure("–"),
      ])
    }
    return table
  }

  fileprivate var imbalancePlot: PlotPicture {
    var layers: [Int] = []
    for load in steps.flatMap(\.imbalance) where !layers.contains(load.layer) {
      layers.append(load.layer)
    }
    let kept = StepLanes.spread(steps.count, most: 200).map { steps[$0] }
    let shown = StepLanes.spread(layers.count, most: PageTone.seriesCount).map { layers[$0] }
    let series = shown.enumerated().map { index, layer in
      PlotPicture.Series(
        "layer \(layer)", .line, .series(index),
        kept.compactMap { step in
          step.imbalance.first { $0.layer == layer }.map {
            .init(
              Double(step.step), $0.value, "step \(step.step), layer \(layer): \(decimal($0.value))"
            )
          }
        })
    }
    let places = kept.map { Double($0.step) }
    let most = series.flatMap(\.points).map(\.y).max() ?? 1
    return PlotPicture(
      "Imbalance", description: "Load of the most loaded expert over the mean",
      x: .init(
        "step", (places.min() ?? 0)...(places.max() ?? 1), text: { grouped(Int($0.rounded())) }),
      y: .init("", 1...max(1.01, most * 1.03), text: { decimal($0) }), series: series)
  }
}
