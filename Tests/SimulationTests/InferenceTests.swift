import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Quantities
import Simulation
import Testing

/// Prefill and decoding against closed forms.
@Suite struct InferenceTests {
  static func planned(
    _ model: String, _ modelChanges: [String] = [], plan: [String] = [], cluster: [String] = []
  ) throws -> PlannedInference {
    try PlannedInference(
      architecture: .named(model, overrides: modelChanges),
      cluster: .shipped("h800-2048", overrides: cluster),
      plan: Plan.read(
        Document(text: "precision: bf16\n", name: "plan.yaml"), name: "plan", overrides: plan,
        world: .unknown, serves: true))
  }

  static func deepSeek(
    _ plan: String = "deepseek-v3-decode", layers: Int = 4, _ changes: [String] = []
  ) throws -> PlannedInference {
    try PlannedInference(
      architecture: .named(
        "deepseek-v3",
        overrides: ["num_hidden_layers=\(layers)", "first_k_dense_replace=1"]),
      cluster: .shipped("h800-2048"), plan: .named(plan, overrides: changes))
  }

  private static func decode(
    _ planned: PlannedInference, batch: Int = 1, context: Int = 1_024, acceptance: Double? = nil,
    parts: Int? = nil
  ) throws -> InferenceReport {
    try planned.report(
      InferenceRequest(
        .decode(context: context), batch: batch, parts: parts, acceptance: acceptance))
  }

  // MARK: Memory

  /// A dense model at batch 1 reads its weights once: the step lies above that, and near it where kernels are
  /// long and nothing lies between them.
  @Test func oneSequenceReadsTheWeights() throws {
    let planned = try Self.planned(
      "llama-3.1-70b", ["num_hidden_layers=8"],
      cluster: ["device.launch.gap=0 us", "device.memory.size=800 GiB"])
    let report = try Self.decode(planned)
    // The table of embeddings is read for one row.
    let read = Double(report.memory.weights) - 2 * 128_256 * 8_192
    let bound = read / 3e12
    #expect(report.seconds > bound && report.seconds < 1.35 * bound)
    #expect(report.limit == "reading weights")
    #expect(report.split.products > 0.8 * report.seconds)
  }

  @Test func weightsAreTheParameters() throws {
    let model = try Architecture.named("llama-3.1-8b")
    let report = try Self.decode(Self.planned("llama-3.1-8b"))
    #expect(report.memory.weights == 2 * model.parameterCounts.total)
    let halves = try Self.decode(Self.planned("llama-3.1-8b", plan: ["tensor-parallel=2"]))
    // Norms lie on both.
    #expect(halves.memory.weights == model.parameterCounts.total + 65 * 4_096)
  }

  /// 2 · layers · heads of keys · width · context · bytes a sequence, divided over tensor ranks.
  @Test(arguments: [(1, 1), (3, 1), (4, 2), (5, 4)]) func cacheBytes(batch: Int, tensor: Int) throws
  {
    let planned = try Self.planned("llama-3.1-8b", plan: ["tensor-parallel=\(tensor)"])
    let report = try Self.decode(planned, batch: batch, context: 777)
    #expect(report.memory.caches == batch * 2 * 32 * 8 * 128 * 777 * 2 / tensor)
    #expect(report.cacheBytesPerToken == Double(2 * 32 * 8 * 128 * 2 / tensor))
    #expect(report.cacheBytesRead == Double(report.memory.caches))
  }

  /// (512 + 64) · bytes · layers · tokens where latents are kept; a prefill writes as much.
  @Test func latentCacheBytes() throws {
    let decoding = try Self.decode(Self.deepSeek(), batch: 6, context: 500)
    #expect(decoding.memory.caches == (512 + 64) * 2 * 4 * 6 * 500)
    let reading = try Self.deepSeek("deepseek-v3-prefill").report(
      InferenceRequest(.prefill(length: 500), batch: 6))
    #expect(reading.memory.caches == decoding.memory.caches)
  }

  /// Two experts of 288 and the shared one on a rank of 144, nine on one of 32.
  @Test func placesOfExperts() throws {
    let expert = 3 * 7_168 * 2_048
    // Scales of blocks of 128 stand beside, 1/32.
    func experts(_ plan: String, _ changes: [String]) throws -> Double {
      try Double(Self.decode(Self.deepSeek(plan, changes), batch: 2).memory.weights)
    }
    let nine = try experts("deepseek-v3-prefill", [])
    let two = try experts("deepseek-v3-decode", [])
    let scaled = 1 + 4.0 / 128
    #expect(abs((nine - two) / (3 * 7 * Double(expert) * scaled) - 1) < 0.001)
  }

