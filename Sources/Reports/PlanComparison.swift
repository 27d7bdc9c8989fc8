import Documents
import Plans
import Quantities

/// Several plans side by side, and what makes the difference.
public struct PlanComparison: Sendable {
  /// How many plans are compared at once.
  public static let planCounts = 2...12

  /// The figures of each plan's step; the first is the one that others are held against.
  public let figures: [StepFigures]
  /// What tells the plans apart: names, where these are equal with the file or a number.
  public let labels: [String]

  /// Compares at least two plans.
  public init(_ figures: [StepFigures]) {
    precondition(figures.count > 1, "A comparison needs two plans.")
    self.figures = figures
    labels = Self.labels(of: figures.map { ($0.plan, $0.inputs.plan?.given ?? $0.plan) })
  }

  /// The names; where several are equal, with the end of the path, the path or a number behind them.
  static func labels(of plans: [(name: String, given: String)]) -> [String] {
    func ending(_ path: String) -> String {
      path.split(separator: "/").last.map(String.init) ?? path
    }
    return plans.enumerated().map { index, plan in
      let equal = plans.filter { $0.name == plan.name }
      if equal.count == 1 { return plan.name }
      for form in [ending, { $0 }] {
        let forms = equal.map { form($0.given) }
        if Set(forms).count == equal.count { return "\(plan.name) (\(form(plan.given)))" }
      }
      return "\(plan.name) #\(plans[...index].count { $0.name == plan.name })"
    }
  }

  /// A column per plan, and a sentence per plan after the first.
  public var text: String {
    let first = figures[0]
    var text = "\(first.model) on \(first.cluster)\n"
    text += first.inputs.lines(width: 100).map { $0 + "\n" }.joined()
    text += columns(figureRows) + "\n" + settingText
    text += "What makes the difference to \(labels[0])\n"
    for index in figures.indices.dropFirst() {
      let lines = wrapped(difference(of: index), width: 96)
      text += "  " + lines.joined(separator: "\n    ") + "\n"
    }
    return text + assumptionText
  }

  /// A row of a table: its name and a cell per plan.
  typealias Row = (name: String, cells: [String])

  /// Rows as a table, or as several below each other where the plans need more than a page's width.
  private func columns(_ rows: [Row]) -> String {
    let names = rows.map(\.name.count).max() ?? 0
    let widths = figures.indices.map { plan in (rows.map { $0.cells[plan].count }.max() ?? 0) + 2 }
    var groups: [[Int]] = [[]]
    var used = names + 2
    for plan in figures.indices {
      if let group = groups.last, !group.isEmpty, used + widths[plan] > 100 {
        groups.append([])
        used = names + 2
      }
      groups[groups.count - 1].append(plan)
      used += widths[plan]
    }
    return groups.map { group in
      var table = TextTable([.left])
      for row in rows { table.add([row.name] + group.map { row.cells[$0] }) }
      return table.text()
    }.joined(separator: "\n")
  }

  var figureRows: [Row] {
    var rows: [Row] = [("plan", labels)]
    func add(_ name: String, _ text: (StepFigures) -> String) {
      rows.append((name, figures.map(text)))
    }
    add("GPUs") { grouped($0.ranks) }
    add("step, s") { fixed($0.stepSeconds, decimals: 3) }
    for (index, part) in figures[0].splitSeconds.parts.enumerated()
    where figures.contains(where: { $0.splitSeconds.parts[index].seconds > 0 }) {
      add("  \(part.name)") { fixed($0.splitSeconds.parts[index].seconds, decimals: 3) }
    }
    add("tokens a step") { large(Double($0.tokensPerStep)) }
    add("tokens a day") { large($0.tokensPerDay) }
    add("tokens a second and GPU") { tokenRate($0.tokensPerSecondPerGpu) }
    add("TFLOPS per GPU, causal") { threeFigures($0.tflopsPerGpu.causal) }
    add("MFU, causal") { percent($0.mfu.causal) }
    add("MFU, non-causal") { percent($0.mfu.nonCausal) }
    add("HFU") { percent($0.hfu.causal) }
    func communication(_ path: KeyPath<StepFigures.Communication, Double>) -> (StepFigures) ->
      String
    {
      {
        fixed($0.communicationSeconds.kinds.reduce(0) { $0 + $1.time[keyPath: path] }, decimals: 3)
      }
    }
    add("hidden communication, s", communication(\.hidden))
    add("exposed communication, s", communication(\.exposed))
    add("waiting for peers, s", communication(\.waiting))
    add("peak memory, GiB") { figures in
      fixed(Double(figures.memoryBytes.peak) / 0x1p30, decimals: 1)
        + (figures.fits ? "" : " (too much)")
    }
    add("US$ per GPU-hour") { fixed($0.usDollarsPerGpuHour, decimals: 2) }
    add("GPU-hours per trillion tokens") { large($0.gpuHoursPerTrillionTokens) }
    add("US$ per trillion tokens") { large($0.usDollarsPerTrillionTokens) }
    if let tokens = figures[0].budget?.tokens {
      func budget(_ name: String, _ value: @escaping (StepFigures.Budget) -> Double) {
        add("\(name) for \(large(tokens)) tokens") { $0.budget.map { large(value($0)) } ?? "" }
      }
      budget("GPU-hours", \.gpuHours)
      budget("US$", \.usDollars)
      budget("days", \.days)
    }
    return rows
  }

