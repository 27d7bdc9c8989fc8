import Planning
import Quantities

extension ReportPage {
  /// What a search found.
  public init(search answer: SearchAnswer) throws {
    let first = answer.searches[0]
    try self.init("search", verdict: answer.verdict, figures: answer)
    remarks = answer.remarks
    inputs = first.inputs.lines(assuming: [])
    inputs += [
      .init("GPUs", answer.searches.map { grouped($0.gpus) }.joined(separator: ", ")),
      .init(
        "Grid", counted(first.space.grid.count, "setting"), details: first.gridLines, in: .foot),
      .init(
        "Same for all", counted(first.conditions.count, "setting"), details: first.conditions,
        in: .foot),
    ]
    if let best = answer.plans.first {
      facts = [
        .init(
          "Step",
          ReportFigure(
            "\(fixed(best.stepSeconds, decimals: 3)) s", best.stepSeconds,
            key: "plans.0.step_seconds")),
        .init("MFU", .share(best.mfu, key: "plans.0.mfu")),
        .init(
          "Memory",
          ReportFigure(
            "\(fixed(Double(best.memoryBytes.peak) / 0x1p30, decimals: 1)) GiB",
            Double(best.memoryBytes.peak), key: "plans.0.memory_bytes.peak"),
          note: "\(fixed(Double(best.marginBytes) / 0x1p30, decimals: 1)) left beside the reserve"),
        .init(
          "Cost",
          ReportFigure(
            "\(large(best.usDollarsPerTrillionTokens)) US$", best.usDollarsPerTrillionTokens,
            key: "plans.0.us_dollars_per_trillion_tokens"),
          note: "a trillion tokens"),
      ]
    }
    sections = answer.planSections
    if answer.searches.count > 1 || answer.seeksFewest { sections.append(answer.curveSection) }
    sections.append(answer.spaceSection)
  }
}

extension SearchFigures {
  /// The alternatives of every setting.
  fileprivate var gridLines: [String] {
    lines.map { "\($0.key) \($0.values.joined(separator: " | "))" }
  }
}

extension SearchAnswer {
  fileprivate var verdict: String {
    let first = searches[0]
    guard let best = plans.first else {
      return isInterrupted
        ? "No plan was found yet: \(nearestReason)." : "No plan is admissible: \(nearestReason)."
    }
    return "\(best.name) is the best plan of \(first.model) on \(counted(best.gpus, "GPU")) of "
      + "\(first.cluster): a step of \(fixed(best.stepSeconds, decimals: 3)) s."
  }

  /// How sure that is.
  fileprivate var remarks: [String] {
    searches.flatMap { search -> [String] in
      let start = searches.count > 1 ? "\(counted(search.gpus, "GPU")): " : ""
      guard !search.plans.isEmpty else { return [] }
      let plans = counted(search.indifferent, "plan")
      let doubt =
        "\(search.indifferentIsComplete ? "" : "At least ")\(plans) "
        + "\(search.indifferent == 1 ? "lies" : "lie") within the stated error of "
        + "\(percent(search.statedError.share))."
      return ["\(start)\(search.proof) \(doubt)"]
    }
  }

  /// A plan with where the JSON has it.
  fileprivate struct Known {
    var item: SearchFigures.Item
    var key: String
    /// Its name, with a number where several have it.
    var label: String
    var isOfFront: Bool
    /// Its place among all, and why it is here.
    var place: Int
    var reason: String
  }

  /// Every plan that the answer holds, once: the best of all searches, the fronts, those that are as good.
  fileprivate var known: [Known] {
    let isOne = searches.count == 1 && !seeksFewest
    var result: [Known] = []
    var seen: [String: Int] = [:]
    func add(
      _ item: SearchFigures.Item, _ search: Int, _ key: String, _ reason: String,
      isOfFront: Bool = false
    ) {
      let identity = "\(item.gpus) \(item.yaml)"
      if let place = seen[identity] {
        if isOfFront { result[place].isOfFront = true }
        return
      }
      seen[identity] = result.count
      let count = result.count { $0.item.name == item.name }
      result.append(
        Known(
          item: item, key: isOne ? key : "searches.\(search).\(key)",
          label: count > 0 ? "\(item.name) (\(count + 1))" : item.name, isOfFront: isOfFront,
          place: result.count + 1, reason: reason))
    }
    // One search has put its plans into its own order.
    let best =
      isOne ? searches[0].plans.enumerated().map { (item: $1, search: 0, index: $0) } : ranked
    for (item, search, index) in best { add(item, search, "plans.\(index)", "best") }
    for (number, search) in searches.enumerated() {
      for (index, item) in search.pareto.enumerated() {
        add(item, number, "pareto.\(index)", "front", isOfFront: true)
      }
    }
    for (number, search) in searches.enumerated() {
      for (index, item) in search.indifferentPlans.enumerated() {
        add(item, number, "indifferent_plans.\(index)", "as good")
      }
    }
    return result
  }

