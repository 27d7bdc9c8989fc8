import Foundation
import Quantities

/// What a run has come to, taken in step by step: what its text at the end and its page say first.
///
/// It keeps no step, so that a run of any length may carry one along.
public struct RunSummary: Sendable {
  /// A figure of some steps: the first and the last of them.
  private struct Course {
    struct Place {
      var value: Double
      var step: Int
      /// Where the log of this start has the step.
      var index: Int
    }

    private(set) var first: Place?
    private(set) var last: Place?

    mutating func add(_ value: Double?, _ step: Int, at index: Int) {
      guard let value else { return }
      last = Place(value: value, step: step, index: index)
      if first == nil { first = last }
    }
  }

  public var name: String
  public var ranks: Int
  public var parameters: Int
  /// The step at which the run is done; nil where nobody says.
  public var plannedSteps: Int?
  /// The step that it began or went on from.
  public var firstStep = 0
  public var isFinished = true
  /// How it ended where it is not finished: `stopped as asked`.
  public var ending: String?
  /// What the ranks reach in products together, FLOPs a second; nil where it was not measured.
  public var peakRate: Double?
  /// Wall time of all of it, in seconds.
  public var elapsed: Double?
  /// The newest checkpoint, and the file of the log.
  public var checkpoint: String?
  public var log: String?

  private var taken = 0
  private var updates = 0
  private var lastStep = 0
  private var isOfPolicy = false
  private var (loss, evaluation, heldOut) = (Course(), Course(), Course())
  private var (reward, length) = (Course(), Course())
  private var seconds = 0.0
  private var tokens = 0.0
  private var utilizations: (sum: Double, seconds: Double) = (0, 0)
  private var peakBytes = 0

  public init(name: String, ranks: Int, parameters: Int) {
    (self.name, self.ranks, self.parameters) = (name, ranks, parameters)
  }

  /// Takes in a step; one of number 0 is what was evaluated before the first.
  public mutating func add(_ step: RunFigures.Step) {
    loss.add(step.loss, step.step, at: taken)
    evaluation.add(step.evaluationLoss, step.step, at: taken)
    heldOut.add(step.heldOutAccuracy, step.step, at: taken)
    reward.add(step.reward, step.step, at: taken)
    length.add(step.meanLength, step.step, at: taken)
    taken += 1
    isOfPolicy = isOfPolicy || step.policy != nil
    peakBytes = max(peakBytes, step.peakBytes ?? 0)
    guard step.step > 0 else { return }
    (updates, lastStep) = (updates + 1, step.step)
    guard let time = step.seconds else { return }
    seconds += time
    tokens += (step.tokensPerSecond ?? 0) * time
    if let share = step.utilization {
      utilizations.sum += share * time
      utilizations.seconds += time
    }
  }
}

extension RunSummary {
  /// What came out, in one sentence.
  var verdict: String {
    guard updates > 0 else {
      return isFinished
        ? "\(name) made no step: there is no step left to do."
        : "\(name) \(ending ?? "ended") after step \(firstStep), before the next one."
    }
    guard isOfPolicy else {
      let course = loss.last.flatMap { last in
        loss.first.map {
          "its loss went from \(fixed($0.value, decimals: 3)) to \(fixed(last.value, decimals: 3))"
        }
      }
      return "\(name) trained for \(counted(updates, "step")) on \(counted(ranks, "rank")): "
        + "\(course ?? "it made its steps")."
    }
    return policyVerdict
  }

  /// Held-out accuracy first: a reward alone may rise while nothing is learnt.
  private var policyVerdict: String {
    let made = "\(name) made \(counted(updates, "update")) on \(counted(ranks, "rank"))"
    if let first = heldOut.first, let last = heldOut.last, first.index < last.index {
      return "\(made): of held-out answers \(percent(first.value)) were right before, "
        + "\(percent(last.value)) are now."
    }
    guard let first = reward.first, let last = reward.last else { return "\(made)." }
    return "\(made): the mean reward went from \(fixed(first.value, decimals: 3)) to "
      + "\(fixed(last.value, decimals: 3)); held-out prompts were not asked."
  }

  /// What must be said at once of a run that goes by `name` on its page.
  func remarks(of name: String) -> [String] {
    isFinished || updates == 0 ? [] : ["\(name) \(ending ?? "ended") before its last step."]
  }

