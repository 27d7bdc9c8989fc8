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
    var complaints = RewardComplaints()
    var isStopped = false
  }

  private let rewards: Rewards
  private let queue = DispatchQueue(label: "sluice.rewards")
  private let verdicts = Mutex(Verdicts())

  private let isStopped: @Sendable () -> Bool

  /// Judges by rules; programs among them are ended, and nothing is judged any more, once the run is to stop.
  init(_ rewards: Rewards, isStopped: @escaping @Sendable () -> Bool = { false }) {
    self.rewards = rewards.stopping(when: isStopped)
    let hasCommands = rewards.haveCommands
    self.isStopped = { hasCommands && isStopped() }
  }

  /// Takes completions, each with its number, and returns at once.
  func judge(_ answers: [(number: Int, answer: TaskAnswer)]) {
    guard !answers.isEmpty else { return }
    queue.async {
      guard !self.isStopped() else { return self.verdicts.withLock { $0.isStopped = true } }
      let grades = self.rewards.grade(answers.map(\.answer))
      let isStopped = self.isStopped()
      self.verdicts.withLock { verdicts in
        verdicts.isStopped = verdicts.isStopped || isStopped
        for (index, answer) in answers.enumerated() {
          verdicts.rewards[answer.number] = grades.parts.map { $0[index] }
        }
        verdicts.complaints.add(grades.complaints)
      }
    }
  }

  /// Waits for all verdicts, and gives those of `count` numbers, rule by rule.
  ///
  /// - Returns: rewards, zeros for what it was not asked; what could not be judged; whether it has stopped before
  ///   all were judged.
  func finish(count: Int) -> (
    rewards: [Double], complaints: RewardComplaints, isStopped: Bool
  ) {
    queue.sync {}
    return verdicts.withLock { verdicts in
      let rules = rewards.parts.count
      var all = [Double](repeating: 0, count: count * rules)
      for (number, own) in verdicts.rewards {
        for (rule, reward) in own.enumerated() { all[number * rules + rule] = reward }
      }
      let (complaints, isStopped) = (verdicts.complaints, verdicts.isStopped)
      verdicts = Verdicts()
      return (all, complaints, isStopped)
    }
  }
}

/// A run that is to stop does not wait for programs that judge: the update they judge for is not made, and the
/// run that goes on makes it as if nothing had been.
public struct RolloutStopped: Error, CustomStringConvertible {
  public var description: String { "the run is to stop, and its rollout is not judged" }
}
