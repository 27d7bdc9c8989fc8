import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Weight products that add to the sums of gradients, or whose gradients are added by kernels of their own.
@Suite struct GradientFusionTests {
  private static func step(_ more: [String] = []) throws -> PlannedStep {
    let plan = ["global-batch: 4", "sequence-length: 2048"]
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
      cluster: .shipped("h800-2048"),
      plan: .read(
        Document(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  private struct NoProduct: Error {}

  private static let apart = "gradient-accumulation-fusion: false"

  /// Every product of a weight is followed by one that adds its gradient, over 10 bytes a number: 16 bits
  /// in, 32 in and out.
  @Test func everyGradientIsAdded() throws {
    let step = try Self.step([Self.apart])
    let stage = step.input.stages[0]
    let operations = stage.backward.operations
    var added = 0
    for (index, operation) in operations.enumerated() {
      guard case .matmul(let product) = operation.kernel, product.pass == .backwardWeight else {
        continue
      }
      let addition = operations[index + 1]
      let formed = stage.buffers[Int(operation.outputs[0].index)]
      #expect(addition.inputs.last == operation.outputs[0])
      #expect(formed.format == .bfloat16)
      let sum = stage.buffers[Int(addition.outputs[0].index)]
      #expect(sum.use == .gradient && sum.scope == .stage)
      #expect(sum.rows == formed.rows && sum.columns == formed.columns)
      KernelBytesTests.expect(
        addition, .elementwise, bytes: 10 * Double(product.n) * Double(product.k), in: step)
      added += 1
    }
    // Four products of each layer, and the head's.
    #expect(added == 2 * 4 + 1)
  }

  /// A product that adds to a sum of 32 bits reads and writes it at the rate of sums.
  ///
  /// One that forms a gradient of 16 bits does not. On H100s tiles that are only written take no time.
  @Test(arguments: [("bf16", "bf16"), ("fp8-tensor", "cublaslt-fp8")])
  func sumsHaveARateOfTheirOwn(precision: String, library: String) throws {
    func product(_ more: [String], _ cluster: [String]) throws -> (Matmul, Double) {
      let plan =
        ["global-batch: 4", "sequence-length: 8192", "precision: \(precision)"] + more
      let step = try PlannedStep(
        architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
        cluster: .shipped("h100-2048", overrides: ["device.power-cap=null"] + cluster),
        plan: .read(Document(text: plan.joined(separator: "\n"), name: "plan"), name: "plan"))
      // The last one is of a layer, whose operands have the recipe's format.
      for operation in step.input.stages[0].backward.operations.reversed() {
        guard case .matmul(let matmul) = operation.kernel, matmul.pass == .backwardWeight else {
          continue
        }
        return (
          matmul, step.pricing.seconds(of: operation, rows: .init(), isOverlapped: false)
        )
      }
      throw NoProduct()
    }
    let fast = "device.kernels.matmul.\(library).accumulation-rate=10000 TB/s"
    let (matmul, added) = try product([], [])
    let numbers = Double(matmul.n * matmul.k)
    let free = try product([], [fast]).1
    // 8 bytes a number over the rate of all multiprocessors, of a product that memory does not bound; waves are
    // not quite full.
    let longer = (added - free) / (numbers * 8 / 4.753e12)
    #expect(longer > 0.7 && longer < 1.5, "\(longer)")
    #expect(try product([Self.apart], []).1 == product([Self.apart], [fast]).1)
  }

  /// The work is the same, the step longer, and no larger where products add.
  @Test func fusionSparesTimeAndMemory() throws {
    let (fused, apart) = (try Self.step().report(), try Self.step([Self.apart]).report())
    #expect(fused.hardwareFLOPsCausal == apart.hardwareFLOPsCausal)
    #expect(fused.stepSeconds < apart.stepSeconds)
    #expect(fused.memory.peak < apart.memory.peak)
    #expect(fused == (try Self.step(["gradient-accumulation-fusion: true"]).report()))
  }

  /// Where a pass reduces whole gradients they are copied into what is reduced: 6 bytes a number.
  @Test func shardedGradientsAreCopied() throws {
    let step = try Self.step([Self.apart, "data-parallel: 2", "zero-stage: 3"])
    let stage = step.input.stages[0]
    let casts = stage.backward.operations.filter {
      if case .convert(.cast, _, _, .bfloat16, .float32) = $0.kernel { true } else { false }
    }
    #expect(casts.count == 2 * 4 + 1)
    for cast in casts {
      let gradient = stage.buffers[Int(cast.outputs[0].index)]
      guard case .fixed(let rows) = gradient.rows else { continue }
      KernelBytesTests.expect(
        cast, .elementwise, bytes: 6 * Double(rows) * Double(gradient.columns), in: step)
    }
  }

  /// Megatron-LM's products add and need dummies for autograd; PyTorch's own trainer forms gradients.
  @Test func frameworksDecide() throws {
    for (framework, fuses) in [("megatron-lm", true), ("torchtitan", false)] {
      let step = try Self.step(["framework: \(framework)"])
      let fused = try Self.step(["framework: \(framework)", "gradient-accumulation-fusion: true"])
      let apart = try Self.step(["framework: \(framework)", Self.apart])
      #expect(step.report() == (fuses ? fused : apart).report())
      #expect(fused.report() != apart.report())
      #expect(step.assumptions.contains { $0.hasPrefix("gradient-accumulation-fusion \(fuses)") })
      let dummies = apart.report().memory.workspace.filter { $0.name == "dummy weight gradients" }
      #expect(dummies.isEmpty)
    }
  }

  /// A framework's embedding has a gradient as large as its table, filled with zeros first and added last.
  @Test func embeddingsFormTheirTables() throws {
    for framework in ["plain", "megatron-lm", "torchtitan"] {
      let stage = try Self.step(["framework: \(framework)"]).input.stages[0]
      let operations = stage.backward.operations
      let place = try #require(
        operations.firstIndex {
          if case .embedding = $0.kernel { true } else { false }
        })
      let table = stage.buffers[Int(operations[place].outputs[0].index)]
      #expect(table.rows == .fixed(128_256) && table.columns == 4_096)
      #expect((table.scope == .stage) == (framework == "plain"))
      guard framework != "plain" else { continue }
      #expect(table.format == .bfloat16)
      // As many bytes as zeros of 16 bits.
      #expect(operations[place - 1].kernel == .clear(elements: 128_256 * 4_096 / 2))
      #expect(operations[place + 1].inputs.last == operations[place].outputs[0])
    }
  }
}