  /// Where what it wrote lies.
  var outputs: [ReportPage.Input] {
    [("Checkpoint", checkpoint), ("Log", log)].compactMap { name, path in
      path.map { .init(name, $0, in: .foot) }
    }
  }

  /// What everybody asks for first.
  ///
  /// - Parameter place: where the figures have this phase.
  func facts(at place: String) -> [ReportPage.Fact] {
    guard updates > 0 else { return [] }
    return [stepFact] + (isOfPolicy ? policyFacts(at: place) : lossFacts(at: place))
      + evaluationFacts(at: place) + costFacts
  }

  private func figure(
    _ text: String, _ value: Course.Place, _ place: String, _ key: String
  ) -> ReportFigure {
    ReportFigure(text, value.value, key: "\(place)steps.\(value.index).\(key)")
  }

  private var stepFact: ReportPage.Fact {
    .init(
      "Steps", .count(updates),
      note: plannedSteps.map { "up to step \(grouped(lastStep)) of \(grouped($0))" } ?? "")
  }

  private func lossFacts(at place: String) -> [ReportPage.Fact] {
    guard let first = loss.first, let last = loss.last else { return [] }
    return [
      .init(
        "Loss", figure(fixed(last.value, decimals: 4), last, place, "loss"),
        note: "last step, \(fixed(first.value, decimals: 4)) in step \(grouped(first.step))")
    ]
  }

  private func evaluationFacts(at place: String) -> [ReportPage.Fact] {
    guard let last = evaluation.last else { return [] }
    return [
      .init(
        "Evaluation", figure(fixed(last.value, decimals: 4), last, place, "evaluation_loss"),
        note: "step \(grouped(last.step)), perplexity \(fixed(exp(last.value), decimals: 4))")
    ]
  }

  private func policyFacts(at place: String) -> [ReportPage.Fact] {
    var facts: [ReportPage.Fact] = []
    if let first = heldOut.first, let last = heldOut.last {
      let before = first.index < last.index ? ", \(percent(first.value)) before" : ""
      facts.append(
        .init(
          "Held-out", figure(percent(last.value), last, place, "evaluation_accuracy"),
          note: "answers right, sampled\(before)"))
    }
    if let last = reward.last {
      facts.append(
        .init(
          "Reward", figure(fixed(last.value, decimals: 3), last, place, "reward"),
          note: "mean, last update"))
    }
    if let last = length.last {
      facts.append(
        .init(
          "Length",
          figure(fixed(last.value, decimals: 1), last, place, "completions/mean_length"),
          note: "tokens of a completion"))
    }
    return facts
  }

  private var costFacts: [ReportPage.Fact] {
    var facts: [ReportPage.Fact] = []
    if seconds > 0 {
      let mean = seconds / Double(updates)
      facts = [
        .init("Step", ReportFigure("\(fixed(mean, decimals: 3)) s", mean), note: "mean"),
        .init(
          "Throughput", ReportFigure(large(tokens / seconds), tokens / seconds),
          note: "tokens a second"),
      ]
    }
    if let peakRate, utilizations.seconds > 0 {
      facts.append(
        .init(
          "MFU", .share(utilizations.sum / utilizations.seconds),
          note: "of \(fixed(peakRate / 1e9, decimals: 1)) GFLOP/s that the ranks reach in products")
      )
    }
    if peakBytes > 0 {
      facts.append(
        .init(
          "Memory",
          ReportFigure("\(fixed(Double(peakBytes) / 0x1p20, decimals: 1)) MiB", Double(peakBytes)),
          note: "the fullest rank, at its peak"))
    }
    facts.append(.init("Parameters", .count(parameters)))
    if let elapsed {
      facts.append(
        .init(
          "Time", ReportFigure(Self.time(elapsed), elapsed),
          note: "\(Self.time(seconds)) of it in steps"))
    }
    return facts
  }

  /// `0:42`, `12:05`, `3:20:00`.
  public static func time(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    return hours > 0
      ? String(format: "%d:%02d:%02d", hours, minutes, rest)
      : String(format: "%d:%02d", minutes, rest)
  }
}

extension ReportPage {
  /// What a run has come to, without its steps: for a terminal.
  public init(run summary: RunSummary) {
    self.init("train", verdict: summary.verdict, json: "{}")
    remarks = summary.remarks(of: "The run")
    facts = summary.facts(at: "")
    inputs = summary.outputs
  }
}
