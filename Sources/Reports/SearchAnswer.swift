import Planning
import Quantities

/// What searches on several numbers of GPUs found, as one answer.
public struct SearchAnswer: Sendable {
  /// A number of GPUs with its best plan.
  public struct Point: Encodable, Sendable {
    public var gpus: Int
    /// Null where no plan is admissible; `reason` says why.
    public var stepSeconds: Double?
    public var tokensPerSecond: Double?
    public var usDollarsPerTrillionTokens: Double?
    public var days: Double?
    public var usDollars: Double?
    public var plan: String?
    public var reason: String?
  }

  public let searches: [SearchFigures]
  private let objective: SearchObjective
  private let count: Int
  /// The first number of GPUs that will do is wanted.
  let seeksFewest: Bool

  /// An answer from at least one search.
  public init(
    _ searches: [SearchFigures], by objective: SearchObjective, count: Int,
    seeksFewest: Bool = false
  ) {
    precondition(!searches.isEmpty, "Something was searched.")
    self.searches = searches
    self.objective = objective
    self.count = count
    self.seeksFewest = seeksFewest
  }

  /// The best plans of all searches, or of that with the fewest GPUs.
  public var plans: [SearchFigures.Item] {
    if seeksFewest {
      return searches.filter { !$0.plans.isEmpty }.min { $0.gpus < $1.gpus }?.plans ?? []
    }
    return ranked.prefix(count).map(\.item)
  }

  /// The plans of all searches, the best first; equal ones by what they leave of memory.
  ///
  /// Where the fewest GPUs are sought, fewer come before more.
  var ranked: [(item: SearchFigures.Item, search: Int, index: Int)] {
    let all = searches.enumerated().flatMap { search, figures in
      figures.plans.enumerated().map { (item: $1, search: search, index: $0) }
    }
    if seeksFewest { return all.sorted { ($0.item.gpus, $0.index) < ($1.item.gpus, $1.index) } }
    func key(_ item: SearchFigures.Item) -> Double {
      switch objective {
      case .time: item.stepSeconds
      case .cost: item.usDollarsPerTrillionTokens
      case .memory: Double(item.memoryBytes.peak)
      }
    }
    return all.sorted { left, right in
      let keys = (key(left.item), key(right.item))
      if keys.0 != keys.1 { return keys.0 < keys.1 }
      let margins = (left.item.marginBytes, right.item.marginBytes)
      if margins.0 != margins.1 { return margins.0 > margins.1 }
      return (left.search, left.index) < (right.search, right.index)
    }
  }

  /// The best plan's file.
  public var bestPlan: String? { plans.first?.yaml }

  /// Why nothing is admissible, of the search that came nearest.
  ///
  /// Where numbers of GPUs are tried one by one, a large one that does not divide the batch says less than one
  /// whose plans take too much memory or time.
  public var nearestReason: String {
    (searches.last { $0.isNearlyAdmissible } ?? searches[searches.count - 1]).nearestReason
  }

  /// Whether a search ended before it had looked at its whole space.
  var isInterrupted: Bool { searches.contains(where: \.isInterrupted) }

  /// Time and money over the number of GPUs.
  public var curve: [Point] {
    searches.map { search in
      guard let best = search.plans.first else {
        return Point(gpus: search.gpus, reason: search.nearestReason)
      }
      return Point(
        gpus: search.gpus, stepSeconds: best.stepSeconds, tokensPerSecond: best.tokensPerSecond,
        usDollarsPerTrillionTokens: best.usDollarsPerTrillionTokens, days: best.days,
        usDollars: best.usDollars, plan: best.name)
    }
  }

  /// The best plans of numbers of GPUs that no other beats in both: fewer GPUs for more time.
  public var front: [SearchFigures.Item] {
    var least = Double.infinity
    return searches.sorted { $0.gpus < $1.gpus }.compactMap(\.plans.first).filter { item in
      defer { least = min(least, item.stepSeconds) }
      return item.stepSeconds < least
    }
  }
}

extension SearchAnswer: Encodable {
  private enum Key: String, CodingKey {
    case model, cluster, objective, plans, pareto, curve, searches, space, inputs, seconds
    case indifferent, isInterrupted
  }

  /// One search by itself; of several what they have in common, with each of them.
  public func encode(to encoder: any Encoder) throws {
    guard searches.count > 1 || seeksFewest else { return try searches[0].encode(to: encoder) }
    var answer = encoder.container(keyedBy: Key.self)
    let plans = plans
    try answer.encode(searches[0].model, forKey: .model)
    try answer.encode(searches[0].cluster, forKey: .cluster)
    try answer.encode(objective.rawValue, forKey: .objective)
    try answer.encode(plans, forKey: .plans)
    try answer.encode(front, forKey: .pareto)
    try answer.encode(curve, forKey: .curve)
    try answer.encode(
      searches.first { $0.gpus == plans.first?.gpus }?.indifferent ?? 0, forKey: .indifferent)
    try answer.encode(isInterrupted, forKey: .isInterrupted)
    try answer.encode(space, forKey: .space)
    try answer.encode(searches, forKey: .searches)
    try answer.encode(searches[0].inputs, forKey: .inputs)
    try answer.encode(searches.reduce(0) { $0 + $1.seconds }, forKey: .seconds)
  }

  private struct Space: Encodable {
    var size = 0
    var refused = 0
    var outOfMemory = 0
    var bounded = 0
    var simulated = 0
  }

  private var space: Space {
    searches.reduce(into: Space()) { sum, search in
      sum.size += search.space.size
      sum.refused += search.space.refused
      sum.outOfMemory += search.space.outOfMemory
      sum.bounded += search.space.bounded
      sum.simulated += search.space.simulated
    }
  }
}

extension SearchAnswer {
  /// A line for each plan.
  public var csv: String {
    var lines = [
      "rank,gpus,step_seconds,mfu,tokens_per_second_per_gpu,peak_bytes,margin_bytes,"
        + "us_dollars_per_trillion_tokens,days,us_dollars,name,plan"
    ]
    for (index, item) in plans.enumerated() {
      let settings = item.yaml.split(separator: "\n").filter { !$0.hasPrefix("name:") }
      let fields = [
        "\(index + 1)", "\(item.gpus)", "\(item.stepSeconds)", "\(item.mfu)",
        "\(item.tokensPerSecondPerGpu)", "\(item.memoryBytes.peak)", "\(item.marginBytes)",
        "\(item.usDollarsPerTrillionTokens)", item.days.map { "\($0)" } ?? "",
        item.usDollars.map { "\($0)" } ?? "", item.name, settings.joined(separator: "; "),
      ]
      lines.append(fields.map(PlanComparison.cell).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