  /// The settings in which the plans differ; nothing where they do not.
  private var settingText: String {
    let rows = settingRows
    guard !rows.isEmpty else { return "The plans have the same settings.\n\n" }
    return "Settings that differ\n" + columns(rows) + "\n"
  }

  var settingRows: [Row] {
    let plans = figures.map { $0.inputs.plan?.settings.leaves ?? [] }
    var keys: [String] = []
    for plan in plans {
      for leaf in plan where !keys.contains(leaf.keyPath) { keys.append(leaf.keyPath) }
    }
    return keys.filter { $0 != "name" && $0 != "source" }.compactMap { key -> Row? in
      let cells = plans.map { plan in
        plan.first { $0.keyPath == key }.map { Self.shortened($0.text) } ?? "–"
      }
      return Set(cells).count > 1 ? (key, cells) : nil
    }
  }

  /// A list of counts with equal neighbours taken together: `15 x 4, 1`.
  private static func shortened(_ text: String) -> String {
    guard text.first == "[", text.last == "]" else { return text }
    let items = text.dropFirst().dropLast().split(separator: ", ")
    let counts = items.compactMap { Int($0) }
    return counts.count == items.count && !counts.isEmpty ? runs(counts) : text
  }

  /// `b: step +1.20 s (bubble +0.90, optimizer +0.30); …`, the largest part first.
  func difference(of index: Int) -> String {
    let (first, other) = (figures[0], figures[index])
    let total = other.stepSeconds - first.stepSeconds
    let parts = zip(other.splitSeconds.parts, first.splitSeconds.parts)
      .map { (name: $0.name, seconds: $0.seconds - $1.seconds) }
      .filter { $0.seconds.magnitude >= 0.0005 }
      .sorted { $0.seconds.magnitude > $1.seconds.magnitude }
      .map { "\($0.name) \(signed($0.seconds))" }
    let perGPU = other.tokensPerSecondPerGpu / first.tokensPerSecondPerGpu - 1
    return "\(labels[index]): step \(signed(total)) s"
      + (parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))")
      + "; tokens a second and GPU \(perGPU < 0 ? "" : "+")\(percent(perGPU))"
  }

  private func signed(_ value: Double) -> String {
    (value < 0 ? "" : "+") + fixed(value, decimals: 3)
  }

  /// What all plans assume, and what only some of them do.
  private var assumptionText: String {
    let shared = figures[0].assumptions.filter { assumption in
      figures.allSatisfy { $0.assumptions.contains(assumption) }
    }
    var paragraphs: [(String, [String])] = [("Assumed", shared)]
    for (label, figures) in zip(labels, figures) {
      paragraphs.append(
        ("Assumed of \(label)", figures.assumptions.filter { !shared.contains($0) }))
    }
    let lines = paragraphs.filter { !$0.1.isEmpty }.flatMap { name, parts in
      wrapped("\(name): \(parts.joined(separator: "; ")).", width: 100)
    }
    return lines.isEmpty ? "" : "\n" + lines.joined(separator: "\n") + "\n"
  }
}
