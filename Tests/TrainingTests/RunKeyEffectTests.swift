import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// No value of a run file is without effect: on the losses of a small run, on its files, or it is refused.
///
/// The keys of the plan inside are tried where plans are simulated: on CPU ranks most of them must not
/// change a bit.
@Suite struct RunKeyEffectTests {
  /// Files that run files name.
  private let data: ScratchFolder

  init() throws {
    data = try ScratchFolder()
    let sentence = "the quick brown fox jumps over the lazy dog and runs away from it all. "
    _ = try data.write(String(repeating: sentence, count: 12), to: "a.txt")
    _ = try data.write(String(repeating: "pack my box with jugs. ", count: 12), to: "b.txt")
    // Text that only its form says to be text.
    _ = try data.write(String(repeating: "five dozen liquor jugs. ", count: 12), to: "c.json")
    for (name, factor) in [("rows.json", 31), ("other.json", 17)] {
      let rows = (0..<8).map { row in (0..<9).map { (row * factor + $0 * $0 * 7) % 97 } }
      _ = try data.write("\(rows)", to: name)
    }
    let tokens = (0..<400).flatMap { place -> [UInt8] in [UInt8(place * place * 7 % 97), 0] }
    _ = try data.write(tokens, to: "tokens.bin")
    let tiny = try String(
      decoding: contents(of: fixture("checkpoints/deepseek-v3-tiny/config.json")), as: UTF8.self)
    _ = try data.write(
      tiny.replacingOccurrences(of: "\"vocab_size\": 97", with: "\"vocab_size\": 256"),
      to: "bytes.json")
    for (name, sum) in [("pairs.jsonl", 7), ("others.jsonl", 5)] {
      let lines = (0..<12).map { number in
        "{\"prompt\": \"\(number * sum % 90)=\", \"completion\": \"\(number * sum % 90 + 1)\", "
          + "\"answer\": \"\(number)\"}\n"
      }
      _ = try data.write(lines.joined(), to: name)
    }
    for (name, reward) in [("given.jsonl", 7), ("more.jsonl", 3)] {
      let lines = (0..<8).map { number in
        "{\"prompt\": \"\(number / 4)=\", \"completion\": \"\(number * number)\", "
          + "\"reward\": \(number * reward % 5)}\n"
      }
      _ = try data.write(lines.joined(), to: name)
    }
    for (name, lanes) in [("plan.yaml", 8), ("other.yaml", 4)] {
      _ = try data.write(
        "global-batch: \(lanes)\nsequence-length: 8\nmicrobatch-size: 1\n", to: name)
    }
  }

  /// A run file; `DATA` and `OUT` stand for folders.
  private static let runs = [
    """
    name: tables
    model:
      config: DATA/bytes.json
      multi-token-prediction: 0.3
      balance-loss: 0.01
      bias-speed: [{value: 0.01, until: 2 steps}, {value: 0.002}]
    data: {training: [DATA/a.txt, DATA/c.json], form: text, tokenizer: bytes, hold-out: 0.2}
    plan: {global-batch: 8, sequence-length: 8}
    batch-ramp: {from: 4, increment: 4, over: 8 sequences}
    steps: 5
    seed: 3
    optimizer: {betas: [0.9, 0.95], epsilon: 1e-8, weight-decay: 0.1, decay: matrices, clip: 0.1}
    learning-rate: {schedule: cosine, peak: 0.01, warm-up: 2, until: 4, final: 0.001}
    evaluation: {every: 2, sequences: 2}
    checkpoints: {folder: OUT/kept, every: 2, keep: 2, asynchronous: false}
    log: {file: OUT/log.jsonl, every: 2, tensorboard: OUT/board}
    """,
    """
    model:
      checkpoint: CHECKPOINT
      bias-speed: 0.01
    data: {training: DATA/tokens.bin, type: uint16, evaluation: DATA/rows.json}
    plan: {global-batch: 8, sequence-length: 8}
    steps: 4
    learning-rate:
      phases: [{until: 2, from: 0.001, to: 0.01, shape: linear}, {from: 0.01, to: 0.002}]
    evaluation: {every: 2}
    """,
    """
    model: MODEL
    data: DATA/rows.json
    plan: DATA/plan.yaml
    steps: 3
    learning-rate: 0.01
    """,
    """
    model:
      config: MODEL
      multi-token-prediction: [{value: 0.3, until: 2}, {value: 0.1}]
    data: DATA/rows.json
    plan: {global-batch: 8, sequence-length: 8}
    steps: 3
    learning-rate: 0.01
    """,
    """
    model: DATA/bytes.json
    objective: demonstrations
    data: {training: [DATA/pairs.jsonl, DATA/others.jsonl], weights: [1, 2], evaluation: DATA/pairs.jsonl}
    plan: {global-batch: 8, sequence-length: 12}
    steps: 3
    learning-rate: 0.01
    evaluation: {every: 2}
    checkpoints: {folder: OUT/kept, every: 2}
    phases: [{name: only}]
    """,
    """
    model: DATA/bytes.json
    objective: grpo
    grpo:
      prompts: DATA/pairs.jsonl
      held-out: DATA/others.jsonl
      tokenizer: bytes
      group: 4
      temperature: 0.9
      top-p: 0.8
      max-tokens: 5
      rewards: [{rule: pattern, pattern: "[a-z0-9]", match: anywhere}, {rule: length, maximum: 3, weight: 0.5}]
      clip: [0.01, 0.02]
      beta: 0.1
      advantage: std
      normalise: sequence
      updates-per-rollout: 2
      minibatches: 2
      reference: {refresh-every: 2}
    plan: {global-batch: 8, sequence-length: 8}
    steps: 5
    learning-rate: 0.05
    evaluation: {every: 2, sequences: 5}
    log: {file: OUT/log.jsonl, samples: OUT/samples.jsonl}
    """,
    """
    model: DATA/bytes.json
    objective: grpo
    grpo: {rollouts: {file: DATA/given.jsonl}, group: 4, updates-per-rollout: 3, normalise: token}
    plan: {global-batch: 8, sequence-length: 8}
    steps: 2
    learning-rate: 0.05
    """,
  ]

