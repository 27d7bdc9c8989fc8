import Engines
import Plans
import Quantities
import Simulation

/// A plan's step with what happened at its pipeline position 0, for a page of several.
public struct ComparedStep: Sendable {
  public var figures: StepFigures
  public var duration: Int64
  let lanes: LanePicture.Row

  /// Reads a step; its items are enough, spans need not be kept.
  public init(_ figures: StepFigures, _ result: StepResult, of step: PlannedStep) {
    self.figures = figures
    duration = result.step
    let ranks = result.ranks.filter { $0.position == 0 }
    let rank = ranks.min { $0.split.bubble < $1.split.bubble }
    let timeline = Timeline(items: rank?.items ?? [], transfers: rank?.transfers ?? [])
    let picture = StepLanes(
      step.input, step.placed.schedule, duration: result.step, [(0, timeline)]
    ).overview("")
    lanes = picture.rows.first ?? .init("", [])
  }
}

extension ReportPage {
  /// Plans side by side, without what only their spans show.
  public init(comparing comparison: PlanComparison) throws {
    try self.init("compare", verdict: comparison.verdict, figures: comparison.figures)
    remarks = comparison.figures.indices.dropFirst().map { comparison.difference(of: $0) }
    inputs = comparison.pageInputs
    sections = [
      Section(
        "Where the time goes",
        lead: "Every bar is a step, read at pipeline position 0 of the slowest replica.",
        [
          .picture(
            BarPicture(
              "Seconds of a step by part",
              description: "Seconds of the step of every plan by part",
              bars: zip(comparison.labels, comparison.figures).map { $1.bar($0, $1.splitSeconds) },
              text: { "\(decimal($0)) s" })),
          .table(comparison.partTable),
        ]),
      Section("Side by side", [.table(comparison.figureTable)]),
      Section(
        "Memory",
        lead: "What the fullest rank of every plan needs at its peak.",
        [
          .picture(comparison.memoryPicture), .table(comparison.memoryTable),
        ]),
      Section("Settings that differ", comparison.settingBlocks),
    ]
  }

  /// The same with position 0 of every plan over time.
  public init(comparing steps: [ComparedStep]) throws {
    let comparison = PlanComparison(steps.map(\.figures))
    try self.init(comparing: comparison)
    var lanes = LanePicture(
      "Position 0 of every plan",
      description: "The actions of pipeline position 0 of every plan over a common time",
      rows: zip(comparison.labels, steps).map { label, step in
        var row = step.lanes
        row.label = label
        row.identifier = nil
        return row
      }, duration: steps.map(\.duration).max() ?? 1)
    lanes.legend = StepLanes.plainLegend
    sections[0].blocks.append(.picture(lanes))
  }
}

extension PlanComparison {
  /// Which plan does most tokens a GPU.
  fileprivate var verdict: String {
    let rates = figures.map(\.tokensPerSecondPerGpu)
    guard let best = rates.indices.max(by: { rates[$0] < rates[$1] }) else { return "" }
    let others = rates.indices.filter { $0 != best }
    let second = others.max { rates[$0] < rates[$1] } ?? best
    let gain = rates[best] / rates[second] - 1
    let fit = figures[best].fits ? "" : ", but does not fit"
    return gain < 0.0005
      ? "\(labels[best]) and \(labels[second]) are equally fast on \(figures[best].cluster)\(fit)."
      : "\(labels[best]) is the fastest on \(figures[best].cluster), \(percent(gain)) more tokens a second "
        + "and GPU than \(labels[second])\(fit)."
  }

  fileprivate var pageInputs: [ReportPage.Input] {
    var lines = figures[0].inputs.lines(assuming: []).filter {
      $0.name != "Plan" && $0.name != "Seed"
    }
    for (label, figures) in zip(labels, figures) {
      lines.append(
        .init(
          "Plan", label,
          details: figures.inputs.plan?.settings.leaves.map { "\($0.keyPath): \($0.text)" } ?? []))
    }
    lines += assumptions.map { name, parts in
      .init(name, counted(parts.count, "choice"), details: parts, in: .foot)
    }
    return lines
  }

  fileprivate var partTable: ReportTable {
    var table = ReportTable(
      "Seconds of a step by part",
      [.init("part", isText: true)] + labels.map { .init($0) })
    for (index, part) in figures[0].splitSeconds.parts.enumerated()
    where figures.contains(where: { $0.splitSeconds.parts[index].seconds > 0 }) {
      table.add(
        [ReportFigure(part.name)]
          + figures.enumerated().map { plan, figures in
            .seconds(
              figures.splitSeconds.parts[index].seconds,
              key: "\(plan).split_seconds.\(StepFigures.splitKeys[index])")
          }, tone: StepFigures.splitTones[index].first)
    }
    return table
  }

