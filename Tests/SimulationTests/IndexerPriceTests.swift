import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// What DeepSeek-V3.2's indexer and the attention to its choice take and hold: 64 heads of 128 choose 2,048 keys.
@Suite struct IndexerPriceTests {
  private static func step(_ length: Int, chosen: Int? = 2048) throws -> PlannedStep {
    var model = try Architecture.named(
      "deepseek-v3", overrides: ["num_hidden_layers=2", "first_k_dense_replace=2"]
    ).withoutMultiTokenPrediction
    for index in model.layers.indices {
      guard case .latent(var shape) = model.layers[index].attention, let chosen else { continue }
      shape.indexer = Latent.Indexer(heads: 64, headSize: 128, chosen: chosen)
      model.layers[index].attention = .latent(shape)
    }
    let plan = """
      data-parallel: 8
      global-batch: 8
      sequence-length: \(length)
      zero-stage: 1
      """
    return try PlannedStep(
      architecture: model, cluster: .named("h800-2048", overrides: ["device.jitter=null"]),
      plan: .read(Document(text: plan, name: "plan"), name: "plan", overrides: ["precision=bf16"]))
  }

  /// Seconds of the first indexer and the first attention, forward and backward.
  private struct Seconds {
    var index = 0.0
    var indexBackward = 0.0
    var attention = 0.0
    var whole: Double { index + indexBackward + attention }

    init(_ step: PlannedStep) throws {
      for operation in step.input.stages[0].forward.operations
        + step.input.stages[0].backward.operations
      {
        let seconds = step.pricing.seconds(
          of: operation, rows: KernelBytesTests.rows, isOverlapped: false)
        switch operation.kernel {
        case .index(_, .forward): index += seconds / 2
        case .index: indexBackward += seconds / 2
        case .attention: attention += seconds / 2
        default: break
        }
      }
    }
  }

  /// Five kernels forward: passes over queries and keys and over 4 bytes of every pair, and a product of 2 FLOPs a
  /// pair, head and column in 8 bits, which takes no less than the device's peak says.
  @Test(arguments: [8_192, 32_768]) func scoresOfAllPairs(_ length: Int) throws {
    let step = try Self.step(length)
    let device = step.pricing.device
    let stream = StreamingCost(device)
    func pass(_ kernel: StreamingClass, _ bytes: Double) -> Double {
      device.launchGap + stream.cost(kernel, bytes: bytes).seconds
    }
    let numbers = Double(length * 128 * 65)
    let pairs = Double(length) * Double(length) / 2
    let passes =
      pass(.rope, 4 * numbers) + pass(.elementwise, 4 * numbers) + pass(.quantise, 3 * numbers)
      + pass(.softmax, 4 * pairs)
    let product = try Seconds(step).index - passes
    // 1,979 TFLOPS at 1,830 MHz, the data sheet of H800 (FP8, dense).
    let least = 2 * 64 * 128 * pairs / 1979e12
    #expect(product > least && product < 3 * least, "\(product), at least \(least)")
  }

  /// With twice the length scores take four times as long, attention to 2,048 keys twice, and dense attention
  /// four times; what is sparse falls behind what is dense.
  @Test func sharesFallWithLength() throws {
    var shares: [Double] = []
    var before: (sparse: Seconds, dense: Seconds)?
    for length in [16_384, 32_768, 65_536, 131_072] {
      let (sparse, dense) = try (
        Seconds(Self.step(length)), Seconds(Self.step(length, chosen: nil))
      )
      #expect(dense.index == 0 && dense.indexBackward == 0)
      if let before {
        #expect(abs(sparse.attention / before.sparse.attention / 2 - 1) < 0.1)
        #expect(abs(sparse.indexBackward / before.sparse.indexBackward / 2 - 1) < 0.1)
        #expect(abs(sparse.index / before.sparse.index / 4 - 1) < 0.1)
        #expect(abs(dense.attention / before.dense.attention / 4 - 1) < 0.1)
      }
      shares.append(sparse.whole / dense.whole)
      before = (sparse, dense)
    }
    #expect(zip(shares, shares.dropFirst()).allSatisfy { $1 < $0 }, "\(shares)")
  }

  /// Choosing as many keys as there are is dense attention beside the indexer; one key fewer is attention in
  /// latents, of 576 and 512 columns in place of 192 and 128.
  @Test func choosingAllIsDense() throws {
    let (all, most) = try (
      Seconds(Self.step(4096, chosen: 4096)), Seconds(Self.step(4096, chosen: 1 << 20))
    )
    let dense = try Seconds(Self.step(4096, chosen: nil))
    #expect(all.attention == dense.attention && all.whole == most.whole)
    #expect(all.index > 0 && all.indexBackward > 0)
    let ratio = try Seconds(Self.step(4096, chosen: 4095)).attention / dense.attention
    let widths = 1.5 * Double(576 + 512) / Double(192 + 128)
    #expect(ratio > 1 && ratio < widths, "\(ratio)")
  }

  /// What an indexer holds: its maps with their state, what its backward needs, and the choice of every query in
  /// both layers; keys and values of all heads stay, however few are chosen.
  @Test func memory() throws {
    let reports = try [2048, 512, nil].map { try Self.step(4096, chosen: $0).report().memory }
    let own = 2 * (1536 * 64 * 128 + 7168 * 128 + 7168 * 64 + 2 * 128)
    // Weights and gradients in 16 and 32 bits.
    #expect(reports[0].parameters - reports[2].parameters == 2 * own)
    #expect(reports[0].parameters == reports[1].parameters)
    let choices = 2 * 4096 * (2048 - 512) * 2
    #expect(reports[0].activations - reports[1].activations == choices)
    #expect(reports[0].activations > reports[2].activations)
  }
}
