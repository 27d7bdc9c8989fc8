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

  /// A row of a table: its name and a cell per plan.
  typealias Row = (name: String, cells: [String])

  /// The settings in which the plans differ; nothing where they do not.
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
  var assumptions: [(name: String, parts: [String])] {
    let shared = figures[0].assumptions.filter { assumption in
      figures.allSatisfy { $0.assumptions.contains(assumption) }
    }
    let own = zip(labels, figures).map { label, figures in
      (name: "Assumed of \(label)", parts: figures.assumptions.filter { !shared.contains($0) })
    }
    return ([("Assumed", shared)] + own).filter { !$0.parts.isEmpty }
  }
}