  // MARK: Arithmetic

  /// A prefill carries out the FLOPs of training's forward, but for the head, of which it forms the last row.
  @Test func prefillIsTheForwardOfTraining() throws {
    let changes = ["num_hidden_layers=3"]
    let (sequences, length) = (2, 512)
    let report = try Self.planned("llama-3.1-8b", changes).report(
      InferenceRequest(.prefill(length: length), batch: sequences))
    let model = try Architecture.named("llama-3.1-8b", overrides: changes)
    let setting = LoweringSetting(
      sequences: sequences, sequenceLength: length, recipe: .bfloat16, target: .device,
      fusedHead: false)
    let training = StageProgram(units: model.units, of: model, setting).forward
    func rows(_ rows: Rows) -> Int { if case .fixed(let count) = rows { count } else { 0 } }
    var (products, attention) = (0.0, 0.0)
    for operation in training.operations {
      let flops = operation.kernel.flops(rows: rows)
      if case .attention = operation.kernel { attention += flops / 2 } else { products += flops }
    }
    let head = 2.0 * 4_096 * 128_256
    #expect(report.attentionFLOPs == attention)
    #expect(report.productFLOPs == products - head * Double(sequences * (length - 1)))
  }

  /// Decoding a sequence token by token attends as often as its prefill; the triangle that is customary leaves
  /// half of the diagonal out.
  @Test func decodingAddsUpToThePrefill() throws {
    let planned = try Self.planned("llama-3.1-8b", ["num_hidden_layers=2"])
    let length = 24
    let prefill = try planned.report(InferenceRequest(.prefill(length: length), batch: 1))
    let decoded = try (1...length).map { try Self.decode(planned, context: $0).attentionFLOPs }
    let diagonal = 2.0 * 2 * 32 * 256 * Double(length) / 2
    #expect(decoded.reduce(0, +) == prefill.attentionFLOPs + diagonal)
  }

  // MARK: Order

  /// More sequences and longer ones never take less, and a sequence of a larger batch costs less.
  @Test func growsWithBatchAndContext() throws {
    for planned in [try Self.planned("llama-3.1-8b", ["num_hidden_layers=4"]), try Self.deepSeek()]
    {
      var last = (seconds: 0.0, each: Double.infinity)
      for batch in [2, 4, 8, 16, 32, 64, 128, 256] {
        let seconds = try Self.decode(planned, batch: batch).seconds
        #expect(seconds >= last.seconds, "batch \(batch)")
        #expect(seconds / Double(batch) < last.each, "batch \(batch)")
        last = (seconds, seconds / Double(batch))
      }
      var before = 0.0
      for context in [1, 128, 1_024, 4_096, 32_768] {
        let seconds = try Self.decode(planned, batch: 64, context: context).seconds
        // Where exchanges decide, what grows beside them may be hidden.
        #expect(seconds >= before, "context \(context)")
        before = seconds
      }
      #expect(before > (try Self.decode(planned, batch: 64, context: 1).seconds))
    }
  }

  @Test func splitsAddUp() throws {
    for report in [
      try Self.decode(Self.deepSeek(), batch: 64), try Self.decode(Self.deepSeek(), batch: 1),
      try Self.decode(Self.planned("qwen3-30b-a3b", plan: ["tensor-parallel=4"]), batch: 8),
      try Self.deepSeek("deepseek-v3-prefill").report(
        InferenceRequest(.prefill(length: 1_024), batch: 4)),
    ] {
      let parts = report.split.parts.reduce(0) { $0 + $1.seconds }
      #expect(abs(parts - report.seconds) < 1e-9 * report.seconds)
      let phases = report.phases.reduce(0) { $0 + $1.seconds }
      #expect(abs(phases - report.seconds) < 1e-9 * report.seconds)
      #expect(report.split.expertExchanges <= report.exchangeSeconds)
    }
  }