  private func text(_ index: Int, out: String) -> String {
    let tiny = fixture("checkpoints/deepseek-v3-tiny")
    return [
      ("DATA", data.path), ("OUT", out), ("CHECKPOINT", tiny), ("MODEL", "\(tiny)/config.json"),
    ].reduce(Self.runs[index]) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
  }

  /// Other values of keys whose values are words, paths or lengths.
  private func alternatives(_ path: String, out: String) -> [String] {
    switch path {
    case "steps": ["2", "1"]
    case "batch-ramp.over": ["16 sequences"]
    case "checkpoints.folder", "log.file", "log.samples", "log.tensorboard": ["\(out)/other"]
    case "grpo.prompts", "grpo.held-out": [data.file("a.txt")]
    case "grpo.rollouts.file": [data.file("more.jsonl")]
    case "model", "model.config": [fixture("checkpoints/gpt2-tiny/config.json")]
    case "data", "data.evaluation": [data.file("other.json")]
    case "data.training": [data.file("b.txt")]
    case "plan": [data.file("other.yaml")]
    default: ["1", "3"]
    }
  }

  /// Losses, rates and files of a whole run, with one value replaced.
  private func outcome(
    _ index: Int, _ change: String?, out: ScratchFolder
  ) throws -> TrialOutcome<[String]> {
    try? FileManager.default.removeItem(atPath: out.path)
    try FileManager.default.createDirectory(
      atPath: out.path, withIntermediateDirectories: true)
    let path = try data.write(text(index, out: out.path), to: "run.yaml")
    do {
      let run = try RunFile.readPhases(path: path, overrides: change.map { [$0] } ?? [])[0]
      let prepared = try PreparedRun(run, ranks: run.plan.worldSize)
      let metrics = try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
        var all: [StepMetrics] = []
        try TrainingRun(prepared, communicator).finish(report: { all.append($0) })
        return all
      }[0]
      var figures = metrics.map { step in
        "\(step.step) \(step.globalBatch) \(String(describing: step.totalLoss)) "
          + "\(String(describing: step.gradientNorm)) \(String(describing: step.learningRate)) "
          + "\(String(describing: step.biasSpeed)) \(String(describing: step.evaluationLoss)) "
          + "\(String(describing: step.heldOut)) \(step.policy?.reward ?? 0) "
          + "\(step.policy?.clipLow ?? 0) \(step.policy?.clipHigh ?? 0)"
      }
      let files = try FileManager.default.subpathsOfDirectory(atPath: out.path)
      figures += files.sorted()
      for file in files where file.hasSuffix(".jsonl") {
        figures.append("\(try contents(of: out.file(file)).count { $0 == 10 }) lines")
      }
      return .figures(figures)
    } catch let error as ConfigurationError {
      return .refused(error.description)
    } catch let error as CheckpointError {
      return .refused("\(error)")
    }
  }

  @Test(arguments: runs.indices) func everyValueActs(index: Int) throws {
    let out = try ScratchFolder()
    let entries = Dictionary(
      RunFile.keyReference.leaves.map { ($0.path, $0.entry) }, uniquingKeysWith: { $1 })
    var trial = try Trial<[String]>([{ try outcome(index, $0, out: out) }])
    let document = try Document(text: text(index, out: out.path), name: "run.yaml")
    for leaf in try Leaf.all(in: document)
    where !leaf.path.hasPrefix("plan.") && leaf.path != "name" {
      guard let form = entries[leaf.described]?.form else {
        Issue.record("\(leaf.path) is not in the reference")
        continue
      }
      // A name of nothing would be a folder of the working directory that the run makes.
      let isWritten = [
        "checkpoints.folder", "log.file", "log.samples", "log.tensorboard",
      ].contains(leaf.path)
      let changes = (isWritten ? [] : leaf.changes(form)) + alternatives(leaf.path, out: out.path)
      switch try trial.verdict(leaf, among: changes) {
      case .acts, .isRefused: break
      // What the names of files say by themselves, or a message.
      case .limits where leaf.path == "data.form": break
      // The same files, written later: `AsynchronousCheckpointTests`.
      case .limits where leaf.path == "checkpoints.asynchronous": break
      // A file is one rollout: the key says how many steps it may be used for.
      case .limits where leaf.path == "grpo.updates-per-rollout" && index == 6: break
      // What an untrained model makes is cut at max-tokens, so that all completions are alike in length.
      case .limits where leaf.path == "grpo.normalise" && index == 5: break
      case let verdict: Issue.record("\(leaf.path): \(verdict)")
      }
    }
  }

  /// No key of the reference is left out by the files above.
  @Test func everyKeyIsTried() throws {
    let tried = try Self.runs.indices.flatMap { index in
      try Leaf.all(in: Document(text: text(index, out: "out"), name: "run.yaml"))
    }
    let missing = Set(RunFile.keyReference.leaves.map(\.path))
      .subtracting(tried.map(\.described))
      // Rules are tried where they judge, one by one, and what forecasts read in forecasts.
      .filter { path in
        !["grpo.rewards[", "grpo.generation.", "recovery."].contains { path.hasPrefix($0) }
      }
    #expect(missing.isEmpty, "\(missing.sorted())")
  }
}
