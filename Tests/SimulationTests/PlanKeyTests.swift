import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// Every key of a plan moves the step, or is refused.
@Suite struct PlanKeyTests {
  /// A plan with some values replaced, of the first layers of a shipped model.
  static func step(
    _ base: String, _ overrides: String..., model: String = "qwen3-235b-a22b",
    cluster: [String] = []
  ) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named(model, overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048", overrides: cluster),
      plan: .read(Document(text: base, name: "plan"), name: "plan", overrides: overrides))
  }

  /// Experts over four nodes.
  static let experts = """
    data-parallel: 32
    pipeline-parallel: 2
    expert-parallel: 32
    zero-stage: 1
    global-batch: 128
    sequence-length: 4096
    dispatcher: deepep
    gradient-bucket: 40000000
    """

  // MARK: Multiprocessors of exchanges

  /// Left out, they are the cluster's; it is said, and it is what the same number says.
  @Test func exchangesTakeTheClustersMultiprocessors() throws {
    let silent = try Self.step(Self.experts)
    let spoken = try Self.step(Self.experts, "communication-sms=20")
    #expect(silent.simulation.run().step == spoken.simulation.run().step)
    #expect(silent.placed.plan.communicationSMs == 20)
    #expect(silent.assumptions == ["expert exchanges on 20 SMs (node.exchange.multiprocessors)"])
    #expect(spoken.assumptions.isEmpty)
    let fewer = try Self.step(Self.experts, "communication-sms=2")
    #expect(fewer.simulation.run().step > silent.simulation.run().step)
    let other = try Self.step(Self.experts, cluster: ["node.exchange.multiprocessors=2"])
    #expect(other.simulation.run().step == fewer.simulation.run().step)
    // A file that lacks the key gets DeepEP's number, and is said to lack it.
    let lacking = try Self.step(Self.experts, cluster: ["node.exchange.multiprocessors=null"])
    #expect(lacking.simulation.run().step == silent.simulation.run().step)
    #expect(
      lacking.assumptions == [
        "expert exchanges on 20 SMs (DeepEP's; the cluster's file lacks "
          + "node.exchange.multiprocessors)"
      ])
  }

  // MARK: Nodes of a token

  /// Qwen3's router knows no groups: the plan's limit alone acts, on time, rows and memory.
  @Test func nodesPerTokenLimitsWhereTokensGo() throws {
    let free = try Self.step(Self.experts)
    let two = try Self.step(Self.experts, "nodes-per-token=2")
    let one = try Self.step(Self.experts, "nodes-per-token=1")
    let results = [free, two, one].map { $0.simulation.run() }
    #expect(results[2].step < results[1].step && results[1].step < results[0].step)
    let rows = [free, two, one].map { $0.input.balancedRows[0].received[0] }
    #expect(rows[2] < rows[1] && rows[1] < rows[0], "\(rows)")
    // Eight experts of a token on 32 ranks of 4 experts each, or on the 8 of one node.
    #expect(rows[0] > 4_096 * 7 && rows[2] > 4_096 * 5)
    let peaks = [free, two, one].map { $0.report().memory.peak }
    #expect(peaks[2] < peaks[1] && peaks[1] < peaks[0], "\(peaks)")
  }

  /// The smaller of the plan's limit and the model's acts: DeepSeek-V3's own is 4 nodes of 8.
  @Test func theSmallerLimitActs() throws {
    func step(_ limit: String) throws -> PlannedStep {
      try PlannedStepTests.planned([], ["global-batch=4096", "gradient-bucket=40000000", limit])
    }
    let published = try step("nodes-per-token=4")
    let larger = try step("nodes-per-token=8")
    let smaller = try step("nodes-per-token=2")
    let time = published.simulation.run().step
    #expect(larger.simulation.run().step == time && smaller.simulation.run().step < time)
    #expect(published.assumptions.isEmpty && smaller.assumptions.isEmpty)
    #expect(larger.assumptions.count == 1 && larger.assumptions[0].contains("never acts"))
  }

  @Test func aLimitThatLeavesTooFewExpertsIsRefused() throws {
    let error = try #require(throws: PlanError.self) {
      _ = try Self.step(
        Self.experts, "data-parallel=128", "tensor-parallel=2", "expert-tensor-parallel=2",
        "expert-parallel=128", "nodes-per-token=1")
    }
    #expect("\(error)".hasPrefix("nodes-per-token 1 leaves a token 4 experts"), "\(error)")
  }

  // MARK: Sequences beyond the model

  @Test func sequencesBeyondTheModelAreSaid() throws {
    let plan =
      "data-parallel: 1\ncontext-parallel: 8\ncontext-exchange: gather\nglobal-batch: 1\n"
      + "gradient-bucket: 40000000\n"
      + "sequence-length: 262144"
    let long = try Self.step(plan, model: "llama-3.1-8b")
    #expect(long.assumptions == ["sequences of 262144 tokens, beyond the model's 131072"])
    let learned = try #require(throws: PlanError.self) {
      _ = try PlannedStep(
        architecture: .named("gpt-3-175b"), cluster: .named("h800-2048"),
        plan: .read(Document(text: plan, name: "plan"), name: "plan"))
    }
    #expect("\(learned)".contains("learned positions"))
  }
}
