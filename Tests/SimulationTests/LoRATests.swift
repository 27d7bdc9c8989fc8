import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Low-rank adapters: two products beside a map, and nothing else that is trained.
@Suite struct LoRATests {
  private static func step(_ more: [String] = []) throws -> PlannedStep {
    let plan = ["global-batch: 4", "sequence-length: 1024"]
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
      cluster: .shipped("h800-2048"),
      plan: .read(
        Document(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  /// Columns and rows of the maps of a layer, as they are multiplied.
  private static let maps: [(target: String, depth: Int, width: Int)] = [
    ("query-key-value", 4096, 6144), ("output", 4096, 4096), ("gate-up", 4096, 28672),
    ("down", 14336, 4096),
  ]

  /// 6 FLOPs a token and adapter parameter more, 2 a frozen parameter less; 4 bytes of gradient and 12 of state
  /// for adapters alone.
  @Test(arguments: [[0], [1, 3], [0, 1, 2, 3]]) func adaptersAreAllThatIsTrained(chosen: [Int])
    throws
  {
    let rank = 16
    let names = chosen.map { Self.maps[$0].target }.joined(separator: ", ")
    let whole = try Self.step().report()
    let step = try Self.step(["lora: {rank: \(rank), targets: [\(names)]}"])
    let report = step.report()
    let adapters = chosen.reduce(0) { sum, map in
      sum + 2 * rank * (Self.maps[map].depth + Self.maps[map].width)
    }
    #expect(report.memory.gradients == 4 * adapters)
    #expect(report.memory.optimizer == 12 * adapters)
    #expect(report.memory.parameters == whole.memory.parameters + 2 * adapters)
    let linear = Self.maps.reduce(0) { $0 + 2 * $1.depth * $1.width } + 128_256 * 4096
    let tokens = 4.0 * 1024
    let expected =
      whole.hardwareFLOPsCausal - 2 * tokens * Double(linear) + 6 * tokens * Double(adapters)
    #expect(abs(report.hardwareFLOPsCausal - expected) < 1e-9 * expected)
    #expect(report.stepSeconds < whole.stepSeconds)
    let trained = step.input.stages[0].parameters.filter(\.isTrained)
    #expect(trained.count == 2 * 2 * chosen.count && trained.allSatisfy(\.isAdapter))
  }

  /// Left out, targets are all maps.
  @Test func allMapsAreAdaptedByDefault() throws {
    let all = Self.maps.map(\.target).joined(separator: ", ")
    let (left, named) = (
      try Self.step(["lora: {rank: 8}"]), try Self.step(["lora: {rank: 8, targets: [\(all)]}"])
    )
    #expect(left.report() == named.report())
  }

  /// Tensor ranks have a part of one factor each, and of the other the whole.
  @Test func tensorRanksDivideOneFactor() throws {
    let stage = try Self.step(["lora: {rank: 16}", "tensor-parallel: 2"]).input.stages[0]
    let elements = stage.parameters.filter(\.isTrained).reduce(0) { $0 + $1.elements }
    let expected = 16 * (4096 + 6144 / 2 + 4096 / 2 + 4096 + 4096 + 28672 / 2 + 14336 / 2 + 4096)
    #expect(elements == 2 * expected)
  }

  /// A mixture's experts are left out in a line where nothing is named, and refused where they are.
  @Test func routedExpertsHaveNoAdapters() throws {
    func step(_ lora: String) throws -> PlannedStep {
      let text = "global-batch: 8\nsequence-length: 1024\nlora: \(lora)"
      return try PlannedStep(
        architecture: .named("mixtral-8x7b", overrides: ["num_hidden_layers=2"]),
        cluster: .shipped("h800-2048"),
        plan: .read(Document(text: text, name: "plan"), name: "plan"))
    }
    let line = "lora beside query-key-value, output alone: routed experts have no adapters"
    #expect(try step("{rank: 8}").assumptions.contains(line))
    #expect(try !step("{rank: 8, targets: [output]}").assumptions.contains { $0.contains("lora") })
    #expect(try !Self.step(["lora: {rank: 8}"]).assumptions.contains { $0.contains("lora") })
    let error = #expect(throws: PlanError.self) { try step("{rank: 8, targets: [gate-up]}") }
    #expect(error.map { "\($0)".contains("routed experts have no adapters here") } == true)
  }

  /// As wide as the map of attention's results, and one more.
  @Test func anAdapterIsNoWiderThanItsMap() throws {
    _ = try Self.step(["lora: {rank: 4096}"])
    let error = #expect(throws: PlanError.self) { try Self.step(["lora: {rank: 4097}"]) }
    #expect(error.map { "\($0)".contains("4096 at most") } == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    (["lora: {rank: 8}", "frozen: [head]"], "freezes the whole model: leave it out"),
    (["lora: {rank: 8}", "loss: chunked"], "freezes a head whose kernel writes its gradient"),
    (
      ["lora: {rank: 8}", "tensor-parallel: 2", "overlap: {tensor-exchange: chunked}"],
      "cuts what one product reads"
    ),
  ])
  func impossibleAdaptersAreRefused(more: [String], words: String) throws {
    let error = #expect(throws: PlanError.self) { _ = try Self.step(more) }
    #expect(error.map { "\($0)".contains(words) } == true, "\(String(describing: error))")
  }
}
