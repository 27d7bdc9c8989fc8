import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// Every key of a precision moves bytes, memory or time, or is refused; no precision is priced as another.
@Suite struct PrecisionKeyTests {
  static let plan = """
    data-parallel: 32
    pipeline-parallel: 2
    expert-parallel: 32
    zero-stage: 1
    global-batch: 128
    sequence-length: 4096
    dispatcher: deepep
    communication-sms: 20
    gradient-bucket: 1000000000000
    """

  static func report(
    _ precision: String, _ more: String..., cluster: [String] = []
  ) throws -> StepReport {
    try step(precision, more, cluster: cluster).report()
  }

  static func step(
    _ precision: String, _ more: [String] = [], cluster: [String] = []
  ) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=4"]),
      // Waits for slow passes end with the update: they would follow the time of every pass.
      cluster: .named("h800-2048", overrides: ["device.jitter=null"] + cluster),
      plan: .read(
        Document(text: plan, name: "plan"), name: "plan",
        overrides: ["precision=\(precision)"] + more))
  }

  /// A figure of a step that a precision may move.
  enum Figure: Sendable, CaseIterable {
    case parameters, gradients, optimizer, activations, communication
    case exchange, sends, reductions
    case forward, backward, update, step

    func read(_ report: StepReport) -> Double {
      switch self {
      case .parameters: Double(report.memory.parameters)
      case .gradients: Double(report.memory.gradients)
      case .optimizer: Double(report.memory.optimizer)
      case .activations: Double(report.memory.activations)
      case .communication: Double(report.memory.communication)
      case .exchange: report.expert.total
      case .sends: report.pipeline.total
      case .reductions: report.data.total
      case .forward: report.split.forward
      case .backward: report.split.backward
      case .update: report.split.optimizer
      case .step: report.stepSeconds
      }
    }
  }

  /// What a change of one key of a base moves, and which way; and what it leaves as it was.
  struct Case: Sendable, CustomTestStringConvertible {
    var base: String
    var change: String
    var grows: [Figure] = []
    var shrinks: [Figure] = []
    var stays: [Figure]
    var testDescription: String { "\(base), \(change)" }
    /// The recipe that the base is, or that it starts from.
    var recipe: String {
      base.hasPrefix("{base: ") ? String(base.dropFirst(7).prefix { $0 != "," }) : base
    }
  }

  static let cases: [Case] = [
    Case(
      base: "bf16", change: "linear-weights: float32", grows: [.parameters, .forward, .update],
      stays: [.gradients, .optimizer, .activations, .exchange, .reductions]),
    Case(
      base: "fp8-deepseek", change: "linear-weights: bf16", grows: [.forward, .backward],
      shrinks: [.parameters], stays: [.gradients, .optimizer, .activations, .exchange]),
    Case(
      base: "bf16", change: "other-parameters: float32", grows: [.parameters, .forward],
      stays: [.gradients, .optimizer, .activations, .exchange, .reductions]),
    Case(
      base: "float32", change: "attention-operands: tf32", shrinks: [.forward, .backward],
      stays: [.parameters, .gradients, .optimizer, .activations, .exchange, .reductions, .update]),
    Case(
      base: "float32", change: "head-operands: tf32", shrinks: [.forward, .backward, .step],
      stays: [.parameters, .gradients, .optimizer, .activations, .exchange, .reductions, .update]),
    Case(
      base: "bf16", change: "head-operands: e4m3", shrinks: [.step],
      stays: [.optimizer, .exchange, .reductions, .update]),
    Case(
      base: "bf16", change: "kept-linear-inputs: e4m3", grows: [.forward, .backward],
      shrinks: [.activations], stays: [.optimizer, .exchange, .reductions, .update]),
    Case(
      base: "fp8-deepseek", change: "kept-linear-inputs: bf16",
      grows: [.activations, .forward, .backward],
      stays: [.parameters, .optimizer, .exchange, .reductions, .update]),
    Case(
      base: "bf16", change: "kept-attention-outputs: e5m6", grows: [.forward, .backward],
      shrinks: [.activations], stays: [.parameters, .optimizer, .exchange, .reductions, .update]),
    Case(
      base: "bf16", change: "kept-activation-inputs: e4m3", grows: [.forward, .backward],
      shrinks: [.activations], stays: [.optimizer, .exchange, .reductions, .update]),
    Case(
      base: "bf16", change: "pipeline-sends: float32",
      grows: [.sends, .activations, .forward, .backward],
      stays: [.parameters, .gradients, .optimizer, .exchange, .reductions]),
    Case(
      base: "bf16", change: "gradient-reduction: bf16", grows: [.communication, .backward],
      shrinks: [.reductions],
      stays: [.parameters, .gradients, .optimizer, .activations, .forward, .exchange]),
    Case(
      base: "bf16", change: "parameter-gather: float32", grows: [.reductions, .update],
      stays: [.parameters, .gradients, .optimizer, .forward, .backward, .exchange]),
    Case(
      base: "bf16", change: "gradients: bf16", grows: [.communication], shrinks: [.gradients],
      stays: [.parameters, .optimizer, .activations, .forward, .exchange]),
    Case(
      base: "bf16", change: "gradients: bf16, gradient-reduction: bf16",
      shrinks: [.gradients, .backward, .reductions],
      stays: [.parameters, .optimizer, .activations, .forward, .exchange, .communication]),
    Case(
      base: "bf16", change: "moments: bf16", shrinks: [.optimizer, .update],
      stays: [.parameters, .gradients, .activations, .forward, .backward, .reductions]),
    Case(
      base: "{base: bf16, moments: bf16}", change: "moments: e4m3", shrinks: [.optimizer, .update],
      stays: [.parameters, .gradients, .activations, .forward, .backward, .reductions]),
    Case(
      base: "bf16", change: "master-weights: none", shrinks: [.optimizer, .update],
      stays: [.parameters, .gradients, .activations, .forward, .backward, .reductions]),
    Case(
      base: "bf16", change: "dispatch: e4m3", shrinks: [.exchange, .activations],
      stays: [.optimizer, .reductions, .update]),
    Case(
      base: "bf16", change: "combine: e5m6", shrinks: [.exchange],
      stays: [.parameters, .gradients, .optimizer, .activations, .reductions, .update]),
    Case(
      base: "fp8-deepseek", change: "scale-block: 32",
      grows: [.exchange, .activations, .forward, .backward],
      stays: [.gradients, .optimizer, .reductions]),
  ]

  @Test(arguments: cases) func everyKeyActs(example: Case) throws {
    let base = try Self.report(example.base)
    let changed = try Self.report("{base: \(example.recipe), \(example.change)}")
    for figure in example.grows {
      #expect(figure.read(changed) > figure.read(base), "\(figure)")
    }
    for figure in example.shrinks {
      #expect(figure.read(changed) < figure.read(base), "\(figure)")
    }
    for figure in example.stays {
      let (new, old) = (figure.read(changed), figure.read(base))
      #expect(abs(new - old) <= 1e-6 * old, "\(figure): \(old) to \(new)")
    }
  }

  /// Narrow operands make products shorter and add casts: either may be more.
  @Test func narrowLinearOperandsAct() throws {
    let base = try Self.report("bf16")
    let changed = try Self.report("{base: bf16, linear-operands: e4m3}")
    #expect(changed.stepSeconds != base.stepSeconds)
    for product in [KernelTimes.Class.matmul, .groupedMatmul] {
      for pass in [KernelTimes.Pass.forward, .backwardInput, .backwardWeight] {
        #expect(
          changed.kernels[product, pass] < base.kernels[product, pass], "\(product), \(pass)")
      }
    }
  }

  static let refused: [(String, String)] = [
    ("{base: bf16, attention-operands: e4m3}", "precision.attention-operands e4m3"),
    ("{base: bf16, attention-operands: float32}", "precision.attention-operands float32"),
    ("{base: bf16, linear-operands: tf32}", "precision.linear-operands tf32"),
    ("{base: bf16, linear-weights: e4m3}", "linear-operands e4m3"),
    ("{base: bf16, kept-linear-inputs: float32}", "precision.kept-linear-inputs float32"),
    ("{base: bf16, dispatch: float32}", "precision.dispatch float32"),
    ("{base: bf16, gradient-reduction: e4m3}", "precision.gradient-reduction e4m3"),
    ("{base: bf16, moments: e5m6}", "precision.moments e5m6"),
    ("{base: float32, activations: tf32}", "precision.activations tf32"),
    ("{base: bf16, scale-block: 64}", "scale-block 64 has nothing to act on"),
  ]

  /// Where no kernel is described, one line says so.
  @Test(arguments: refused) func whatHasNoKernelIsRefused(precision: String, words: String) throws {
    let error = try #require(throws: PlanError.self) { _ = try Self.report(precision) }
    #expect("\(error)".contains(words) && !"\(error)".contains("\n"), "\(error)")
  }

  // MARK: Recipes

  /// Each format has the rate of its peak, and what it borrows is said.
  @Test func noFormatIsPricedAsAnother() throws {
    func rate(_ precision: String) throws -> Double { try Self.report(precision).flopsPerGPUCausal }
    let (wide, rounded) = (try rate("float32"), try rate("tf32"))
    let (half, brain) = (try rate("float16"), try rate("bf16"))
    let small = try rate("fp8-deepseek")
    #expect(wide < rounded && rounded < brain && brain < small)
    #expect(half == brain)
    #expect(wide < 66.9e12 && rounded < 494.5e12 && brain < 989e12)
    #expect(
      try Self.step("float32").assumptions
        == ["float32 products as efficient as BF16's, at peak.fp32"])
    #expect(
      try Self.step("tf32").assumptions == ["tf32 products as efficient as BF16's, at peak.tf32"])
    #expect(try Self.step("bf16").assumptions == [])
    let slower = try Self.report("float32", cluster: ["device.peak.fp32.value=30 TFLOPS"])
    #expect(slower.flopsPerGPUCausal < wide)
  }

  /// A recipe whose format the device does not have.
  @Test(arguments: ["float32", "tf32", "float16", "fp8-deepseek"])
  func aFormatWithoutPeakIsRefused(recipe: String) throws {
    let error = try #require(throws: PlanError.self) {
      _ = try Self.report(
        recipe, cluster: ["device.peak={bf16: {value: 989 TFLOPS, source: a test}}"])
    }
    #expect("\(error)".contains("states no peak for H800 SXM5 (device.peak."), "\(error)")
  }

  /// A precision does not choose what a step runs on: float32 has the programs of a device, and its head is
  /// not fused unless the plan says so.
  @Test func float32IsADeviceProgramHere() throws {
    let wide = try Self.step("float32").input.stages[0]
    let brain = try Self.step("bf16").input.stages[0]
    #expect(wide.forward.operations.count == brain.forward.operations.count)
    #expect(wide.buffers.allSatisfy { $0.name != "staging" })
    let fused = try Self.report("float32", "fused-head=true")
    #expect(fused.stepSeconds != (try Self.report("float32")).stepSeconds)
  }
}
