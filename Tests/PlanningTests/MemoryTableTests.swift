import Clusters
import Documents
import Models
import Planning
import Simulation
import Testing

/// What `sluice memory` says of a model, held against bytes a parameter.
///
/// BF16 with 32-bit gradients, master weights and two moments: 2, 4 and 12 bytes of a parameter, of which
/// stage 1 divides the 12, stage 2 the 4 as well, stage 3 all of them (arXiv 1910.02054, section 5).
@Suite struct MemoryTableTests {
  private static let sequence = 1024
  private static let devices = 8

  private static func model(layers: Int = 2) throws -> Architecture {
    try .named("llama-3.1-8b", overrides: ["num_hidden_layers=\(layers)"])
  }

  private static func table(
    _ model: Architecture, devices: Int = devices, _ ways: [MemoryTable.Way]
  ) throws -> MemoryTable {
    try MemoryTable(
      model, on: .shipped("h800-2048"), devices: devices, sequenceLength: sequence,
      microbatchSize: 1, ways: ways)
  }

  private static func memory(
    stage: Int, recomputes: Bool = false, lora: Int? = nil, layers: Int = 2
  ) throws -> StepReport.Memory {
    let way = MemoryTable.Way(zeroStage: stage, recomputes: recomputes, lora: lora)
    return try table(model(layers: layers), [way]).rows[0].memory
  }

  @Test func withoutZeROEveryDeviceHoldsAll() throws {
    let parameters = try Self.model().parameterCounts.total
    let memory = try Self.memory(stage: 0)
    #expect(memory.parameters == 2 * parameters)
    #expect(memory.gradients == 4 * parameters)
    #expect(memory.optimizer == 12 * parameters)
  }

  /// Shards are padded to whole blocks by tensor, which is less than a megabyte of these models.
  @Test func stagesDivideWhatTheySay() throws {
    let parameters = try Self.model().parameterCounts.total
    let stages = try (0...3).map { try Self.memory(stage: $0) }
    for stage in stages.dropFirst() {
      #expect(abs(Self.devices * stage.optimizer - 12 * parameters) < 8 << 20)
    }
    #expect(stages[1].gradients == 4 * parameters && stages[1].parameters == 2 * parameters)
    #expect(stages[2].parameters == 2 * parameters)
    #expect(stages[2].gradients >= 4 * parameters / Self.devices)
    #expect(stages[2].gradients < stages[1].gradients)
    #expect(stages[3].parameters >= 2 * parameters / Self.devices)
    #expect(stages[3].parameters < stages[2].parameters)
  }

  /// Adapters are products of the model's maps with 16 columns; only they have gradients and state.
  @Test func adaptersAloneAreTrained() throws {
    let rank = 16
    let maps = [(4096, 6144), (4096, 4096), (4096, 28_672), (14_336, 4096)]
    let adapters = 2 * maps.reduce(0) { $0 + rank * ($1.0 + $1.1) }
    let memory = try Self.memory(stage: 0, lora: rank)
    #expect(memory.gradients == 4 * adapters)
    #expect(memory.optimizer == 12 * adapters)
    #expect(try memory.parameters == 2 * (Self.model().parameterCounts.total + adapters))
  }

  /// A layer that is run again leaves its input, 2 bytes a token and column; nothing else of it grows.
  @Test func recomputedLayersLeaveTheirInputs() throws {
    let (kept, again) = (try Self.memory(stage: 0), try Self.memory(stage: 0, recomputes: true))
    #expect(again.parameters == kept.parameters && again.optimizer == kept.optimizer)
    #expect(again.activations < kept.activations)
    let deeper = try Self.memory(stage: 0, recomputes: true, layers: 4)
    let inputs = 2 * 2 * Self.sequence * 4096
    #expect(deeper.activations - again.activations == inputs)
  }

  /// The smallest number holds it, and the one below does not, powers of two or not.
  @Test func theFewestDevicesAreFew() throws {
    let model = try Architecture.named("llama-3.1-8b")
    let ways = (0...3).map { MemoryTable.Way(zeroStage: $0, recomputes: true, lora: nil) }
    let rows = try Self.table(model, ways).rows
    // 6 bytes of 8.03 · 10⁹ parameters lie on every device of stage 0 beside 12 that do not fit.
    #expect(rows[0].fewest == nil)
    for row in rows.dropFirst() {
      let fewest = try #require(row.fewest)
      #expect(fewest > 1)
      let below = fewest - 1
      let least = try Self.table(model, devices: fewest, [row.way])
      let less = try Self.table(model, devices: below, [row.way])
      #expect(least.rows[0].memory.fits && !less.rows[0].memory.fits, "\(row.way)")
    }
  }
}
