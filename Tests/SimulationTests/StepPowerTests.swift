import Clusters
import Costs
import Documents
import Models
import Plans
import Simulation
import Testing

/// The clock of a step follows from the power of its kernels.
@Suite struct StepPowerTests {
  private func step(
    cap: String? = nil, cluster: String = "h100-2048", precision: String = "bf16",
    globalBatch: Int = 16, changes: [String] = []
  ) throws -> PlannedStep {
    let overrides = (cap.map { ["device.power-cap=\($0)"] } ?? []) + changes
    let cluster = try Cluster.shipped(cluster, overrides: ["nodes=1"] + overrides)
    let document = try Document(
      text: """
        data-parallel: 8
        zero-stage: 1
        global-batch: \(globalBatch)
        sequence-length: 4096
        precision: \(precision)
        """, name: "plan.yaml")
    let plan = try Plan.read(document, name: "plan", world: .devices(cluster.rankCount))
    let architecture = try Architecture.named(
      "llama-3.1-8b", overrides: ["num_hidden_layers=4"])
    return try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
  }

  /// A lower cap leaves a lower clock and a longer step; at each the device draws its cap.
  @Test func aLowerCapIsSlower() throws {
    let steps = try ["1500 W", "700 W", "500 W", "400 W"].map { try step(cap: $0) }
    let clocks = try steps.map { try #require($0.clock) }
    #expect(clocks[0].clock.value == 1830e6 && clocks[0].power.value < 1500)
    for (clock, cap) in zip(clocks, [1500.0, 700, 500, 400]) { #expect(clock.cap?.value == cap) }
    for clock in clocks.dropFirst() {
      #expect(abs(clock.power.value - (clock.cap?.value ?? 0)) < 1, "\(clock)")
    }
    for (fast, slow) in zip(clocks, clocks.dropFirst()) {
      #expect(fast.clock > slow.clock)
    }
    let seconds = steps.map { $0.report().stepSeconds }
    #expect(zip(seconds, seconds.dropFirst()).allSatisfy { $0 < $1 })
  }

  /// A step draws less than products that go on for ever, so that its clock is higher.
  @Test func theMixDecides() throws {
    let step = try step()
    let clock = try #require(step.clock).clock.value
    let products = try DeviceModel(step.cluster.device).loadedClock
    #expect(clock > products && clock <= 1830e6)
    #expect(step.pricing.device.loadedClock == clock)
  }

  /// The update comes by itself behind the passes and does not make them faster, however many there are.
  @Test func theUpdateHasNoSay() throws {
    let short = try #require(try step(cap: "500 W").clock)
    let long = try #require(try step(cap: "500 W", globalBatch: 128).clock)
    #expect(short.clock == long.clock && short.power == long.power, "\(short), \(long)")
  }

  /// Joules of attention in the passes of a stage whose context ranks meet keys in this way.
  private func attention(_ exchange: Plan.ContextExchange) throws -> [Double] {
    let cluster = try Cluster.shipped("h100-2048", overrides: ["nodes=1"])
    let document = try Document(
      text: """
        context-parallel: 8
        global-batch: 1
        sequence-length: 32768
        precision: bf16
        context-exchange: \(exchange.rawValue)
        """, name: "plan.yaml")
    let plan = try Plan.read(document, name: "plan", world: .devices(cluster.rankCount))
    let architecture = try Architecture.named(
      "llama-3.1-8b", overrides: ["num_hidden_layers=1"])
    let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
    let power = try #require(PowerModel(cluster.device))
    let stage = step.input.stages[0]
    return [stage.forward, stage.backward].map { program in
      program.operations.reduce(0) { sum, operation in
        guard case .attention = operation.kernel else { return sum }
        return sum
          + step.pricing.work(of: operation, rows: ExchangeRows(), power).computing
      }
    }
  }

  /// A rank of a ring attends to as many pairs as one that has gathered all keys: its own block below the diagonal,
  /// half of every other one whole.
  @Test func blocksOfARingDrawAsMuch() throws {
    for (ring, gathered) in zip(try attention(.ring), try attention(.gather)) {
      #expect(gathered > 0 && abs(ring / gathered - 1) < 1e-9, "\(ring), \(gathered)")
    }
  }

  /// A given clock decides; the power is shown where energies are known.
  @Test func aGivenClockDecides() throws {
    let given = try step(changes: ["device.clock.loaded=1500 MHz", "device.power-cap=null"])
    let clock = try #require(given.clock)
    #expect(clock.clock.value == 1500e6 && clock.cap == nil && clock.power.value > 300)
    #expect(try step(cluster: "h800-2048").clock == nil)
  }
}
