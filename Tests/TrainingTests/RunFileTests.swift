import Documents
import Foundation
import Models
import Plans
import TestSupport
import Testing
import Training

@Suite struct RunFileTests {
  let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try folder.write(SampleModel.deepSeekV3.rawValue, to: "model.json")
    _ = try folder.write(SampleModel.llama.rawValue, to: "llama.json")
    _ = try folder.write(
      "[" + (0..<8).map { "[0, 1, 2, 3, \($0 % 5)]" }.joined(separator: ", ") + "]",
      to: "rows.json")
  }

  private static let complete = """
    name: trial
    seed: 7
    model:
      config: model.json
      multi-token-prediction:
        - {value: 0.3, until: 64 tokens}
        - {value: 0.1}
      balance-loss: 0.001
      bias-speed: 0.01
    data:
      training: rows.json
      evaluation: rows.json
    plan:
      data-parallel: 2
      pipeline-parallel: 2
      expert-parallel: 2
      microbatch-size: 1
      global-batch: 8
      sequence-length: 4
      zero-stage: 1
    batch-ramp: {from: 4, increment: 4, over: 8 sequences}
    optimizer: {betas: [0.8, 0.99], epsilon: 1e-6, weight-decay: 0.2, decay: all, clip: 0.5}
    learning-rate: {peak: 0.01, warm-up: 2, schedule: cosine, final: 0.001}
    steps: 10
    evaluation: {every: 5, sequences: 3}
    checkpoints: {folder: out, every: 4, keep: 3}
    log: {file: out.jsonl, every: 2}
    """

  private func read(_ text: String, _ overrides: [String] = []) throws -> RunFile {
    try RunFile.read(path: folder.write(text, to: "run.yaml"), overrides: overrides)
  }

  @Test func everyKeyIsRead() throws {
    let run = try read(Self.complete)
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
    let prepared = try PreparedRun(run, ranks: 4)
    #expect(prepared.training?.sequencesPerEpoch == 8)
    #expect(prepared.evaluation?.count == 8)
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
    _ = try PreparedRun(run, ranks: 1)
  }

  @Test func overridesReplaceValues() throws {
    let run = try read(Self.complete, ["plan.zero-stage=0", "steps=20", "learning-rate.peak=0.5"])
    #expect(run.plan.zeroStage == .nothing && run.steps == 20)
    #expect(run.learningRate.rate(atStep: 1) == 0.5)
    #expect(run.checksum != (try read(Self.complete).checksum))
    #expect(try read(Self.complete).checksum == read(Self.complete).checksum)
    let error = #expect(throws: ConfigurationError.self) {
      try read(Self.complete, ["plan.zero-stages=1"])
    }
    #expect(error?.file == "--set")
  }

  @Test func predictionCanBeOff() throws {
    let run = try read(Self.complete, ["model.multi-token-prediction=0"])
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
    let error = #expect(throws: ConfigurationError.self) { try read(Self.complete, [override]) }
    #expect(error?.keyPath == key)
  }

  /// What nothing would read is refused by its name.
  @Test(arguments: [
    ("data.type=uint32", "data.type", "no data is a token file"),
    ("evaluation=null", "data.evaluation", "without evaluation"),
    ("log={every: 2}", "log.every", "without log.file"),
  ])
  func idleKeysAreRefused(override: String, key: String, rule: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try read(Self.complete, [override]) }
    #expect(error?.keyPath == key && error?.rule.contains(rule) == true)
  }

  /// The width is that of a token file to train or to evaluate on.
  @Test(arguments: ["data.training=a.bin", "data.evaluation=a.bin", "data.form=tokens"])
  func widthsAreOfTokenFiles(override: String) throws {
    let run = try read(Self.complete, ["data.type=uint32", override])
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

  /// One line names what a plan says of devices.
  @Test func keysForDevicesAreNamed() throws {
    let text = short(
      "{global-batch: 2, sequence-length: 4, communication-sms: 20, collective-algorithm: ring}")
    let notices = try PreparedRun(read(text), ranks: 1).notices
    let own = notices.filter { $0.contains("without effect on CPU ranks") }
    #expect(
      own.count == 1 && own[0].hasPrefix("plan.communication-sms, plan.collective-algorithm:"))
    let plain = try PreparedRun(read(short("{global-batch: 2, sequence-length: 4}")), ranks: 1)
    #expect(!plain.notices.contains { $0.contains("without effect") })
  }

  /// CPU ranks send each token once to each rank, whatever the plan has devices do.
  @Test func theDispatcherIsForDevices() throws {
    let text = short("{global-batch: 2, sequence-length: 4, dispatcher: all-to-all}")
    let notices = try PreparedRun(read(text), ranks: 1).notices
    #expect(notices.contains("plan.dispatcher: for devices, without effect on CPU ranks"))
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
    let later = try read(Self.complete, change + ["plan=\(name)"])
    #expect(
      later.plan.globalBatch == 4096 && later.plan.pipelineParallel == run.plan.pipelineParallel)
    let error = #expect(throws: ConfigurationError.self) {
      try read(short(name), ["plan.zero-stages=1"])
    }
    #expect(error?.file == "--set" && error?.keyPath == "zero-stages")
    // Where the plan stands in the file itself, its values are replaced there.
    #expect(try read(Self.complete, ["plan.zero-stage=0"]).planOverrides.isEmpty)
  }

  /// Going on is refused where nothing is kept, in a dry run too.
  @Test func resumingNeedsCheckpoints() throws {
    let run = try read(short("{global-batch: 2, sequence-length: 4}"))
    for beginning in [RunBeginning.resuming, .resumingIfAny] {
      let error = #expect(throws: ConfigurationError.self) { try run.check(beginning) }
      #expect(error?.keyPath == "checkpoints")
    }
    try run.check(.anew)
    try run.check(.overwriting)
  }

  /// What only shows when plan, model, data and ranks meet; each is found before the first step.
  @Test(arguments: [
    ("plan.tensor-parallel=2", 8, "plan.tensor-parallel"),
    ("plan.expert-tensor-parallel=2", 4, "plan.expert-tensor-parallel"),
    ("plan.redundant-experts=2", 4, "plan.redundant-experts"),
    ("plan.documents={lengths: {mean: 100}}", 4, "plan.documents"),
    ("plan.zero-stage=2", 4, "plan.zero-stage"), ("plan.precision=bf16", 4, "plan.precision"),
    ("plan.pipeline-parallel=9", 18, "plan"),
    ("name=x", 3, "plan"), ("plan.sequence-length=5", 4, "[0]"),
    ("data.training=llama.json", 4, ""), ("data.training=none.txt", 4, ""),
    ("data.tokenizer=none.json", 4, ""), ("model.config=llama.json", 4, nil),
    ("plan.sequence-length=3", 4, "[0]"), ("plan.microbatch-size=3", 4, "plan"),
    ("plan.fused-head=false", 4, "plan.fused-head"),
    ("plan.fused-attention=false", 4, "plan.fused-attention"),
    ("plan.offload={activations: 1}", 4, "plan.offload"),
    ("plan.lora={rank: 4}", 4, "plan.lora"), ("plan.frozen=[embedding]", 4, "plan.frozen"),
    ("plan.optimizer=muon", 4, "plan.optimizer"),
    ("plan.gradient-accumulation-fusion=false", 4, "plan.gradient-accumulation-fusion"),
  ])
  func impossibleRunsAreRefused(override: String, ranks: Int, key: String?) throws {
    let error = #expect(throws: ConfigurationError.self) {
      let run = try read(Self.complete, [override])
      _ = try PreparedRun(run, ranks: ranks)
    }
    if let key { #expect(error?.keyPath == key, "\(String(describing: error))") }
  }

  @Test func evaluationNeedsData() throws {
    let text = Self.complete.replacingOccurrences(of: "  evaluation: rows.json\n", with: "")
    let error = #expect(throws: ConfigurationError.self) { try PreparedRun(read(text), ranks: 4) }
    #expect(error?.keyPath == "evaluation")
  }

  @Test func smallVocabularyIsRefused() throws {
    _ = try folder.write("some text that is long enough", to: "text.txt")
    let run = try read(Self.complete, ["data.training=text.txt"])
    let error = #expect(throws: ConfigurationError.self) { try PreparedRun(run, ranks: 4) }
    #expect(error?.rule.contains("vocabulary has 5") == true)
  }

  @Test func damagedFilesNeverCrash() throws {
    let whole = Array(Self.complete.utf8)
    var generator = SeededGenerator(seed: 4)
    var refused = 0
    for round in 0..<200 {
      var bytes = whole
      if round % 3 == 0 {
        bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
      } else {
        for _ in 0..<round % 5 + 1 {
          let place = Int.random(in: 0..<bytes.count, using: &generator)
          bytes[place] = UInt8.random(in: 9...126, using: &generator)
        }
      }
      let path = try folder.write(bytes, to: "damaged.yaml")
      do throws(ConfigurationError) {
        _ = try PreparedRun(RunFile.read(path: path), ranks: 4)
      } catch {
        refused += 1
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      }
    }
    // Most damage is in a key or a value; some is in a comment, or makes another good value.
    #expect(refused > 100 && refused < 200)
  }
}

