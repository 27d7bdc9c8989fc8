import Checkpoints
import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// Runs of the objective `grpo`, with completions that are given and with their own.
@Suite struct PolicyRunTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// The metrics of a run's steps, with ranks as threads.
  private func metrics(_ text: String, _ beginning: RunBeginning = .anew) throws -> [StepMetrics] {
    let path = try folder.write(
      text.replacingOccurrences(of: "OUT", with: folder.path), to: "r.yaml")
    let run = try RunFile.read(path: path)
    let prepared = try PreparedRun(run, ranks: run.plan.worldSize)
    return try withRanksAsThreads(run.plan.worldSize, timeout: Launch.hangLimit) { communicator in
      var all: [StepMetrics] = []
      try TrainingRun(prepared, communicator, beginning).finish(report: { all.append($0) })
      return all
    }[0]
  }

  // MARK: Completions that are given

  static let plans = [
    "{}", "{data-parallel: 2}", "{pipeline-parallel: 2, schedule: 1f1b}",
    "{data-parallel: 2, expert-parallel: 2}",
  ]

  /// Losses, divergence, clipping and gradient norms of three updates are PyTorch's in float64.
  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func updatesAreTheReferences(name: String) throws {
    let all = try JSONValue(contents(of: fixture("grpo/updates.json"))).items ?? []
    let item = try #require(all.first { $0["model"]?.text == name })
    let rows = try #require(item["rows"]?.items)
    _ = try folder.write(rows.map { $0.compact + "\n" }.joined(), to: "rollouts.jsonl")
    let settings = try #require(item["settings"])
    let clip = try #require(settings["clip"]).compact
    for plan in Self.plans where name.hasPrefix("deepseek") || !plan.contains("expert") {
      let degrees = plan == "{}" ? "" : ", " + plan.dropFirst().dropLast()
      let found = try metrics(
        """
        model: {checkpoint: \(fixture("checkpoints/\(name)"))}
        objective: grpo
        grpo:
          rollouts: {file: rollouts.jsonl}
          group: 4
          clip: \(clip)
          beta: \(try #require(settings["beta"]?.double))
          advantage: \(try #require(settings["advantage"]?.text))
          normalise: \(try #require(settings["normalise"]?.text))
          temperature: \(try #require(settings["temperature"]?.double))
          max-tokens: \(try #require(item["max_tokens"]?.number))
          updates-per-rollout: 3
        plan: {global-batch: 8, sequence-length: 16\(degrees)}
        optimizer: {betas: [0.9, 0.95], weight-decay: 0, clip: 1}
        learning-rate: \(try #require(item["learning_rate"]?.double))
        steps: 3
        """)
      for (step, expected) in zip(found, try #require(item["steps"]?.items)) {
        func expect(_ found: Double?, _ key: String, within tolerance: Double) throws {
          let value = try #require(expected[key]?.double)
          let difference = abs((found ?? .nan) - value)
          #expect(difference <= tolerance * max(1, abs(value)), "\(name) \(plan) \(key)")
        }
        try expect(step.loss, "loss", within: 2e-5)
        try expect(step.gradientNorm, "grad_norm", within: 2e-4)
        try expect(step.policy?.divergence, "kl", within: 2e-5)
        try expect(step.policy?.clipLow, "clip_low", within: 1e-9)
        try expect(step.policy?.clipHigh, "clip_high", within: 1e-9)
      }
    }
  }

  // MARK: The policy's own completions

  private func online(
    degrees: String = "", steps: Int = 3, more: String = "", group: Int = 4, extra: String = ""
  ) throws -> String {
    let prompts = (0..<9).map {
      "{\"prompt\": \"1\(String(repeating: "7", count: $0 % 3))\($0)=\"}\n"
    }
    _ = try folder.write(prompts.joined(), to: "prompts.jsonl")
    return """
      model: {checkpoint: \(fixture("checkpoints/deepseek-v3-tiny"))}
      objective: grpo
      grpo:
        prompts: prompts.jsonl
        held-out: prompts.jsonl
        group: \(group)
        max-tokens: 6
        rewards: [{rule: length, maximum: 5}, {rule: pattern, pattern: "[0-9]", match: anywhere, weight: 0.5}]
        \(more)
      plan: {global-batch: 8, sequence-length: 12, gradient-lanes: 4\(degrees)}
      optimizer: {weight-decay: 0}
      learning-rate: 0.003
      steps: \(steps)
      evaluation: {every: 2}
      \(extra)
      """
  }

  /// An event file has what the log has, under the same names.
  @Test func curvesHaveTheLogsNames() throws {
    let all = try metrics(online(steps: 2))
    let last = try #require(all.last)
    let curves = Dictionary(uniqueKeysWithValues: last.curves.map { ($0.tag, $0.value) })
    let policy = try #require(last.policy)
    for (name, value) in policy.fields {
      #expect(curves[name.contains("/") ? name : "policy/\(name)"] == value, "\(name)")
    }
    #expect(curves["optimizer/grad_norm"] == last.gradientNorm)
    #expect(curves["evaluation/accuracy"] == last.heldOut?.accuracy && last.heldOut != nil)
  }

  private func figures(_ metrics: [StepMetrics]) -> [String] {
    metrics.map { step in
      var step = step
      step.policy?.rolloutSeconds = nil
      return "\(step.step) \(step.loss ?? .nan) \(step.gradientNorm ?? .nan) "
        + "\(step.policy?.fields.map { "\($0.name) \($0.value)" } ?? []) "
        + "\(String(describing: step.heldOut))"
    }
  }

  /// Every end that a folder declares ends a completion, and none of them is judged; prompts may be numbers.
  @Test func declaredEndsEndCompletions() throws {
    for name in try FileManager.default.contentsOfDirectory(
      atPath: fixture("checkpoints/llama-tiny"))
    {
      try FileManager.default.createDirectory(
        atPath: folder.file("model"), withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        atPath: fixture("checkpoints/llama-tiny/\(name)"), toPath: folder.file("model/\(name)"))
    }
    _ = try folder.write("{\"prompt\": [5, 6]}\n{\"prompt\": [7]}\n", to: "numbers.jsonl")
    let text = """
      model: {checkpoint: OUT/model}
      objective: grpo
      grpo: {prompts: numbers.jsonl, group: 4, max-tokens: 6, rewards: [{rule: length, maximum: 0}]}
      plan: {global-batch: 8, sequence-length: 12}
      learning-rate: 0
      steps: 1
      """
    // config.json alone says 2, which this model seldom says.
    let seldom = try #require(try metrics(text)[0].policy)
    #expect(seldom.fields.contains { $0.name == "completions/mean_length" && $0.value > 1 })
    let all = (0..<97).map(String.init).joined(separator: ", ")
    _ = try folder.write("{\"eos_token_id\": [\(all)]}", to: "model/generation_config.json")
    let found = try #require(try metrics(text)[0].policy)
    for (name, value) in [
      ("completions/mean_length", 1.0), ("completions/clipped_ratio", 0), ("reward", 1),
    ] {
      #expect(found.fields.first { $0.name == name }?.value == value, "\(name)")
    }
  }

  /// The same completions, rewards and updates, bit by bit, on any ranks.
  @Test func rolloutsAreTheSameBitsOnAnyRanks() throws {
    let more = "updates-per-rollout: 2\n  minibatches: 1"
    let expected = figures(try metrics(online(more: more)))
    #expect(expected.count == 3 && expected[0] != expected[1])
    for degrees in [
      ", data-parallel: 2", ", pipeline-parallel: 2, schedule: 1f1b",
      ", data-parallel: 2, pipeline-parallel: 2, schedule: zb-h1",
      ", pipeline-parallel: 2, schedule: dualpipe",
    ] {
      #expect(figures(try metrics(online(degrees: degrees, more: more))) == expected, "\(degrees)")
    }
  }

  /// What was sampled has the log-probability that training gives it.
  @Test func samplingAgreesWithTraining() throws {
    for degrees in ["", ", data-parallel: 2, expert-parallel: 2"] {
      let found = try metrics(online(degrees: degrees, more: "temperature: 0.8"))
      let differences = found.compactMap { $0.policy?.samplingDifference }
      #expect(differences.count == 3 && differences.allSatisfy { $0 > 0 && $0 <= 1e-5 })
    }
  }

  /// A run that is stopped between the updates of a rollout goes on with the same bits, its reference too.
  @Test(arguments: [1, 3, 4, 5]) func aRunGoesOnWithinARollout(stop: Int) throws {
    let more = "minibatches: 2\n  reference: {refresh-every: 3}\n  beta: 0.1"
    func text(_ steps: Int, _ out: String) throws -> String {
      try online(
        steps: steps, more: more, extra: "checkpoints: {folder: OUT/\(out), every: 1, keep: 1}")
    }
    let whole = figures(try metrics(text(6, "whole")))
    _ = try metrics(text(stop, "parts"))
    // The run's end is another: that is said, and all goes on.
    let rest = figures(try metrics(text(6, "parts"), .resuming))
    // Held-out prompts are sampled behind the last step of the shorter run, too.
    #expect(rest == Array(whole.dropFirst(stop)))
  }

  /// The same at each place within a rollout of four updates, which are two passes over two parts.
  @Test func aRunGoesOnAtEachPlaceOfARollout() throws {
    let more = "minibatches: 2\n  updates-per-rollout: 2\n  beta: 0.1"
    func text(_ steps: Int, _ out: String) throws -> String {
      try online(
        steps: steps, more: more, extra: "checkpoints: {folder: OUT/\(out), every: 1, keep: 1}")
    }
    let whole = figures(try metrics(text(5, "whole")))
    for stop in 1...4 {
      _ = try metrics(text(stop, "parts\(stop)"))
      let rest = figures(try metrics(text(5, "parts\(stop)"), .resuming))
      #expect(rest == Array(whole.dropFirst(stop)), "stopped after \(stop)")
    }
  }

  /// A run that changes within a rollout: a reference that was not asked for is asked then, and a rollout
  /// that other rules have judged is refused.
  @Test func aRolloutIsHeldAgainstTheRunThatGoesOn() throws {
    func text(_ steps: Int, _ more: String) throws -> String {
      try online(
        steps: steps, more: "minibatches: 2\n  \(more)",
        extra:
          "checkpoints: {folder: OUT/run, every: 1}\nlog: {file: OUT/log.jsonl, samples: OUT/samples.jsonl}"
      )
    }
    _ = try metrics(text(1, "beta: 0"))
    // Lines that a killed run has written behind its checkpoint.
    let logs = try ["log.jsonl", "samples.jsonl"].map { name in
      let text = try String(contentsOfFile: folder.file(name), encoding: .utf8) + "{\"step\": 9}\n"
      try text.write(toFile: folder.file(name), atomically: true, encoding: .utf8)
      return text
    }
    let rule = "{rule: length, maximum: 5}, "
    let other = try text(2, "beta: 0").replacingOccurrences(of: rule, with: "")
    let error = #expect(throws: CheckpointError.self) { try metrics(other, .resuming) }
    #expect("\(try #require(error))".contains("another number of rules"))
    for (name, text) in zip(["log.jsonl", "samples.jsonl"], logs) {
      #expect(try String(contentsOfFile: folder.file(name), encoding: .utf8) == text, "\(name)")
    }
    // The same is found without a run.
    let prepared = try PreparedRun(RunFile.read(path: folder.file("r.yaml")), ranks: 1)
    #expect(throws: CheckpointError.self) { try TrainingRun.checkResumption(of: prepared) }
    let found = try metrics(text(2, "beta: 0.1"), .resuming)
    // One update moves the policy a little; a reference of zeros would be some nats away, exp of which
    // counts.
    let divergence = try #require(found.last?.policy?.divergence)
    #expect(divergence >= 0 && divergence < 1)
  }

  /// Other rules and other held-out prompts are said where a run goes on, whatever the file is called.
  @Test func otherRulesAreSaid() throws {
    func settings(_ change: [String: String] = [:]) throws -> RunSettings {
      var text = try online()
      for (old, new) in change { text = text.replacingOccurrences(of: old, with: new) }
      return try RunFile.read(path: folder.write(text, to: "r.yaml")).settings
    }
    let before = try settings()
    #expect(try settings().changes(since: before) == [])
    for change in [["maximum: 5}": "maximum: 6}"], ["weight: 0.5": "weight: 2"]] {
      let said = try settings(change).changes(since: before)
      #expect(said.count == 1, "\(said)")
      #expect(
        said.first?.hasPrefix("grpo.rewards was 1.0 × length {rule: length, maximum: 5}") == true)
    }
    _ = try folder.write("{\"prompt\": \"1\"}\n", to: "other.jsonl")
    let held = "held-out: prompts.jsonl"
    let said = try settings([held: "held-out: other.jsonl"]).changes(since: before)
    #expect(said.count == 1 && said[0].hasPrefix("grpo.held-out was prompts.jsonl ("), "\(said)")
  }

  /// A reward that is given lies in the range of those that rules give.
  @Test func givenRewardsAreOfBoundedSize() throws {
    func train(_ reward: String) throws -> [StepMetrics] {
      let rows = (0..<4).map {
        "{\"prompt\": [1], \"completion\": [2, 3], \"reward\": \($0 == 2 ? reward : "0")}\n"
      }
      _ = try folder.write(rows.joined(), to: "rollouts.jsonl")
      return try metrics(
        """
        model: {checkpoint: \(fixture("checkpoints/gpt2-tiny"))}
        objective: grpo
        grpo: {rollouts: {file: rollouts.jsonl}, group: 4, max-tokens: 4, advantage: none}
        plan: {global-batch: 4, sequence-length: 16}
        learning-rate: 0.01
        steps: 1
        """)
    }
    #expect(try train("-1e9").allSatisfy { $0.loss?.isFinite == true })
    do {
      _ = try train("1e300")
      Issue.record("a reward of 1e300 was taken")
    } catch {
      #expect("\(error)".contains("rollouts.jsonl:3"), "\(error)")
      #expect("\(error)".contains("must lie from -1e9 to 1e9"), "\(error)")
    }
  }

  @Test func whatCannotBeIsRefused() throws {
    func refusal(_ text: String) -> String {
      do { _ = try metrics(text) } catch { return "\(error)" }
      return "nothing"
    }
    let text = try online()
    func changed(_ old: String, _ new: String) -> String {
      refusal(text.replacingOccurrences(of: old, with: new))
    }
    #expect(changed("group: 4", "group: 3").contains("whole groups"))
    #expect(changed("group: 4", "group: 1").contains("2"))
    #expect(changed("max-tokens: 6", "max-tokens: 10").contains("exceed plan.sequence-length 12"))
    #expect(changed("objective: grpo", "objective: language").contains("without objective grpo"))
    #expect(changed("steps: 3", "steps: 3\ndata: prompts.jsonl").contains("grpo.prompts"))
    #expect(
      changed("rewards: [", "beta: 0\n  reference: {refresh-every: 3}\n  rewards: [")
        .contains("needs no reference"))
    #expect(changed("prompts: prompts.jsonl\n", "prompts: none.jsonl\n").contains("none.jsonl"))
  }
}
