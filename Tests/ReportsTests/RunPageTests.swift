import Foundation
import Reports
import TestSupport
import Testing

/// The page of a real run: what a policy learnt, phase by phase.
@Suite struct RunPageTests {
  private static func update(
    _ number: Int, reward: Double?, accuracy: Double? = nil
  ) -> RunFigures.Step {
    var fields = ["\"step\": \(number)"]
    var policy = RunFigures.Policy()
    policy.reward = reward
    policy.heldOutAccuracy = accuracy
    if let reward { fields.append("\"reward\": \(reward)") }
    if let accuracy { fields.append("\"evaluation_accuracy\": \(accuracy)") }
    var step = RunFigures.Step(step: number, line: "{\(fields.joined(separator: ", "))}")
    step.policy = policy
    return step
  }

  private static func phase(_ name: String, _ steps: [RunFigures.Step]) -> RunFigures {
    RunFigures(
      name: name, ranks: 2, parameters: 1000, steps: steps, inputs: Inputs(), isFinished: true)
  }

  private static var learnt: RunFigures {
    phase(
      "rl",
      [
        update(0, reward: nil, accuracy: 0.5), update(1, reward: 0.625),
        update(2, reward: 0.75, accuracy: 0.875),
      ])
  }

  /// Held-out answers come first, from before the first update to the last; the reward is told beside.
  @Test func heldOutAnswersAreTheVerdict() throws {
    let page = try ReportPage(run: [Self.learnt])
    #expect(
      page.verdict
        == "rl made 2 updates on 2 ranks: of held-out answers 50.0 % were right before, 87.5 % are now."
    )
    #expect(page.sections.map(\.title).prefix(2) == ["Rewards", "The policy"])
    let facts = Dictionary(uniqueKeysWithValues: page.facts.map { ($0.name, $0.figure) })
    #expect(facts["Held-out"]?.value == 0.875)
    #expect(facts["Held-out"]?.key == "steps.2.evaluation_accuracy")
    #expect(facts["Reward"]?.value == 0.75 && facts["Reward"]?.key == "steps.2.reward")
    #expect(facts["Loss"] == nil)
  }

  /// Without held-out prompts nothing is claimed of them.
  @Test func aRewardAloneIsNoAccuracy() throws {
    let steps = [Self.update(1, reward: 0.25), Self.update(2, reward: 0.5)]
    let page = try ReportPage(run: [Self.phase("rl", steps)])
    #expect(page.verdict.contains("the mean reward went from 0.250 to 0.500"))
    #expect(page.verdict.contains("held-out prompts were not asked"))
    #expect(page.facts.allSatisfy { $0.name != "Held-out" })
  }

  /// Of several phases every one has its sections and its place in the figures.
  @Test func phasesStandOneBehindTheOther() throws {
    var first = RunFigures.Step(step: 1, line: "{\"step\": 1, \"loss\": 2.5}")
    first.loss = 2.5
    var begun = Self.phase("cold-start", [first])
    begun.isFinished = false
    let page = try ReportPage(run: [begun, Self.learnt])
    #expect(page.remarks == ["cold-start ended before its last step."])
    #expect(page.sections.first?.title == "cold-start: Loss")
    #expect(page.sections.contains { $0.title == "rl: Rewards" })
    #expect(
      page.facts.first { $0.name == "Held-out" }?.figure.key
        == "phases.1.steps.2.evaluation_accuracy")
    let figures = try JSONSerialization.jsonObject(with: Data(page.json.utf8)) as? [String: Any]
    let phases = try #require(figures?["phases"] as? [[String: Any]])
    #expect(phases.map { ($0["steps"] as? [Any])?.count } == [1, 3])
    #expect(page.html.contains("data-k=\"phases.0.steps.0.loss\""))
  }

  /// The end of a run in a terminal has the words of its page, and says how it ended.
  @Test func theEndIsOnThePage() throws {
    var summary = RunSummary(name: "small", ranks: 4, parameters: 1000)
    summary.plannedSteps = 12
    summary.isFinished = false
    summary.ending = "stopped as asked"
    summary.log = "runs/metrics.jsonl"
    var steps: [RunFigures.Step] = []
    for (number, loss) in [(1, 2.5), (2, 1.25)] {
      var step = RunFigures.Step(step: number, line: "{\"step\": \(number), \"loss\": \(loss)}")
      (step.loss, step.seconds, step.tokensPerSecond) = (loss, 0.5, 64 / Double(number))
      steps.append(step)
      summary.add(step)
    }
    let end = ReportPage(run: summary)
    #expect(
      end.verdict == "small trained for 2 steps on 4 ranks: its loss went from 2.500 to 1.250.")
    #expect(end.remarks == ["The run stopped as asked before its last step."])
    let facts = Dictionary(uniqueKeysWithValues: end.facts.map { ($0.name, $0) })
    #expect(facts["Steps"]?.note == "up to step 2 of 12")
    #expect(facts["Loss"]?.note == "last step, 2.5000 in step 1")
    // Tokens of all steps over their time.
    #expect(facts["Throughput"]?.figure.value == 48)
    #expect(end.text.hasSuffix("Log: runs/metrics.jsonl.\n"))
    var figures = Self.phase("small", steps)
    (figures.told, figures.isFinished) = (summary, false)
    let page = try ReportPage(run: [figures])
    #expect(page.verdict == end.verdict && page.remarks == end.remarks)
    #expect(page.facts.map(\.note) == end.facts.map(\.note))
  }

  /// What a model writes stays text, and a long answer is cut.
  @Test func samplesAreShown() throws {
    var run = Self.learnt
    run.samples = [
      .init(step: 1, prompt: "1+1=", completion: "<i>2</i>", reward: 1),
      .init(step: 2, prompt: "2+2=", completion: String(repeating: "9", count: 5000), reward: 0),
    ]
    let html = try ReportPage(run: [run]).html
    #expect(html.contains("&lt;i&gt;2&lt;/i&gt;") && !html.contains("<i>2</i>"))
    #expect(html.contains(String(repeating: "9", count: 600) + " …"))
    #expect(!html.contains(String(repeating: "9", count: 601)))
  }
}