  fileprivate var planSections: [ReportPage.Section] {
    let known = known
    guard !known.isEmpty else { return [] }
    var sections = [
      ReportPage.Section(
        "Time against memory",
        lead:
          "Every point is a plan that was simulated and kept; no other beats those on the line in both.",
        [.picture(front(known))])
    ]
    var blocks: [ReportBlock] = []
    if known.count > 1 { blocks.append(.picture(parallel(known))) }
    blocks.append(.table(table(known)))
    sections.append(
      .init(
        "The plans",
        lead: "Move the handles below a scale to narrow it: lines and rows that lie outside go.",
        blocks))
    return sections + searches.indices.compactMap { differenceSection(of: $0, known) }
  }

  private func differenceSection(of index: Int, _ known: [Known]) -> ReportPage.Section? {
    let search = searches[index]
    let places = search.plans.compactMap { plan in
      known.first { $0.item.gpus == plan.gpus && $0.item.yaml == plan.yaml }?.place
    }
    let texts = search.differences(at: places)
    guard !texts.isEmpty else { return nil }
    let isOne = searches.count == 1
    let key = isOne && !seeksFewest ? "plans" : "searches.\(index).plans"
    return .init(
      "What makes the difference" + (isOne ? "" : " on \(counted(search.gpus, "GPU"))"),
      [.text(texts)] + (search.anchoredTable(key: key, places).map { [.table($0)] } ?? []))
  }

  private func front(_ known: [Known]) -> PlotPicture {
    func point(_ one: Known) -> PlotPicture.Point {
      let item = one.item
      let memory = Double(item.memoryBytes.peak) / 0x1p30
      return .init(
        memory, item.stepSeconds,
        "\(one.label)\n\(fixed(item.stepSeconds, decimals: 3)) s, \(fixed(memory, decimals: 1)) GiB"
          + (searches.count > 1 ? ", \(counted(item.gpus, "GPU"))" : ""))
    }
    let onFront = known.filter(\.isOfFront).sorted {
      $0.item.memoryBytes.peak < $1.item.memoryBytes.peak
    }
    let others = known.filter { !$0.isOfFront }
    let all = known.map(point)
    let (xs, ys) = (all.map(\.x), all.map(\.y))
    func scale(_ values: [Double]) -> ClosedRange<Double> {
      let (low, high) = (values.min() ?? 0, values.max() ?? 1)
      let margin = max((high - low) * 0.08, high * 1e-3)
      return max(0, low - margin)...(high + margin)
    }
    return PlotPicture(
      "Seconds of a step over the memory of the fullest rank",
      description: "\(known.count) plans, \(onFront.count) of them on the front of time and memory",
      x: .init("GiB", scale(xs), text: { threeFigures($0) }),
      y: .init("s", scale(ys), text: { threeFigures($0) }),
      series: [
        .init("the front", .line, .accent, onFront.map(point)),
        .init("others", .rings, .series(5), others.map(point)),
      ].filter { !$0.points.isEmpty })
  }

  /// The keys in which plans differ, then what they come to.
  private func parallel(_ known: [Known]) -> ParallelPicture {
    let leaves = known.map { one in
      Dictionary(one.item.plan.leaves.map { ($0.keyPath, $0.text) }) { first, _ in first }
    }
    var keys: [String] = []
    for leaf in known.flatMap(\.item.plan.leaves) where !keys.contains(leaf.keyPath) {
      keys.append(leaf.keyPath)
    }
    let differing = keys.filter { key in
      key != "name" && key != "units-per-stage" && Set(leaves.map { $0[key] ?? "–" }).count > 1
    }
    var axes = differing.prefix(9).map { key in
      ParallelPicture.Axis(key, words: leaves.map { $0[key] ?? "–" })
    }
    if searches.count > 1 {
      axes.append(.init("GPUs", known.map { .count($0.item.gpus) }))
    }
    axes += [
      .init("peak, GiB", known.map { .gibibytes($0.item.memoryBytes.peak) }),
      .init("MFU", known.map { .share($0.item.mfu) }),
      .init("step, s", known.map { .seconds($0.item.stepSeconds) }),
    ]
    return ParallelPicture(
      "Settings and what they come to", names: known.map(\.label), axes: axes)
  }

