import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// Steps in FP8 with one scale a tensor: what they cost beside BF16, and what is refused.
@Suite struct TensorFloat8StepTests {
  static let plan = """
    data-parallel: 8
    zero-stage: 1
    global-batch: 16
    sequence-length: 2048
    """

  static func step(
    _ precision: String, _ more: [String] = [], cluster: String = "h100-2048",
    clusterChanges: [String] = []
  ) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=4"]),
      cluster: .named(cluster, overrides: clusterChanges),
      plan: .read(
        Document(text: plan, name: "plan"), name: "plan",
        overrides: ["precision=\(precision)"] + more))
  }

  static func tensor(_ change: String) -> String { "{base: fp8-tensor, \(change)}" }

  /// FP8 products in layers are faster in every pass, and a part of the gain goes into casts.
  @Test func productsAreFaster() throws {
    let (wide, narrow) = (try Self.step("bf16").report(), try Self.step("fp8-tensor").report())
    #expect(narrow.stepSeconds < wide.stepSeconds)
    for pass in [KernelTimes.Pass.forward, .backwardInput, .backwardWeight] {
      #expect(narrow.kernels[.matmul, pass] < wide.kernels[.matmul, pass], "\(pass)")
    }
    #expect(narrow.kernels[.quantize, .forward] > 0 && wide.kernels[.quantize, .forward] == 0)
  }

  /// Weights are cast once in a step: twice the microbatches take as long at that, and twice as long in
  /// passes.
  @Test func weightsAreCastOnceInAStep() throws {
    let (few, many) = (
      try Self.step("fp8-tensor").report(),
      try Self.step("fp8-tensor", ["global-batch=32"]).report()
    )
    #expect(few.kernels[.quantize, .optimizer] > 0)
    #expect(few.kernels[.quantize, .optimizer] == many.kernels[.quantize, .optimizer])
    #expect(2 * few.kernels[.quantize, .forward] == many.kernels[.quantize, .forward])
  }

  /// A kernel that casts in both directions reads two bytes of a number and writes two.
  @Test func castsArePricedByTheirBytes() throws {
    let step = try Self.step("{base: fp8-tensor, fp8-scaling: current}", ["recompute=full"])
    for (kind, kernel, bytes) in [
      (Streaming.castTranspose, StreamingClass.quantiseTranspose, 4.0),
      (.greatestMagnitude, .greatestMagnitude, 2), (.quantize, .castFloat8, 3),
    ] {
      let operation = try KernelBytesTests.operation(in: step) {
        if case .convert(kind, _, _, _, _) = $0 { true } else { false }
      }
      guard case .convert(_, .fixed(let rows), let columns, _, _) = operation.kernel else {
        Issue.record("\(operation.kernel)")
        continue
      }
      KernelBytesTests.expect(operation, kernel, bytes: bytes * Double(rows * columns), in: step)
    }
    let delayed = try Self.step("fp8-tensor")
    let norm = try KernelBytesTests.operation(in: delayed) {
      if case .quantizedNorm = $0 { true } else { false }
    }
    // 2,048 rows of 4,096 numbers.
    KernelBytesTests.expect(norm, .rmsnormForward, bytes: 3 * 2_048 * 4_096, in: delayed)
  }

  /// Beside the update of weights in BF16 lie two copies of a byte; weights in FP8 alone take as much as in
  /// BF16, and half of their gather is gone.
  @Test func memoryOfCopies() throws {
    let layer = 4_096 * (6_144 + 4_096 + 2 * 14_336) + 14_336 * 4_096
    let wide = try Self.step("bf16").report()
    let copies = try Self.step("fp8-tensor").report()
    let alone = try Self.step(Self.tensor("fp8-param-gather: true")).report()
    #expect(copies.memory.parameters - wide.memory.parameters == 2 * 4 * layer)
    #expect(alone.memory.parameters == wide.memory.parameters)
    #expect(alone.data.total < copies.data.total)
    #expect(copies.memory.activations < wide.memory.activations)
  }

  /// A library multiplies what it is for, and is what the recipe takes by itself.
  @Test func theLibraryFollowsFromTheScales() throws {
    #expect(try Self.step("fp8-tensor").pricing.library == .fp8PerTensor)
    #expect(
      try Self.step("fp8-tensor", ["library=cublaslt-fp8"]).report().stepSeconds
        == Self.step("fp8-tensor").report().stepSeconds)
    #expect(try Self.step("fp8-deepseek").pricing.library == .fp8April2025)
  }

  /// On a device that has it, MXFP8 takes the kernels of blocks, and says so.
  @Test func microscalingBorrows() throws {
    let step = try Self.step(
      "mxfp8",
      clusterChanges: ["device.peak.mxfp8={value: 1978.9 TFLOPS, source: a test}"])
    #expect(step.pricing.library == .fp8April2025)
    let named = try Self.step(
      "mxfp8", ["library=cublaslt-fp8"],
      clusterChanges: ["device.peak.mxfp8={value: 1978.9 TFLOPS, source: a test}"])
    #expect(named.pricing.library == .fp8PerTensor)
    #expect(step.assumptions.contains { $0.hasPrefix("MXFP8 products as fast as FP8") })
    #expect(step.report().stepSeconds > 0)
  }

  /// Blackwell's files state the peak, and the line says whose kernels are taken.
  @Test(arguments: ["b200-256", "gb200-nvl72"]) func microscalingOnBlackwell(name: String) throws {
    let device = try Cluster.named(name).device
    #expect(device.peak(.mxfp8)?.value == device.peak(.fp8)?.value)
    let step = try Self.step("mxfp8", cluster: name)
    #expect(step.assumptions.contains { $0.hasPrefix("MXFP8 products as fast as FP8") })
    #expect(step.report().stepSeconds < (try Self.step("bf16", cluster: name)).report().stepSeconds)
  }

  static let refused: [(precision: String, more: [String], cluster: String, words: String)] = [
    (
      "mxfp8", [], "h100-2048",
      "needs MXFP8 products, of which the cluster's file states no peak for H100 SXM5 (device.peak.mxfp8)"
    ),
    ("fp8-tensor", [], "a100-selene", "needs e4m3 products, of which"),
    (
      "fp8-tensor", [], "h800-2048",
      "has no constants of FP8 kernels with one scale a tensor on H800 SXM5"
    ),
    ("fp8-tensor", ["library=fp8-2025-04"], "h100-2048", "with one scale a block"),
    ("fp8-deepseek", ["library=cublaslt-fp8"], "h100-2048", "with one scale a tensor"),
    (
      tensor("fp8-param-gather: true"), ["zero-stage=0"], "h100-2048",
      "precision.fp8-param-gather true goes with an optimizer that is divided"
    ),
    (
      "{base: fp8-deepseek, fp8-param-gather: true}", [], "h100-2048",
      "precision.fp8-param-gather true is for weights in e4m3 with one scale a tensor"
    ),
    (
      tensor("fp8-param-gather: true, master-weights: none"), [], "h100-2048",
      "leaves the optimizer nothing to update"
    ),
    (
      tensor("bf16-first-layers: 1"), [], "h100-2048",
      "precision.bf16-first-layers 1 needs scales of the tensor's own"
    ),
    (
      tensor("fp8-scaling: current, bf16-last-layers: 5"), [], "h100-2048",
      "precision.bf16-last-layers 5 is more than the 4 layers of the model"
    ),
    ("{base: bf16, bf16-last-layers: 1}", [], "h100-2048", "has nothing to act on"),
    ("{base: bf16, fp8-scaling: delayed}", [], "h100-2048", "has nothing to act on"),
    (tensor("scale-block: 64"), [], "h100-2048", "has nothing to act on"),
    (tensor("dispatch: e4m3"), [], "h100-2048", "precision.dispatch e4m3 travels with scales"),
    (
      "{base: fp8-deepseek, tensor-gather: e4m3}", [], "h100-2048",
      "precision.tensor-gather e4m3 must be that of activations"
    ),
  ]

  /// One line says what is not described, or does not act.
  @Test(arguments: refused) func whatIsNotDescribedIsRefused(
    example: (precision: String, more: [String], cluster: String, words: String)
  ) throws {
    let error = try #require(throws: PlanError.self) {
      _ = try Self.step(example.precision, example.more, cluster: example.cluster)
    }
    #expect("\(error)".contains(example.words) && !"\(error)".contains("\n"), "\(error)")
  }

  /// A plan with keys of its own reads back as it was written.
  @Test func plansReadBack() throws {
    let plan = try Self.step(
      Self.tensor("fp8-scaling: current, bf16-first-layers: 1, bf16-last-layers: 2"),
      ["tensor-parallel=2", "data-parallel=4"]
    ).placed.plan
    let again = try Plan.read(Document(text: plan.yaml, name: "again"), name: "again")
    #expect(again.precision == plan.precision)
    #expect(again.precision.scaling == .current && again.precision.wideLastLayers == 2)
  }
}
