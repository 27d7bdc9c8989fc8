import Clusters
import Models
import Plans
import Programs
import Simulation
import Testing

/// FSDP2's units: gathered in one piece, of which a kernel makes the parameters.
@Suite struct GatheredUnitTests {
  private static func step(
    _ framework: String, _ more: [String] = [], cluster: [String] = []
  ) throws -> PlannedStep {
    let plan = """
      data-parallel: 8
      zero-stage: 3
      global-batch: 8
      sequence-length: 2048
      framework: \(framework)
      """
    let text = ([plan] + more).joined(separator: "\n")
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=3"]),
      cluster: .shipped("h100-2048", overrides: ["nodes=1"] + cluster),
      plan: .read(.init(text: text, name: "plan"), name: "plan"))
  }

  /// Numbers that each copy of a program moves, with its place.
  private func copies(_ program: Program) -> [(elements: Int, operation: Programs.Operation)] {
    program.operations.compactMap { operation in
      guard
        case .convert(.copyOutOfUnit, let rows, columns: 1, .bfloat16, .bfloat16) = operation.kernel
      else { return nil }
      return (ExchangeRows()(rows), operation)
    }
  }

  /// Every unit is copied once in front of its use, read and written in 16 bits; a backward uses no embedding.
  @Test func everyUnitIsCopiedOut() throws {
    let (step, plain) = try (Self.step("torchtitan"), Self.step("plain"))
    let architecture = try Architecture.named(
      "llama-3.1-8b", overrides: ["num_hidden_layers=3"])
    let units = architecture.units.map { architecture.parameterCounts(of: $0).total }
    let stage = step.input.stages[0]
    #expect(copies(stage.forward).map(\.elements) == units)
    #expect(copies(stage.backward).map(\.elements) == units.dropFirst().reversed())
    for program in [plain.input.stages[0].forward, plain.input.stages[0].backward] {
      #expect(copies(program).isEmpty)
    }
    // 4 bytes a number at the rate of such copies.
    let first = try #require(copies(stage.forward).first)
    let seconds = step.pricing.seconds(of: first.operation, rows: .init(), isOverlapped: false)
    #expect(abs(4 * Double(first.elements) / seconds / 2.72e12 - 1) < 0.01)
    // What is sent is the same.
    func gathered(_ step: PlannedStep) -> [Int] {
      step.input.stages[0].forward.transfers.map { ExchangeRows()($0.rows) * $0.bytesPerRow }
    }
    #expect(gathered(step) == gathered(plain))
  }

  /// Gradients are cast into the unit that is reduced, from 16 to 32 bits at the rate that was measured of
  /// it; others' at the rate of casts.
  @Test(arguments: [("torchtitan", 1.89e12), ("plain", 3.039e12)])
  func gradientsAreCastIntoUnits(framework: String, rate: Double) throws {
    let step = try Self.step(framework, ["gradient-accumulation-fusion: false"])
    let casts = step.input.stages[0].backward.operations.filter {
      switch $0.kernel {
      case .convert(.castIntoUnit, _, _, .bfloat16, .float32): framework == "torchtitan"
      case .convert(.cast, _, _, .bfloat16, .float32): framework == "plain"
      default: false
      }
    }
    // Four products of each layer, and the head's; the head's is the largest.
    #expect(casts.count >= 3 * 4 + 1)
    let head = try #require(
      casts.first { step.input.stages[0].buffers[Int($0.outputs[0].index)].rows == .fixed(128_256) }
    )
    let seconds = step.pricing.seconds(of: head, rows: .init(), isOverlapped: false)
    #expect(abs(6 * 128_256.0 * 4_096 / seconds / rate - 1) < 0.01)
  }

  /// PyTorch's products have a workspace for each of two threads, forward's and autograd's, of 32 MiB on Hopper and
  /// 8 MiB and 128 KiB before; Transformer Engine one of its own beside them.
  @Test func workspacesOfThreads() throws {
    func workspaces(_ framework: String, _ cluster: [String] = []) throws -> Int {
      try Self.step(framework, cluster: cluster).report().memory.workspace
        .first { $0.name == "workspaces of products" }?.bytes ?? 0
    }
    #expect(try workspaces("plain") == 0)
    for framework in ["torchtitan", "llm-foundry", "megatron-local"] {
      #expect(try workspaces(framework) == 64 << 20)
    }
    #expect(try workspaces("megatron-lm") == 96 << 20 + 1024)
    // Blackwell: large ones of Transformer Engine, small ones of PyTorch; Ada: small ones of both.
    let small = 2 * (8 << 20 + 128 << 10)
    #expect(
      try workspaces("megatron-lm", ["device.compute-capability=10.0"])
        == 32 << 20 + 1024 + small)
    #expect(
      try workspaces("megatron-lm", ["device.compute-capability=8.9"]) == 4 << 20 + small)
  }

  /// What is copied is written before it is read, and what was gathered is read by its copy alone.
  @Test func copiesComeBeforeTheirUse() throws {
    let stage = try Self.step("torchtitan").input.stages[0]
    for program in [stage.forward, stage.backward] {
      let operations = program.operations
      for (index, operation) in operations.enumerated() {
        guard case .convert(.copyOutOfUnit, _, columns: 1, .bfloat16, .bfloat16) = operation.kernel
        else { continue }
        let (made, whole) = (
          operation.operands[..<operation.outputCount], operation.operands[operation.outputCount...]
        )
        for other in operations[..<index] {
          #expect(!other.operands.contains { made.contains($0) })
        }
        for other in operations.indices where other != index {
          #expect(!operations[other].operands.contains { whole.contains($0) })
        }
      }
    }
  }
}
