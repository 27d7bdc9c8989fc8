import Documents
import Foundation
import Models
import Plans
import Quantities
import Runs
import TestSupport
import Testing
import Training

/// Runs as they are looked at before their first step.
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

  private func read(_ text: String, _ overrides: [String] = []) throws -> RunFile {
    try RunFile.read(path: folder.write(text, to: "run.yaml"), overrides: overrides)
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

  @Test func dataAreOpened() throws {
    let prepared = try PreparedRun(read(SampleRun.complete), ranks: 4)
    #expect(prepared.training?.sequencesPerEpoch == 8)
    #expect(prepared.evaluation?.count == 8)
    _ = try PreparedRun(read(short("{global-batch: 2, sequence-length: 4}")), ranks: 1)
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

  /// Sequences beyond what a rotary model was made for are said; learned positions are refused.
  @Test func sequencesBeyondTheModelAreSaid() throws {
    let model = SampleModel.llama.rawValue.replacing(
      #/"max_position_embeddings": \d+/#, with: "\"max_position_embeddings\": 3")
    _ = try folder.write(model, to: "llama.json")
    let notices = try PreparedRun(
      read(short("{global-batch: 2, sequence-length: 4}")), ranks: 1
    ).notices
    #expect(
      notices.contains("plan.sequence-length: sequences of 4 tokens, beyond the model's 3"),
      "\(notices)")
  }

  /// CPU ranks send each token once to each rank, whatever the plan has devices do.
  @Test func theDispatcherIsForDevices() throws {
    let text = short("{global-batch: 2, sequence-length: 4, dispatcher: all-to-all}")
    let notices = try PreparedRun(read(text), ranks: 1).notices
    #expect(notices.contains("plan.dispatcher: for devices, without effect on CPU ranks"))
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
      let run = try read(SampleRun.complete, [override])
      _ = try PreparedRun(run, ranks: ranks)
    }
    if let key { #expect(error?.keyPath == key, "\(String(describing: error))") }
  }

  @Test func evaluationNeedsData() throws {
    let text = SampleRun.complete.replacingOccurrences(of: "  evaluation: rows.json\n", with: "")
    let error = #expect(throws: ConfigurationError.self) { try PreparedRun(read(text), ranks: 4) }
    #expect(error?.keyPath == "evaluation")
  }

  @Test func smallVocabularyIsRefused() throws {
    _ = try folder.write("some text that is long enough", to: "text.txt")
    let run = try read(SampleRun.complete, ["data.training=text.txt"])
    let error = #expect(throws: ConfigurationError.self) { try PreparedRun(run, ranks: 4) }
    #expect(error?.rule.contains("vocabulary has 5") == true)
  }

  @Test func damagedFilesNeverCrash() throws {
    let whole = Array(SampleRun.complete.utf8)
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

  @Test(arguments: [
    ("tiny-deepseek-v3", 4), ("tiny-gpt2", 2), ("tiny-llama", 2), ("tiny-qwen3-moe", 4),
  ])
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
    // Other kernels of products are no reason to end, and the promise is withdrawn.
    other = own
    other.products ^= 1
    #expect(Fingerprint.disagreement(among: [own, other]) == nil)
    #expect(Fingerprint.warning(among: [own, own]) == nil)
    let warning = try #require(Fingerprint.warning(among: [own, own, other]))
    #expect(warning.hasPrefix("rank 2 has other kernels of matrix products than rank 0"))
    #expect(warning.contains("not promised") && warning.contains("OPENBLAS_CORETYPE"))
  }
}
