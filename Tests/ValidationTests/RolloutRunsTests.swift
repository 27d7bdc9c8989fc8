import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing
import Validation

/// Steps of reinforcement learning, beside what is published of them.
@Suite struct RolloutRunsTests {
  /// Bounds that hold today, where nothing is fitted to these figures: all rows are too short.
  @Test func errorsStayWithin() throws {
    let table = try Computed.table("rl-throughput", of: "serving")
    #expect(table.basis == .predicted && table.rows.count == 7)
    let errors = table.errors
    #expect(errors.count == 6 && table.refusedCount == 0)
    #expect(errors.mean > -0.20 && errors.mean < 0 && errors.meanAbsolute == -errors.mean)
    #expect(abs(try #require(errors.worst)) < 0.28)
    let whole = try table.row("DeepSeek-V3, 512 GPUs, 16 updates per rollout of 8,192")
    #expect(whole.isUndescribed && whole.prediction == nil && whole.publication == 68.5)
  }

  @Test func lowLatencyExchangesStayWithin() throws {
    let errors = try Computed.table("low-latency-exchanges", of: "serving").errors
    #expect(errors.count == 8 && abs(errors.mean) < 0.02)
    #expect(errors.meanAbsolute < 0.082)
    #expect(abs(try #require(errors.worst)) < 0.23)
  }

  /// The row of the mixture, read by hand: every column of the publication, every setting of its recipe, and the
  /// measured phases in their places.
  @Test func aRowByHand() throws {
    let training = """
      {data-parallel: 16, tensor-parallel: 2, expert-parallel: 8, zero-stage: 1, global-batch: 16,
       sequence-length: 4096, precision: {base: bf16, gradients: bf16, gradient-reduction: bf16}, loss: native}
      """
    let planned = try PlannedRollout(
      architecture: .named("qwen3-30b-a3b"), cluster: .shipped("h100-2048"),
      training: .read(
        Document(text: training, name: "training.yaml"), name: "training", world: .unknown),
      generator: .read(
        Document(text: "{tensor-parallel: 4, precision: bf16}", name: "generator.yaml"),
        name: "generator", world: .unknown, serves: true))
    // 4,096 positions, of which a prompt takes 122; 2,048 answers in groups of 32, trained on 512 at a time.
    let lengths = try #require(LengthDistribution(mean: 3154, longest: 3974, spread: 0.7))
    var description = RolloutDescription(questions: 64, answers: 32, prompt: 122, lengths: lengths)
    (description.updates, description.places, description.memoryShare) = (4, 1024, 0.6)
    let parts = try planned.report(description).parts
    // 5 s for 8B and 14 s for 70B in BF16, for 30.5B between them.
    let refit = 5 + 9 * (2 * 30.532 - 16.06) / (141.1 - 16.06)
    let step = parts.generation + parts.learning + refit
    let row = try Computed.table("rl-throughput", of: "serving")
      .row("Qwen3-30B-A3B, 32 GPUs, on")
    #expect(abs(try #require(row.prediction) / step - 1) < 1e-4)
    #expect(row.publication == 225 && row.unit == "s a step")
  }

  /// With generators behind, the slower side decides: half of the devices each, and 128 answers at a time.
  @Test func theSlowerSideDecides() throws {
    let table = try Computed.table("rl-throughput", of: "serving")
    func seconds(_ row: String) throws -> Double { try #require(try table.row(row).prediction) }
    // The dense 32B trains for longer than it generates, on 32 GPUs either way: what generation took is gone.
    let together = try seconds("Qwen3-32B, 32 GPUs, on")
    let apart = try seconds("Qwen3-32B, 64 GPUs, 1-step off")
    #expect(apart < 0.6 * together && apart > 0.4 * together)
    // The mixture generates on half of the devices, and takes longer than on all of them one behind the other.
    #expect(
      try seconds("Qwen3-30B-A3B, 32 GPUs, 1-step off") > seconds("Qwen3-30B-A3B, 32 GPUs, on"))
  }
}
