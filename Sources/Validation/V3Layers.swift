import Clusters
import Costs
import Plans
import Programs
import Simulation

/// Four mixture layers of DeepSeek-V3 as its plan's program has them on an H800, every kernel priced.
///
/// The experts have the rows that they got in the published trace; computation has the multiprocessors that
/// the plan leaves it beside its exchanges.
struct V3Layers {
  /// A kernel of the program, under the trace's label of its kind (small ones are `other`).
  struct Kernel {
    var phase: String
    /// The layer's place among the four.
    var layer: Int
    var kind: String
    var kernel: PricedKernel
  }

  static let phases = ["attn(F)", "mlp(F)", "attn(B)", "mlp(B)", "attn(W)", "mlp(W)"]

  let kernels: [Kernel]
  private let step: PlannedStep
  private let stageIndex: Int

  /// What every prediction for the published trace takes.
  static let run = PublishedRun(
    name: "overlapped pair", model: "deepseek-v3", cluster: "h800-2048", plan: "deepseek-v3",
    planOverrides: ["expert-load=balanced"])

  /// - Throws: `PlanError` where no stage of the plan has just four mixture layers.
  init(_ files: PublishedFiles, _ trace: V3Trace) throws {
    step = try files.planned(Self.run).step()
    let found = step.input.stages.firstIndex { Self.layers(of: $0).count == 4 }
    guard let found else {
      throw PlanError.cannotSimulate(
        key: "pipeline-parallel", value: "\(step.placed.plan.pipelineParallel)",
        rule: "leaves no stage with four mixture layers, as the published trace has them")
    }
    stageIndex = found
    let stage = step.input.stages[found]
    let numbers = Self.layers(of: stage)
    kernels = [(stage.forward, "F"), (stage.backward, "B")].flatMap { [step] program, pass in
      let rows = Self.rows(trace, pass)
      let phases = program.tracePhases(isForward: pass == "F")
      return zip(program.operations, phases).flatMap { operation, phase -> [Kernel] in
        guard let layer = numbers.firstIndex(of: operation.layer) else { return [] }
        return step.pricing.kernels(of: operation, rows: rows, isOverlapped: true).map {
          Kernel(phase: phase, layer: layer, kind: $0.traceKind, kernel: $0)
        }
      }
    }
  }

  /// The numbers of a stage's layers where all of them are mixtures and nothing else is in it.
  private static func layers(of stage: StageProgram) -> [Int] {
    let layers = stage.forward.operations.reduce(into: [Int]()) { layers, operation in
      if layers.last != operation.layer { layers.append(operation.layer) }
    }
    return layers.count == stage.exchangeCount && layers.allSatisfy { $0 >= 0 } ? layers : []
  }

  private static func rows(_ trace: V3Trace, _ pass: String) -> ExchangeRows {
    let received = V3Trace.layers.map { trace.receivedTokens($0, "mlp(\(pass))") }
    return ExchangeRows(
      received: received, routed: V3Trace.layers.map { trace.expertRows($0, pass) },
      sent: received)
  }

  /// Seconds of all kernels of a phase whose kind is one of these, in all layers.
  func seconds(_ phase: String, _ matches: (String) -> Bool = { _ in true }) -> Double {
    kernels.filter { $0.phase == phase && matches($0.kind) }.reduce(0) { $0 + $1.kernel.seconds }
  }

  /// Tokens of a microbatch on a rank.
  var tokens: Int { step.placed.plan.microbatchSize * step.placed.plan.sequenceLength }

  /// Seconds of the payload of one kind of exchange over the four layers.
  func payload(_ exchange: V3Exchange) -> Double { step.payload(exchange, ofStage: stageIndex) }
}

extension Program {
  /// The phase under which the trace has each operation.
  ///
  /// What is computed again belongs to what reads it. Kernels around exchanges stand with attention, which
  /// comes before a dispatch and behind the combine of the layer before; a gradient is quantised on the
  /// exchange's own stream.
  func tracePhases(isForward: Bool) -> [String] {
    let pass = isForward ? "F" : "B"
    var phases: [String] = []
    var reader = "attn(\(pass))"
    for operation in operations.reversed() {
      if !operation.isRecomputed {
        let half = !isForward && operation.pass == .backwardWeight ? "W" : pass
        switch operation.phase {
        case .feedForward: reader = "mlp(\(half))"
        case .combine where !isForward: reader = V3Exchange.combineBackward.rawValue
        default: reader = "attn(\(half))"
        }
      }
      phases.append(reader)
    }
    return phases.reversed()
  }
}

/// One of the four exchanges of a mixture layer, by the trace's names.
enum V3Exchange: String, CaseIterable {
  case dispatch = "dispatch(F)"
  case combine = "combine(F)"
  case combineBackward = "combine(B)"
  case dispatchBackward = "dispatch(B)"

  /// The label of the kernel that moves its rows.
  var kind: String {
    switch self {
    case .dispatch, .combineBackward: "ep_dispatch"
    case .combine, .dispatchBackward: "ep_combine"
    }
  }

  var isForward: Bool { self == .dispatch || self == .combine }

  fileprivate func matches(_ transfer: TransferKind) -> Bool {
    switch (self, transfer) {
    case (.dispatch, .dispatch), (.combine, .combine), (.combineBackward, .combineBackward),
      (.dispatchBackward, .dispatchBackward):
      true
    default: false
    }
  }
}

extension PlannedStep {
  /// Seconds of the payload kernels of one kind of exchange over a stage's layers, under a balanced load
  /// and beside computation.
  func payload(_ exchange: V3Exchange, ofStage index: Int) -> Double {
    let stage = input.stages[index]
    let program = exchange.isForward ? stage.forward : stage.backward
    return program.transfers.filter { exchange.matches($0.kind) }.reduce(0) { sum, transfer in
      sum
        + pricing.price(ofExchange: transfer, rows: input.balancedRows[index], isOverlapped: true)
        .payload
    }
  }
}

extension PricedKernel {
  /// The trace's label.
  fileprivate var traceKind: String {
    switch kind {
    case .product(let shape, let format):
      if !format.isFloat8 { return "bf16_gemm" }
      if shape.pass == .backwardWeight { return "fp8_wgrad_gemm" }
      return shape.rows.count > 1 ? "fp8_grouped_gemm" : "fp8_gemm"
    case .attention(_, _, let pass): return pass == .forward ? "flash_attn_fwd" : "flash_attn_bwd"
    case .cachedAttention: return "flash_attn_fwd"
    case .streaming(let kernel): return kernel.traceKind
    case .indexing: return "moe_index"
    case .routing, .tiny: return "other"
    }
  }
}

extension StreamingClass {
  fileprivate var traceKind: String {
    switch self {
    case .quantise, .quantiseWide: "quantize"
    case .quantiseTranspose: "quantize_transpose"
    case .transpose, .transposeScales: "transpose"
    case .dequantise: "dequantize"
    case .rmsnormForward: "rmsnorm_fwd"
    case .rmsnormBackward: "rmsnorm_bwd"
    case .rope: "rope"
    case .copy: "copy"
    case .swigluForward, .swigluBackward: "swiglu"
    case .permute: "moe_permute"
    case .unpermute: "moe_unpermute_reduce"
    case .attentionPreparation: "flash_attn_bwd_pre"
    case .attentionConversion: "flash_attn_bwd_post"
    default: "other"
    }
  }
}
