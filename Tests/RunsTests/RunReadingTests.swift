import Documents
import Foundation
import Plans
import Runs
import TestSupport
import Testing

/// Run files as they are read, without any data.
@Suite struct RunReadingTests {
  let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try folder.write(SampleModel.deepSeekV3.rawValue, to: "model.json")
    _ = try folder.write(SampleModel.llama.rawValue, to: "llama.json")
    _ = try folder.write(
      "[" + (0..<8).map { "[0, 1, 2, 3, \($0 % 5)]" }.joined(separator: ", ") + "]",
      to: "rows.json")
  }

  private func read(_ text: String, _ overrides: [String] = []) throws -> RunFile {
    try RunFile.read(path: folder.write(text, to: "run.yaml"), overrides: overrides)
  }

  /// A model's file asks for balance over all layers; what the run says takes its place.
  @Test func balanceOfTheModelsFile() throws {
    let config = """
      {"model_type": "mixtral", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2,
      "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 5, "num_local_experts": 4,
      "num_experts_per_tok": 2, "max_position_embeddings": 8, "rms_norm_eps": 1e-5,
      "output_router_logits": true, "router_aux_loss_coef": 0.25}
      """
    _ = try folder.write(config, to: "mixtral.json")
    func model(_ more: String) throws -> RunFile.ModelSettings {
      try read(
        "model: {config: mixtral.json\(more)}\ndata: rows.json\nsteps: 1\nlearning-rate: 0.01\n"
          + "plan: {global-batch: 8, sequence-length: 4}\n"
      ).model
    }
    let asked = try model("")
    #expect(asked.architecture.joinedBalance == 0.25 && asked.balanceWeight == 0)
    let said = try model(", balance-loss: 0.5")
    #expect(said.architecture.joinedBalance == 0 && said.balanceWeight == 0.5)
  }

  @Test func everyKeyIsRead() throws {
    let run = try read(SampleRun.complete)
    #expect(run.name == "trial" && run.seed == 7 && run.steps == 10)
    #expect(run.model.architecture.multiTokenPrediction == 1)
    #expect(run.model.configuration == Array(SampleModel.deepSeekV3.rawValue.utf8))
    #expect(run.model.balanceWeight == 0.001 && run.model.biasSpeed == Piecewise(0.01))
    // 64 tokens are 16 sequences: 4, 4 and 8 of them in three steps.
    #expect(
      run.model.predictionWeight
        == Piecewise(pieces: [.init(value: 0.3, until: 3), .init(value: 0.1, until: nil)]))
    #expect(run.data.training == [folder.file("rows.json")])
    #expect(run.plan.dataParallel == 2 && run.plan.precision == .float32)
    #expect(run.plan.zeroStage == .optimizer)
    #expect(run.batch == BatchRamp(first: 4, increment: 4, final: 8, sequences: 8))
    #expect(run.optimizer.beta1 == 0.8 && run.optimizer.beta2 == 0.99)
    #expect(run.optimizer.epsilon == 1e-6 && run.optimizer.weightDecay == 0.2)
    #expect(run.optimizer.decay == .all && run.optimizer.clip == 0.5)
    #expect(run.learningRate == .cosine(0.01, warmUp: 2, steps: 10, final: 0.001))
    #expect(run.evaluation?.every == 5 && run.evaluation?.sequences == 3)
    #expect(run.checkpoints?.folder == "out" && run.checkpoints?.keep == 3)
    #expect(run.log.file == "out.jsonl" && run.log.every == 2)
    #expect(run.plan(after: 0).globalBatch == 4 && run.plan(after: 8).globalBatch == 8)
  }

  @Test func littleIsRequired() throws {
    let run = try read(
      """
      model: llama.json
      data: rows.json
      plan: {global-batch: 2, sequence-length: 4}
      learning-rate: 0.1
      steps: 3
      """)
    #expect(run.name == "run" && run.seed == 0)
    #expect(run.learningRate.rate(atStep: 0) == 0.1)
    #expect(run.optimizer.beta2 == 0.95 && run.optimizer.clip == 1)
    #expect(run.optimizer.decay == .matrices)
    #expect(run.evaluation == nil && run.checkpoints == nil && run.log.file == nil)
    #expect(run.model.predictionWeight.isZero && run.model.biasSpeed.isZero)
  }

  @Test func overridesReplaceValues() throws {
    let run = try read(
      SampleRun.complete, ["plan.zero-stage=0", "steps=20", "learning-rate.peak=0.5"])
    #expect(run.plan.zeroStage == .nothing && run.steps == 20)
    #expect(run.learningRate.rate(atStep: 1) == 0.5)
    #expect(run.checksum != (try read(SampleRun.complete).checksum))
    #expect(try read(SampleRun.complete).checksum == read(SampleRun.complete).checksum)
    let error = #expect(throws: ConfigurationError.self) {
      try read(SampleRun.complete, ["plan.zero-stages=1"])
    }
    #expect(error?.file == "--set")
  }

  @Test func predictionCanBeOff() throws {
    let run = try read(SampleRun.complete, ["model.multi-token-prediction=0"])
    #expect(run.model.architecture.multiTokenPrediction == 0)
  }

  @Test func phasesAreRead() throws {
    let run = try read(
      """
      model: llama.json
      data: rows.json
      plan: {global-batch: 2, sequence-length: 4}
      learning-rate:
        phases:
          - {until: 10, from: 0, to: 1}
          - {until: 160 tokens, to: 1}
          - {until: 40 steps, to: 0.1, shape: cosine}
          - {to: 0.1}
      steps: 800 tokens
      """)
    #expect(run.steps == 100)
    #expect(
      run.learningRate
        == LearningRate(phases: [
          .init(steps: 10, from: 0, to: 1), .init(steps: 10, from: 1, to: 1),
          .init(steps: 20, from: 1, to: 0.1, shape: .cosine),
          .init(steps: 60, from: 0.1, to: 0.1),
        ]))
  }

  @Test func plansMayBeFiles() throws {
    _ = try folder.write("{global-batch: 4, sequence-length: 4, data-parallel: 2}", to: "dp.yaml")
    let text = "model: llama.json\ndata: rows.json\nplan: dp.yaml\nlearning-rate: 1\nsteps: 3"
    let run = try read(text)
    #expect(run.plan.dataParallel == 2 && run.plan.precision == .float32)
    _ = try folder.write("{global-batch: 4, sequence-length: 4, data-paralel: 2}", to: "dp.yaml")
    let error = #expect(throws: ConfigurationError.self) { try read(text) }
    #expect(error?.file == folder.file("dp.yaml") && error?.suggestion == "data-parallel")
  }

  /// Each change of the complete file with the key that its error must name.
  @Test(arguments: [
    ("steps=0", "steps"), ("steps=ten", "steps"), ("steps=5 tokns", "steps"),
    ("learning-rate.peak=fast", "learning-rate.peak"),
    ("learning-rate.warm-up=11", "learning-rate.warm-up"),
    ("learning-rate.schedule=cosin", "learning-rate.schedule"),
    ("optimizer.decay=some", "optimizer.decay"), ("optimizer.betas=[0.9]", "optimizer.betas"),
    ("optimizer.beta=1", "optimizer.beta"), ("checkpoints.keep=0", "checkpoints.keep"),
    ("batch-ramp.increment=3", "batch-ramp.increment"), ("batch-ramp.from=9", "batch-ramp.from"),
    ("data.hold-out=0.5", "data.evaluation"), ("data.form=txt", "data.form"),
    ("model.bias-sped=1", "model.bias-sped"), ("seed=-1", "seed"), ("stps=3", "stps"),
    ("plan.schedule=1f1c", "plan.schedule"), ("evaluation.every=0", "evaluation.every"),
  ])
  func mistakesAreLocated(override: String, key: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      try read(SampleRun.complete, [override])
    }
    #expect(error?.keyPath == key)
  }

  /// What nothing would read is refused by its name.
  @Test(arguments: [
    ("data.type=uint32", "data.type", "no data is a token file"),
    ("evaluation=null", "data.evaluation", "without evaluation"),
    ("log={every: 2}", "log.every", "without log.file"),
  ])
  func idleKeysAreRefused(override: String, key: String, rule: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      try read(SampleRun.complete, [override])
    }
    #expect(error?.keyPath == key && error?.rule.contains(rule) == true)
  }

  /// The width is that of a token file to train or to evaluate on.
  @Test(arguments: ["data.training=a.bin", "data.evaluation=a.bin", "data.form=tokens"])
  func widthsAreOfTokenFiles(override: String) throws {
    let run = try read(SampleRun.complete, ["data.type=uint32", override])
    #expect(run.data.width == .unsigned32)
  }

  private static let short = """
    model: llama.json
    data: rows.json
    plan: PLAN
    learning-rate: 0.1
    steps: 3
    """

  private func short(_ plan: String) -> String {
    Self.short.replacingOccurrences(of: "PLAN", with: plan)
  }

  /// Values of the plan act on the one that the file, or the command line, names.
  @Test(arguments: ["own.yaml", "zero-bubble-1.5b"])
  func overridesReachANamedPlan(name: String) throws {
    _ = try folder.write("global-batch: 2\nsequence-length: 4\n", to: "own.yaml")
    let change = ["plan.global-batch=4096", "plan.zero-stage=1"]
    let run = try read(short(name), change)
    #expect(run.plan.globalBatch == 4096 && run.plan.zeroStage == .optimizer)
    #expect(run.planOverrides == ["global-batch=4096", "zero-stage=1"])
    #expect(try read(short(name)).planOverrides.isEmpty)
    let later = try read(SampleRun.complete, change + ["plan=\(name)"])
    #expect(
      later.plan.globalBatch == 4096 && later.plan.pipelineParallel == run.plan.pipelineParallel)
    let error = #expect(throws: ConfigurationError.self) {
      try read(short(name), ["plan.zero-stages=1"])
    }
    #expect(error?.file == "--set" && error?.keyPath == "zero-stages")
    // Where the plan stands in the file itself, its values are replaced there.
    #expect(try read(SampleRun.complete, ["plan.zero-stage=0"]).planOverrides.isEmpty)
  }

  /// A policy's settings that could only be meant otherwise.
  @Test(arguments: [
    ("clip: [0.2]", "run.yaml:4: grpo.clip: must have 2 items, has 1"),
    ("clip: [20, 28]", "lets a ratio go down by 20.0"),
    ("beta: 0, reference: {refresh-every: 4}", "has no effect with a beta of 0"),
    ("group: 3", "must be whole groups"),
  ])
  func settingsOfAPolicy(_ setting: String, _ rule: String) throws {
    func text(_ setting: String) -> String {
      """
      model: {config: llama.json}
      objective: grpo
      grpo:
        {prompts: rows.json, \(setting), rewards: [{rule: exact}]}
      steps: 1
      learning-rate: 0.01
      plan: {global-batch: 8, sequence-length: 4}

      """
    }
    let error = try #require(throws: ConfigurationError.self) { try read(text(setting)) }
    #expect("\(error)".contains(rule), "\(error)")
    #expect(try read(text("clip: [1, 28]")).policy?.loss.clipHigh == 28)
  }

  /// What rollouts leave without effect is named where it is written.
  @Test func keysBesideRolloutsAreNamed() throws {
    for (key, value) in [("top-p", "0.5"), ("minibatches", "2"), ("held-out", "rows.json")] {
      let error = try #require(throws: ConfigurationError.self) {
        try read(
          """
          model: {config: llama.json}
          objective: grpo
          grpo:
            rollouts: {file: rows.json}
            \(key): \(value)
          steps: 1
          learning-rate: 0.01
          plan: {global-batch: 8, sequence-length: 4}

          """)
      }
      #expect(
        "\(error)".contains("run.yaml:5: grpo.\(key): \"\(value)\": has no effect"), "\(error)")
    }
  }

  /// The folder of a run's checkpoints is not one of them: which is the newest changes.
  @Test func aRunsFolderIsNoCheckpoint() throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("run/step-00000040"), withIntermediateDirectories: true)
    let error = try #require(throws: ConfigurationError.self) {
      try read(
        "model: {checkpoint: run}\ndata: rows.json\nsteps: 1\nlearning-rate: 0.01\n"
          + "plan: {global-batch: 8, sequence-length: 4}\n")
    }
    #expect("\(error)".contains("name one, such as"), "\(error)")
    #expect("\(error)".contains("run/step-00000040"), "\(error)")
  }
}
