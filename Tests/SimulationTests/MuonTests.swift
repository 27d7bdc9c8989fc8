import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Muon: one moment and five Newton-Schulz steps for matrices of layers; and moments of 8 bits.
@Suite struct MuonTests {
  private static func step(
    _ more: [String], model: String = "llama-3.1-8b", overrides: [String] = ["num_hidden_layers=2"]
  ) throws -> PlannedStep {
    let plan = ["global-batch: 4", "sequence-length: 1024"]
    return try PlannedStep(
      architecture: .named(model, overrides: overrides), cluster: .shipped("h800-2048"),
      plan: .read(
        Document(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  private static func updates(_ step: PlannedStep) -> [Orthogonalization] {
    step.input.stages[0].update.operations.compactMap {
      if case .orthogonalize(let update) = $0.kernel { update } else { nil }
    }
  }

  /// 5 (4s²l + 2s³) FLOPs for sides s ≤ l.
  private static func flops(_ first: Double, _ second: Double) -> Double {
    let (short, long) = (min(first, second), max(first, second))
    return 5 * (4 * short * short * long + 2 * short * short * short)
  }

  /// Queries, keys, values, output, gate, up and down of a layer, each by itself; tensor ranks take their
  /// parts.
  @Test(arguments: [1.0, 2]) func stepsHaveTheirClosedForm(tensor: Double) throws {
    let degrees = ["tensor-parallel: \(Int(tensor))"]
    let muon = try Self.step(degrees + ["optimizer: muon"])
    let layer =
      Self.flops(4096 / tensor, 4096) + 2 * Self.flops(1024 / tensor, 4096)
      + Self.flops(4096, 4096 / tensor) + 3 * Self.flops(14336 / tensor, 4096)
    let counted = Self.updates(muon).reduce(0) { $0 + $1.flops }
    #expect(abs(counted - 2 * layer) < 1e-9 * counted)
    let adamW = try Self.step(degrees).report()
    let more = muon.report().hardwareFLOPsCausal - adamW.hardwareFLOPsCausal
    #expect(abs(more - 2 * layer * tensor) < 1e-6 * more)
    #expect(muon.report().split.optimizer > adamW.split.optimizer)
  }

  /// A moment less of every matrix, 4 bytes a number; embedding, head and norms keep both.
  @Test func matricesHaveOneMoment() throws {
    let matrices = 2 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 14336 * 4096)
    let (adamW, muon) = (try Self.step([]), try Self.step(["optimizer: muon"]))
    func optimizer(_ step: PlannedStep) -> Int { step.report().memory.optimizer }
    #expect(optimizer(adamW) - optimizer(muon) == 4 * matrices)
    let others = muon.input.stages[0].update.operations.compactMap {
      if case .adamW(let elements, _) = $0.kernel { elements } else { nil }
    }
    let (tables, norms) = (2 * 128_256 * 4096, 5 * 4096)
    #expect(others.reduce(0, +) == tables + norms)
    // X, its successor, A and A² of the largest matrix, in 16 bits.
    let workspace = try #require(
      muon.input.stages[0].buffers.first { $0.name == "Newton-Schulz matrices" })
    #expect(workspace.rows == .fixed(2 * 4096 * (14336 + 4096)) && workspace.bytesPerRow == 2)
  }

  /// Experts are matrices by themselves, however many lie on a rank.
  @Test func everyExpertIsAMatrix() throws {
    let step = try Self.step(
      ["optimizer: muon", "data-parallel: 4", "expert-parallel: 4"], model: "qwen3-235b-a22b",
      overrides: ["num_hidden_layers=1"])
    let experts = Self.updates(step).filter { $0.short == 1536 && $0.long == 4096 }
    // 128 experts over 4 ranks: gate, up and down.
    #expect(experts.reduce(0) { $0 + $1.matrices } == 3 * 32)
  }

  @Test func dividedMatricesAreRefused() throws {
    for stage in 1...3 {
      let error = #expect(throws: PlanError.self) {
        _ = try Self.step(["optimizer: muon", "data-parallel: 2", "zero-stage: \(stage)"])
      }
      #expect(error.map { "\($0)".hasPrefix("optimizer muon orthogonalises whole") } == true)
    }
  }

  /// 8 bits and a scale of 32 for every block, of each of two moments, beside master weights of 32 bits.
  @Test(arguments: [128, 256]) func smallMomentsHaveScales(block: Int) throws {
    let step = try Self.step(["precision: {base: bf16, moments: e4m3, scale-block: \(block)}"])
    let stage = step.input.stages[0]
    let elements = stage.segments.map(\.shardElements)
    let bytes = elements.reduce(0) { $0 + 4 * $1 + 2 * ($1 + 4 * (($1 + block - 1) / block)) }
    let held = stage.buffers.filter { $0.use == .optimizer }.reduce(0) { sum, buffer in
      guard case .fixed(let rows) = buffer.rows else { return sum }
      return sum + rows * buffer.bytesPerRow
    }
    #expect(held == bytes)
    let moved = stage.update.operations.compactMap {
      if case .adamW(_, let bytes) = $0.kernel { bytes } else { nil }
    }
    // Gradient, master weights in and out, parameter out, moments in and out.
    let expected = elements.reduce(0) {
      $0 + (4 + 8 + 2) * $1 + 4 * ($1 + 4 * (($1 + block - 1) / block))
    }
    #expect(moved.reduce(0, +) == expected)
  }
}