  /// Two parts hide exchanges behind each other's kernels; one has the shared experts alone to hide them behind.
  @Test func partsTakeTurns() throws {
    let planned = try Self.deepSeek()
    let one = try Self.decode(planned, batch: 128, parts: 1)
    let two = try Self.decode(planned, batch: 128)
    #expect(two.parts == 2)
    #expect(one.split.expertExchanges > 0.5 * one.exchangeSeconds)
    #expect(
      two.split.expertExchanges / two.exchangeSeconds
        < one.split.expertExchanges / one.exchangeSeconds)
    // As many rows cross.
    let starts = 2 * 3 * 24.5e-6
    #expect(abs(two.exchangeSeconds - one.exchangeSeconds - starts) < 1e-6)
  }

  /// A draft that is kept is a token more; judging it costs rows and a module's layer.
  @Test func drafts() throws {
    let planned = try Self.deepSeek()
    let without = try Self.decode(planned, batch: 64)
    let with = try Self.decode(planned, batch: 64, acceptance: 0.85)
    #expect(with.tokensPerSequence == 1.85 && without.tokensPerSequence == 1)
    #expect(with.seconds > without.seconds)
    #expect(with.memory.caches == without.memory.caches / 4 * 5)
    let never = try Self.decode(planned, batch: 64, acceptance: 0)
    #expect(never.seconds == with.seconds && never.tokensPerSequence == 1)
  }

  /// Rows that fill a batch up for tensor ranks go through products, and have no caches.
  @Test func filledRowsHaveNoCaches() throws {
    let planned = try Self.planned(
      "qwen3-30b-a3b", ["num_hidden_layers=4"], plan: ["tensor-parallel=4"])
    let five = try Self.decode(planned, batch: 5, context: 512)
    let eight = try Self.decode(planned, batch: 8, context: 512)
    #expect(five.memory.caches == 5 * 2 * 4 * 4 * 128 * 512 * 2 / 4)
    #expect(five.cacheBytesRead == Double(five.memory.caches))
    #expect(five.cacheBytesPerToken == eight.cacheBytesPerToken)
    #expect(five.attentionFLOPs * 8 == eight.attentionFLOPs * 5)
    #expect(five.productFLOPs == eight.productFLOPs)
    #expect(five.assumptions.contains("rows filled up to a multiple of tensor-parallel 4"))
    #expect(!eight.assumptions.contains { $0.hasPrefix("rows filled up") })
  }

  /// Every degree is carried out, or refused by a rule.
  @Test(
    arguments: ["llama-3.1-8b", "qwen3-30b-a3b", "mixtral-8x7b", "deepseek-v3"],
    [2, 3, 4, 8, 16, 64])
  func tensorDegrees(model: String, degree: Int) throws {
    for settings in [[], ["sequence-parallel=true"], ["data-parallel=2", "expert-parallel=2"]] {
      do {
        let layers = ["num_hidden_layers=2"]
        let planned = try Self.planned(
          model, layers + (model == "deepseek-v3" ? ["first_k_dense_replace=1"] : []),
          plan: ["tensor-parallel=\(degree)"] + settings)
        for batch in [1, 3] {
          #expect(try Self.decode(planned, batch: batch, context: 7).seconds > 0)
          let reading = InferenceRequest(.prefill(length: 6 * degree), batch: batch)
          #expect(try planned.report(reading).seconds > 0)
        }
      } catch { #expect(error is PlanError || error is ConfigurationError, "\(error)") }
    }
  }

  /// Ranks that share an expert's products gather its rows and scatter its results; each holds half of its weights.
  @Test func expertsThatRanksShare() throws {
    let shared = ["data-parallel=144", "tensor-parallel=2", "expert-tensor-parallel=2"]
    let halves = try Self.decode(Self.deepSeek("deepseek-v3-decode", shared), batch: 8)
    let apart = ["data-parallel=72", "tensor-parallel=2", "expert-tensor-parallel=1"]
    let whole = try Self.decode(Self.deepSeek("deepseek-v3-decode", apart), batch: 8)
    #expect(halves.devices == 288 && whole.devices == 144)
    #expect(halves.split.tensorExchanges > whole.split.tensorExchanges)
    #expect(halves.memory.weights < whole.memory.weights)
  }

  /// What the most loaded rank has more than the mean makes experts and exchanges longer, also in a prefill.
  @Test func loads() throws {
    func reading(_ changes: [String]) throws -> InferenceReport {
      try Self.deepSeek("deepseek-v3-prefill", changes).report(
        InferenceRequest(.prefill(length: 2_048), batch: 4, parts: 1))
    }
    let even = try reading([])
    let loaded = try reading(["expert-load={deviation: 0.2, seed: 1}"])
    #expect(loaded.exchangeSeconds > 1.1 * even.exchangeSeconds)
    #expect(loaded.seconds > even.seconds && loaded.productFLOPs > even.productFLOPs)
    #expect(loaded.memory.activations >= even.memory.activations)
    let equal = try Self.decode(Self.deepSeek(), batch: 256, parts: 1)
    let uneven = try Self.decode(
      Self.deepSeek("deepseek-v3-decode", ["expert-load={deviation: 0.2, seed: 1}"]), batch: 256,
      parts: 1)
    #expect(uneven.exchangeSeconds > 1.3 * equal.exchangeSeconds)
    #expect(uneven.seconds > equal.seconds)
  }

  // MARK: Refusals

  @Test(arguments: [
    ("pipeline-parallel=2", "pipeline-parallel 2 does not serve"),
    ("context-parallel=2", "context-parallel 2 does not serve"),
  ])
  func whatDoesNotServe(change: String, rule: String) throws {
    let error = #expect(throws: PlanError.self) {
      try Self.planned("llama-3.1-8b", plan: [change, "global-batch=8"])
    }
    #expect(error.map { "\($0)".contains(rule) } == true)
  }

  @Test func moreRefusals() throws {
    func rule(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }
    let partly = rule { _ = try Self.deepSeek("deepseek-v3-decode", ["expert-parallel=72"]) }
    #expect(partly.contains("expert-parallel 72 does not serve: 1, or all 144 ranks"))
    let planned = try Self.planned("llama-3.1-8b")
    let drafts = rule { _ = try Self.decode(planned, acceptance: 0.9) }
    #expect(drafts.contains("needs prediction modules"))
    let prefill = rule {
      _ = try Self.deepSeek("deepseek-v3-prefill").report(
        InferenceRequest(.prefill(length: 64), batch: 2, acceptance: 0.9))
    }
    #expect(prefill.contains("is of decoding"))
    #expect(rule { _ = try Self.decode(planned, batch: 2, parts: 3) }.contains("parts 3"))
    let states = rule { _ = try Self.planned("qwen3-next-80b-a3b") }
    #expect(states.contains("recurrent layers"))
    let odd = rule {
      _ = try Self.planned("qwen3-30b-a3b", plan: ["tensor-parallel=4"]).report(
        InferenceRequest(.prefill(length: 101), batch: 2))
    }
    #expect(odd.contains("tensor-parallel 4 does not divide the rows of a part, which are 202"))
    let huge = rule {
      _ = try planned.report(InferenceRequest(.prefill(length: 1 << 24), batch: 65_536))
    }
    #expect(huge.contains("batch 65536 times 16777216 tokens is more than"))
    for (key, value) in [
      ("degraded", "[{what: device, rank: 3, share: 0.8}]"),
      ("slow-hosts", "{share: 0.1, speed: 0.9, seed: 1}"),
    ] {
      let slower = rule { _ = try Self.planned("llama-3.1-8b", cluster: ["\(key)=\(value)"]) }
      #expect(slower.contains("\(key)") && slower.contains("has no effect on a step of serving"))
    }
    let rows = rule {
      _ = try Self.decode(
        Self.deepSeek("deepseek-v3-decode", ["dispatcher=all-to-all"]), batch: 2)
    }
    #expect(rows.contains("dispatcher all-to-all does not decode"))
  }

  /// What is decided where nothing says it is said.
  @Test func whatIsSaid() throws {
    let planned = try Self.planned(
      "qwen3-30b-a3b", ["num_hidden_layers=2"], plan: ["data-parallel=8", "expert-parallel=8"])
    func said(_ request: InferenceRequest) throws -> String {
      try planned.report(request).assumptions.joined(separator: "; ")
    }
    let decode = try said(InferenceRequest(.decode(context: 64), batch: 4))
    for phrase in [
      "every rank's experts get equal rows", "low-latency kernels", "in 2 parts", "device.jitter",
    ] {
      #expect(decode.contains(phrase), "\(phrase): \(decode)")
    }
    let prefill = try said(InferenceRequest(.prefill(length: 64), batch: 4))
    #expect(prefill.contains("dispatcher ") && prefill.contains("expert exchanges on "))
    let model = try Architecture.named("qwen3-30b-a3b")
    let beyond = try said(
      InferenceRequest(.decode(context: model.maximumPositions + 1), batch: 1))
    #expect(beyond.contains("beyond the model's \(model.maximumPositions)"))
    #expect(!decode.contains("beyond"))
  }
}