  private func table(_ known: [Known]) -> ReportTable {
    let hasBudget = known.contains { $0.item.days != nil }
    var table = ReportTable(
      "Plans, the best first",
      [
        .init("place"), .init("plan", isText: true), .init("why", isText: true),
        .init("GPUs", isAside: searches.count == 1), .init("step, s"), .init("MFU"),
        .init("tokens/s and GPU", short: "tok/s/GPU"), .init("peak, GiB"),
        .init("margin, GiB", short: "margin"),
        .init("US$ a trillion tokens", short: "US$/T", isAside: hasBudget),
        .init("bubble, s", isAside: true), .init("exposed, s", isAside: true),
      ] + (hasBudget ? [.init("days"), .init("US$")] : []))
    for one in known {
      let item = one.item
      let exposed = item.communicationSeconds.kinds.reduce(0) { $0 + $1.time.exposed }
      var row = ReportTable.Row([
        ReportFigure("\(one.place)", Double(one.place)), ReportFigure(one.label),
        ReportFigure(one.reason), .count(item.gpus, key: one.key + ".gpus"),
        .seconds(item.stepSeconds, key: one.key + ".step_seconds"),
        .share(item.mfu, key: one.key + ".mfu"),
        ReportFigure(
          tokenRate(item.tokensPerSecondPerGpu), item.tokensPerSecondPerGpu,
          key: one.key + ".tokens_per_second_per_gpu"),
        .gibibytes(item.memoryBytes.peak, key: one.key + ".memory_bytes.peak"),
        .gibibytes(item.marginBytes, key: one.key + ".margin_bytes"),
        ReportFigure(
          large(item.usDollarsPerTrillionTokens), item.usDollarsPerTrillionTokens,
          key: one.key + ".us_dollars_per_trillion_tokens"),
        .seconds(item.splitSeconds.bubble, key: one.key + ".split_seconds.bubble"),
        .seconds(exposed),
      ])
      if hasBudget {
        row.cells += [
          cell(item.days, one.key + ".days", threeFigures),
          cell(item.usDollars, one.key + ".us_dollars", large),
        ]
      }
      row.name = one.label
      table.rows.append(row)
    }
    table.shown = 20
    table.note =
      "Best by the objective; front: less memory for more time; as good: within the stated error, of which "
      + "these leave most memory."
    return table
  }

  private func cell(
    _ value: Double?, _ key: String, _ text: (Double) -> String
  ) -> ReportFigure {
    value.map { ReportFigure(text($0), $0, key: key) } ?? ReportFigure("–")
  }

  fileprivate var curveSection: ReportPage.Section {
    let points = curve.compactMap { point -> PlotPicture.Point? in
      point.stepSeconds.map {
        .init(
          Double(point.gpus), $0,
          "\(counted(point.gpus, "GPU")): \(fixed($0, decimals: 3)) s\n\(point.plan ?? "")")
      }
    }
    let hasBudget = curve.contains { $0.days != nil }
    var table = ReportTable(
      "The best plan of every number of GPUs",
      [
        .init("GPUs"), .init("step, s"), .init("tokens/s"),
        .init("US$ a trillion tokens", short: "US$/T", isAside: hasBudget),
        .init("plan", isText: true),
      ] + (hasBudget ? [.init("days"), .init("US$")] : []))
    for (index, point) in curve.enumerated() {
      let key = "curve.\(index)."
      var cells = [
        .count(point.gpus, key: key + "gpus"),
        cell(point.stepSeconds, key + "step_seconds") { fixed($0, decimals: 3) },
        cell(point.tokensPerSecond, key + "tokens_per_second", tokenRate),
        cell(
          point.usDollarsPerTrillionTokens, key + "us_dollars_per_trillion_tokens", large),
        ReportFigure(point.plan ?? point.reason ?? ""),
      ]
      if hasBudget {
        cells += [
          cell(point.days, key + "days", threeFigures),
          cell(point.usDollars, key + "us_dollars", large),
        ]
      }
      table.add(cells)
    }
    let xs = points.map(\.x)
    return .init(
      "Over the number of GPUs",
      [
        .picture(
          PlotPicture(
            "Seconds of the best plan's step", description: "Seconds of a step over GPUs",
            x: .init(
              "GPUs", (xs.min() ?? 0)...(xs.max() ?? 1), text: { grouped(Int($0.rounded())) }),
            y: .init(
              "s", 0...max(1e-9, (points.map(\.y).max() ?? 1) * 1.05), text: { threeFigures($0) }),
            series: [.init("step", .line, .accent, points)])),
        .table(table),
      ])
  }

  fileprivate var spaceSection: ReportPage.Section {
    var refusals = ReportTable(
      "Rules that points of the grid break", [.init("rule", isText: true), .init("points")])
    for search in searches {
      for refusal in search.space.refusedBy {
        refusals.add([ReportFigure(refusal.rule), .count(refusal.count)])
      }
    }
    refusals.shown = 12
    refusals.isAside = true
    let bars = searches.map { search in
      (
        label: counted(search.gpus, "GPU"),
        parts: [
          BarPicture.Part("simulated", Double(search.space.simulated), .accent),
          .init("bounded: cannot be among the best", Double(search.space.bounded), .pale),
          .init("without room", Double(search.space.outOfMemory), .waiting),
          .init("refused", Double(search.space.refused), .bubble),
        ]
      )
    }
    let fewest = seeksFewest ? plans.first.map { "The fewest GPUs that will do: \($0.gpus)." } : nil
    return .init(
      "How the space was spent",
      [
        .text(searches.flatMap(\.spaceText) + [fewest].compactMap { $0 }),
        .picture(
          BarPicture(
            "Plans of the grid", description: "Plans of the grid by what became of them",
            bars: bars, text: { grouped(Int($0.rounded())) })),
      ] + (refusals.rows.isEmpty ? [] : [.table(refusals)]))
  }
}
