import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// Drawing the next tokens of a step of serving, against bytes over rates.
@Suite struct TokenChoiceTests {
  /// Kernels take their bytes over their rate, and nothing in front of or between them.
  private static let bare = [
    "device.kernels.streaming.ramp=0 us", "device.kernels.streaming.shortest=0 us",
    "device.launch.gap=0 us",
  ]

  private static func report(
    rate: Double = 3, softmax: Double = 3, plan: [String] = [], batch: Int = 256,
    vocabulary: Int = 128_256, returnsProbabilities: Bool = false
  ) throws -> InferenceReport {
    let rates = [
      "device.kernels.streaming.elementwise=\(rate) TB/s",
      "device.kernels.operators.operator-of-softmax=\(softmax) TB/s",
    ]
    return try PlannedInference(
      architecture: .named(
        "llama-3.1-8b",
        overrides: ["num_hidden_layers=1", "vocab_size=\(vocabulary)"]),
      cluster: .shipped("h100-2048", overrides: bare + rates),
      plan: Plan.read(
        Document(text: "precision: bf16\n", name: "plan.yaml"), name: "plan", overrides: plan,
        world: .unknown, serves: true)
    ).report(
      InferenceRequest(
        .decode(context: 64), batch: batch, returnsProbabilities: returnsProbabilities))
  }

  /// Of a score of 16 bits the softmax moves 8 bytes, other operators 34.
  ///
  /// Those are a cast (6), the temperature (8), noise (4), the quotient (12) and the largest (4).
  @Test(arguments: [1, 2]) func everyOperatorCounts(tensor: Int) throws {
    let plan = ["tensor-parallel=\(tensor)"]
    let scores = Double(256 * 128_256)
    let fast = try Self.report(plan: plan)
    let slow = try Self.report(rate: 1.5, plan: plan)
    // Two sums of residual streams of 4,096 numbers of 16 bits a layer at most.
    let streams = 2.0 * 3 * 2 * 256 * 4_096
    let bytes = (slow.seconds - fast.seconds) * 3e12
    #expect(
      bytes >= 34 * scores * 0.999 && bytes <= 34 * scores + streams * 1.001, "\(bytes / scores)")
    let softer = try Self.report(softmax: 1.5, plan: plan)
    let softmax = (softer.seconds - fast.seconds) * 3e12
    #expect(abs(softmax / (8 * scores) - 1) < 0.001, "\(softmax / scores)")
  }

  /// A softmax of 6 bytes a score more, and a pass of 4 for the ranks; 4 bytes a score are held for it.
  @Test func probabilitiesThatAreReturned() throws {
    let scores = Double(256 * 128_256)
    let without = try Self.report()
    let with = try Self.report(returnsProbabilities: true)
    #expect(abs((with.seconds - without.seconds) / (10 * scores / 3e12) - 1) < 0.001)
    #expect(with.memory.activations - without.memory.activations == 4 * 256 * 128_256)
  }

  /// Tensor ranks bring their parts together, of which one draws: as many scores as on one rank, and an exchange more.
  @Test func tensorRanksGatherTheirScores() throws {
    let all = try Self.report(plan: ["tensor-parallel=8"])
    let half = try Self.report(plan: ["tensor-parallel=8"], vocabulary: 64_128)
    // Seven eighths of the scores come in 16 bits over a link of 450 GB/s at most, which long messages use half of at
    // least; sums of embeddings and layers are the same.
    let gathered = 7.0 / 8 * 2 * 256 * 64_128 / 450e9
    let longer = all.split.tensorExchanges - half.split.tensorExchanges
    #expect(longer > gathered && longer < 2 * gathered, "\(longer / gathered)")
    let alone = try Self.report(batch: 256)
    #expect(alone.split.tensorExchanges == 0)
  }

  /// Rows that fill a batch up for tensor ranks go through the head and are not drawn.
  @Test func filledRowsAreNotDrawn() throws {
    func seconds(_ rate: Double, _ batch: Int) throws -> Double {
      try PlannedInference(
        architecture: .named("qwen3-30b-a3b", overrides: ["num_hidden_layers=1"]),
        cluster: .shipped(
          "h100-2048",
          overrides: Self.bare + ["device.kernels.operators.operator-of-softmax=\(rate) TB/s"]),
        plan: Plan.read(
          Document(text: "precision: bf16\n", name: "plan.yaml"), name: "plan",
          overrides: ["tensor-parallel=4"], world: .unknown, serves: true)
      ).report(InferenceRequest(.decode(context: 64), batch: batch)).seconds
    }
    for batch in [253, 256] {
      let bytes = (try seconds(1.5, batch) - seconds(3, batch)) * 3e12
      #expect(abs(bytes / Double(8 * batch * 151_936) - 1) < 1e-6, "\(batch): \(bytes)")
    }
  }

  /// A module that drafts reads its scores once for the largest.
  @Test func draftsTakeTheirLargestScore() throws {
    func seconds(_ rate: Double) throws -> Double {
      try PlannedInference(
        architecture: .named(
          "deepseek-v3", overrides: ["num_hidden_layers=2", "first_k_dense_replace=1"]),
        cluster: .shipped(
          "h800-2048",
          overrides: Self.bare + ["device.kernels.streaming.elementwise=\(rate) TB/s"]),
        plan: .named("deepseek-v3-decode")
      ).report(InferenceRequest(.decode(context: 64), batch: 256, parts: 1, acceptance: 0.5))
        .seconds
    }
    let bytes = (try seconds(1.5) - seconds(3)) * 3e12
    let scores = Double(256 * 129_280)
    // Two tokens of each sequence are judged; the module scores the last one.
    #expect(
      bytes > (2 * 34 + 2) * scores && bytes < (2 * 34 + 2) * 1.1 * scores, "\(bytes / scores)")
  }
}
