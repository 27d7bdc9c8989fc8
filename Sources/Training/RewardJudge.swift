import Foundation
import Synchronization
import Tasks

/// Judges completions beside their generation: what ends is judged while others go on.
///
/// The ranks share completions out by their numbers; each judges its own on a thread of its own.
final class RewardJudge: Sendable {
  /// What rules gave to some completions.
  private struct Verdicts {
    /// By rule, for each number.
    var rewards: [Int: [Double]] = [:]
    var notices: [String] = []
  }

  private let rewards: Rewards
  private let queue = DispatchQueue(label: "sluice.rewards")
  private let verdicts = Mutex(Verdicts())

  init(_ rewards: Rewards) { self.rewards = rewards }

  /// Takes completions, each with its number, and returns at once.
  func judge(_ answers: [(number: Int, answer: TaskAnswer)]) {
    guard !answers.isEmpty else { return }
    queue.async {
      let grades = self.rewards.grade(answers.map(\.answer))
      self.verdicts.withLock { verdicts in
        for (index, answer) in answers.enumerated() {
          verdicts.rewards[answer.number] = grades.parts.map { $0[index] }
        }
        verdicts.notices += grades.notices
      }
    }
  }

  /// Waits for all verdicts, and gives those of `count` numbers, rule by rule; zeros for what it was not
  /// asked.
  func finish(count: Int) -> (rewards: [Double], notices: [String]) {
    queue.sync {}
    return verdicts.withLock { verdicts in
      let rules = rewards.parts.count
      var all = [Double](repeating: 0, count: count * rules)
      for (number, own) in verdicts.rewards {
        for (rule, reward) in own.enumerated() { all[number * rules + rule] = reward }
      }
      let notices = verdicts.notices
      verdicts = Verdicts()
      return (all, notices)
    }
  }
}