/// The run files that ship, as people start from them.
@Suite struct ExampleTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  @Test(arguments: [("tiny-deepseek-v3", 4), ("tiny-gpt2", 2), ("tiny-llama", 2)])
  func examplesAreReady(name: String, ranks: Int) throws {
    let folder = try ScratchFolder()
    // A text that is there on every machine.
    let text = try folder.write(String(repeating: "a sluice is a gate. ", count: 400), to: "a.txt")
    let run = try RunFile.read(
      path: "\(Self.root)/examples/\(name).yaml", overrides: ["data.training=\(text)"])
    let prepared = try PreparedRun(run, ranks: ranks)
    #expect(prepared.notices.isEmpty)
    #expect(prepared.placed.mesh.worldSize == ranks)
    #expect(run.checkpoints?.folder == "runs/\(name)")
    #expect(run.model.architecture.vocabularySize == 256)
    #expect(throws: ConfigurationError.self) { try PreparedRun(run, ranks: ranks + 1) }
  }
}

@Suite struct MetricsTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test func aLineIsOneObject() throws {
    var metrics = StepMetrics(step: 3)
    metrics.tokens = 1024
    metrics.loss = 2.5
    metrics.gradientNorm = .nan
    metrics.wallTime = 1_760_000_000.12345
    metrics.times = [.init(kind: "wait_dispatch", seconds: 0.5, exposed: 0.125)]
    metrics.expertLoads = [.init(layer: 1, counts: [3, 1, 0, 0])]
    #expect(
      metrics.line == """
        {"step": 3, "tokens": 1024, "global_batch": 0, "loss": 2.5, "grad_norm": null, \
        "wall_time": 1760000000.123, "times": {"wait_dispatch": {"seconds": 0.5, "exposed": 0.125}}, \
        "expert_load": [{"layer": 1, "imbalance": 3.0, "counts": [3, 1, 0, 0]}]}
        """)
    let object = try JSONSerialization.jsonObject(with: Data(metrics.line.utf8))
    #expect((object as? [String: Any])?["loss"] as? Double == 2.5)
  }

  @Test func fingerprintsNameTheDifference() throws {
    let own = try Fingerprint(runFile: 1)
    #expect(try Fingerprint(runFile: 1) == own)
    #expect(Fingerprint(words: own.words) == own)
    #expect(Fingerprint.disagreement(among: [own, own, own]) == nil)
    var other = own
    other.runFile = 2
    #expect(
      Fingerprint.disagreement(among: [own, own, other])
        == "rank 2 has another run file or overrides than rank 0")
    other = own
    other.processor ^= 1
    #expect(
      Fingerprint.disagreement(among: [own, other])
        == "rank 1 has another kind of processor than rank 0")
  }
}
