/// What a question is for.
///
/// It follows from the question's text alone, so that nobody's training data hold
/// what anybody is asked, whatever the seeds.
public enum TaskSplit: String, CaseIterable, Hashable, Sendable {
  case demonstrations, prompts
  /// For evaluation, of a run or of checkpoints side by side.
  case heldOut = "held-out"

  /// Three eighths of all texts are for demonstrations, four for prompts, one is held out.
  public static func of(_ question: TaskQuestion) -> TaskSplit {
    switch TaskChance.hash(question.text) >> 61 {
    case 0..<3: .demonstrations
    case 3..<7: .prompts
    default: .heldOut
    }
  }
}

extension TaskKind {
  /// The first different questions of a split under a seed; fewer where there are no more.
  public func questions(
    _ count: Int, for split: TaskSplit, tier: Int, seed: UInt64
  ) -> [TaskQuestion] {
    var found: [TaskQuestion] = []
    var seen: Set<String> = []
    var index = 0
    // One draw in eight is held out, and of a task that is nearly used up most were drawn before.
    var fruitless = 0
    while found.count < count, fruitless < 20_000 {
      let question = question(tier: tier, seed: seed, index: index)
      index += 1
      fruitless += 1
      guard TaskSplit.of(question) == split, seen.insert(question.text).inserted else { continue }
      found.append(question)
      fruitless = 0
    }
    return found
  }
}