  fileprivate var figureTable: ReportTable {
    var table = ReportTable(
      "Figures of every plan", [.init("figure", isText: true)] + labels.map { .init($0) })
    func add(
      _ name: String, _ key: String?, _ value: (StepFigures) -> Double?,
      _ text: (Double) -> String
    ) {
      table.add(
        [ReportFigure(name)]
          + figures.enumerated().map { plan, figures in
            guard let value = value(figures) else { return ReportFigure("–") }
            return ReportFigure(text(value), value, key: key.map { "\(plan).\($0)" })
          })
    }
    func seconds(_ value: Double) -> String { fixed(value, decimals: 3) }
    func share(_ value: Double) -> String { percent(value) }
    func communication(
      _ name: String, _ path: KeyPath<StepFigures.Communication, Double>
    ) {
      let sum: (StepFigures) -> Double = {
        $0.communicationSeconds.kinds.reduce(0) { $0 + $1.time[keyPath: path] }
      }
      add("\(name), s", nil, sum, seconds)
    }
    add("GPUs", "ranks", { Double($0.ranks) }, { grouped(Int($0)) })
    add("step, s", "step_seconds", \.stepSeconds, seconds)
    add("tokens a step", "tokens_per_step", { Double($0.tokensPerStep) }, large)
    add("tokens a day", "tokens_per_day", \.tokensPerDay, large)
    add(
      "tokens a second and GPU", "tokens_per_second_per_gpu", \.tokensPerSecondPerGpu, tokenRate)
    add("TFLOPS per GPU, causal", "tflops_per_gpu.causal", \.tflopsPerGpu.causal, threeFigures)
    add("MFU, causal", "mfu.causal", \.mfu.causal, share)
    add("MFU, non-causal", "mfu.non_causal", \.mfu.nonCausal, share)
    add("HFU", "hfu.causal", \.hfu.causal, share)
    communication("hidden communication", \.hidden)
    communication("exposed communication", \.exposed)
    communication("waiting for peers", \.waiting)
    add("US$ per GPU-hour", "us_dollars_per_gpu_hour", \.usDollarsPerGpuHour) {
      fixed($0, decimals: 2)
    }
    add(
      "GPU-hours per trillion tokens", "gpu_hours_per_trillion_tokens",
      \.gpuHoursPerTrillionTokens, large)
    add(
      "US$ per trillion tokens", "us_dollars_per_trillion_tokens", \.usDollarsPerTrillionTokens,
      large)
    guard let tokens = figures[0].budget?.tokens else { return table }
    let work = "for \(large(tokens)) tokens"
    add("GPU-hours \(work)", "budget.gpu_hours", { $0.budget?.gpuHours }, large)
    add("US$ \(work)", "budget.us_dollars", { $0.budget?.usDollars }, large)
    add("days \(work)", "budget.days", { $0.budget?.days }, large)
    return table
  }

  fileprivate var memoryPicture: BarPicture {
    var picture = BarPicture(
      "Memory of the fullest rank",
      description: "Bytes of the fullest rank by owner, for every plan",
      bars: zip(labels, figures).map { ($0, StepFigures.peakParts($1.memoryBytes)) },
      text: { "\(decimal($0)) GiB" })
    picture.limit = ("limit", Double(figures[0].memoryBytes.limit) / 0x1p30)
    return picture
  }

  fileprivate var memoryTable: ReportTable {
    var table = ReportTable(
      "Memory of the fullest rank, GiB",
      [.init("owner", isText: true)] + labels.map { .init($0) })
    let owners: [(String, String, (StepFigures.Memory) -> Int, PageTone)] = [
      ("parameters", "parameters", \.parameters, .parameters),
      ("gradients", "gradients", \.gradients, .gradients),
      ("optimizer state", "optimizer", \.optimizer, .optimizerState),
      ("framework", "workspace", \.workspace, .workspace),
      ("communication", "communication", \.communication, .communication),
      ("activations", "activations", \.activations, .activations),
    ]
    for (name, key, value, tone) in owners
    where figures.contains(where: { value($0.memoryBytes) > 0 }) {
      table.add(
        [ReportFigure(name)]
          + figures.enumerated().map { plan, figures in
            .gibibytes(value(figures.memoryBytes), key: "\(plan).memory_bytes.\(key)")
          }, tone: tone)
    }
    table.rows.append(
      .init(
        [ReportFigure("peak")]
          + figures.enumerated().map { plan, figures in
            .gibibytes(figures.memoryBytes.peak, key: "\(plan).memory_bytes.peak")
          }))
    guard figures.contains(where: { !$0.fits }) else { return table }
    table.add([ReportFigure("fits")] + figures.map { ReportFigure($0.fits ? "yes" : "no") })
    return table
  }

  fileprivate var settingBlocks: [ReportBlock] {
    let rows = settingRows
    guard !rows.isEmpty else { return [.text(["The plans have the same settings."])] }
    var table = ReportTable(
      "Settings that differ",
      [.init("key", isText: true)] + labels.map { .init($0, isText: true) })
    for row in rows { table.add([ReportFigure(row.name)] + row.cells.map { ReportFigure($0) }) }
    return [.table(table)]
  }
}
