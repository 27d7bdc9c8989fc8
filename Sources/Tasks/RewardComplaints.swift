import Documents

/// What rules could not judge of some completions, and what they had to remark: by rule and reason, how often.
public struct RewardComplaints: Hashable, Sendable {
  /// A reason, as often as it came.
  private struct Complaint: Hashable {
    var rule: String
    var reason: RewardFailure
    /// Completions that count 0 for it; none of a remark.
    var count: Int
  }

  private var complaints: [Complaint] = []

  public init() {}

  /// Adds a reason of a rule, by its name, for so many completions; for none it is a remark.
  mutating func add(_ rule: String, _ reason: RewardFailure, count: Int = 1) {
    if let place = complaints.firstIndex(where: { $0.rule == rule && $0.reason == reason }) {
      complaints[place].count += count
    } else {
      complaints.append(.init(rule: rule, reason: reason, count: count))
    }
  }

  /// Adds those of other completions.
  public mutating func add(_ others: RewardComplaints) {
    for other in others.complaints { add(other.rule, other.reason, count: other.count) }
  }

  /// One line for each rule that could not judge some completions, and one for each remark.
  ///
  /// - Parameters:
  ///   - completions: how many were judged.
  ///   - said: what was said before, and is not said again; what is said now is added.
  public func notices(of completions: Int, besides said: inout Set<String>) -> [String] {
    var notices: [String] = []
    var rules: [String] = []
    for complaint in complaints where !rules.contains(complaint.rule) {
      rules.append(complaint.rule)
      let own = complaints.filter { $0.rule == complaint.rule }
      let news = own.filter { !said.contains("\($0.rule) \($0.reason.kind)") }
      said.formUnion(own.map { "\($0.rule) \($0.reason.kind)" })
      guard !news.isEmpty else { continue }
      let name = "rewards: \(printable(complaint.rule))"
      let failures = own.filter { $0.count > 0 }
      if news.contains(where: { $0.count > 0 }) {
        let sum = failures.reduce(0) { $0 + $1.count }
        notices.append(
          "\(name) counts 0 for \(sum) of \(completions) completions: \(Self.reasons(failures))")
      }
      for remark in news where remark.count == 0 { notices.append("\(name): \(Self.text(remark))") }
    }
    return notices
  }

  /// The reasons that a notice names at most.
  private static let mostReasons = 4

  /// The reasons, the most frequent first, with their numbers where there are several.
  private static func reasons(_ failures: [Complaint]) -> String {
    if failures.count == 1 { return text(failures[0]) }
    let order = failures.indices.sorted { (-failures[$0].count, $0) < (-failures[$1].count, $1) }
    var words = order.prefix(mostReasons).map { "\(text(failures[$0])) (\(failures[$0].count))" }
    if order.count > mostReasons { words.append("\(order.count - mostReasons) other reasons") }
    return words.joined(separator: "; ")
  }

  private static func text(_ complaint: Complaint) -> String {
    printable(complaint.reason.description, atMost: 400)
  }
}

extension RewardComplaints {
  /// One line of JSON for each, for other ranks.
  public var lines: String {
    complaints.map { complaint in
      let fields: [(String, JSONValue)] = [
        ("rule", .string(complaint.rule)), ("reason", .string(complaint.reason.description)),
        ("kind", .string(complaint.reason.kind)), ("count", .integer(complaint.count)),
      ]
      return JSONValue.table(fields.map { .init(key: $0.0, value: $0.1) }).compact + "\n"
    }.joined()
  }

  /// Adds what `lines` wrote.
  public mutating func add(lines: [UInt8]) {
    for line in lines.split(separator: UInt8(ascii: "\n")) {
      guard let value = try? JSONValue(Array(line)), let rule = value["rule"]?.text,
        let reason = value["reason"]?.text, let count = value["count"]?.number
      else { continue }
      add(rule, RewardFailure(reason, kind: value["kind"]?.text), count: count)
    }
  }
}
