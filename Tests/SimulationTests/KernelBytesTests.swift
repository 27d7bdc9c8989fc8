import Costs
import Plans
import Programs
import Simulation
import Testing

/// What kernels read and write is counted in the formats that the program holds it in.
@Suite struct KernelBytesTests {
  /// A model of 4 mixture layers over 2 pipeline positions, 32 copies and expert groups of 32.
  static func step(_ precision: String, _ more: [String] = []) throws -> PlannedStep {
    try PrecisionKeyTests.step(precision, more)
  }

  /// A first operation of the first stage's programs, in the order of a step.
  static func operation(
    in step: PlannedStep, where isMatch: (Kernel) -> Bool
  ) throws -> Programs.Operation {
    let stage = step.input.stages[0]
    let programs = [
      stage.forward, stage.backward, stage.reduce, stage.norm, stage.update, stage.settle,
    ]
    return try #require(programs.flatMap(\.operations).first { isMatch($0.kernel) })
  }

  /// Every exchange brings 1,024 rows.
  static let rows = ExchangeRows(
    received: Array(repeating: 1_024, count: 4), routed: Array(repeating: 1_024, count: 4),
    sent: Array(repeating: 1_024, count: 4))

  /// Whether an operation costs a gap and a pass over so many bytes.
  static func expect(
    _ operation: Programs.Operation, _ kernel: StreamingClass, bytes: Double, in step: PlannedStep,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let device = step.pricing.device
    let expected = device.launchGap + StreamingCost(device).cost(kernel, bytes: bytes).seconds
    let priced = step.pricing.seconds(of: operation, rows: rows, isOverlapped: false)
    #expect(abs(priced - expected) < 1e-12, "\(operation.kernel)", sourceLocation: location)
  }

  // MARK: Rows of experts

  /// Bytes of a row of 4,096 numbers: 16 bits, or 8 bits with a scale per 128.
  static let (wide, narrow) = (8_192.0, 4_224.0)

  static let moved: [(precision: String, ranks: Int, forth: Double, back: Double)] = [
    ("fp8-deepseek", 32, narrow, narrow), ("{base: fp8-deepseek, dispatch: bf16}", 32, wide, wide),
    ("{base: bf16, dispatch: e4m3}", 32, narrow, narrow), ("bf16", 32, wide, wide),
    // Where no exchange brings them, rows are quantised for FP8 products only, and gradients are not.
    ("fp8-deepseek", 1, narrow, wide), ("{base: bf16, dispatch: e4m3}", 1, wide, wide),
  ]

  @Test(arguments: moved)
  func rowsMoveInTheFormatInWhichTheyLie(
    example: (precision: String, ranks: Int, forth: Double, back: Double)
  ) throws {
    let step = try Self.step(example.precision, ["expert-parallel=\(example.ranks)"])
    let forth = try Self.operation(in: step) {
      if case .permute(_, _, .forward) = $0 { true } else { false }
    }
    let back = try Self.operation(in: step) {
      if case .unpermute(_, _, .backwardInput) = $0 { true } else { false }
    }
    Self.expect(forth, .permute, bytes: 2 * 1_024 * example.forth, in: step)
    Self.expect(back, .permute, bytes: 2 * 1_024 * example.back, in: step)
  }

  static let gated: [(precision: String, recompute: String, written: Double)] = [
    ("fp8-deepseek", "none", 1), ("{base: fp8-deepseek, kept-linear-inputs: bf16}", "none", 2),
    ("{base: fp8-deepseek, kept-linear-inputs: bf16}", "[swiglu]", 1), ("bf16", "none", 2),
    ("bf16", "[swiglu]", 2),
  ]

  /// A gated unit reads two numbers of 16 bits and writes one, in 8 bits where FP8 products alone read it.
  @Test(arguments: gated) func gatedUnitsWriteWhatIsKept(
    example: (precision: String, recompute: String, written: Double)
  ) throws {
    let step = try Self.step(example.precision, ["recompute=\(example.recompute)"])
    let unit = try Self.operation(in: step) {
      if case .gatedUnit(_, _, _, .forward) = $0 { true } else { false }
    }
    let output = step.input.stages[0].buffers[Int(unit.outputs[0].index)]
    #expect(output.format.isFloat8 == (example.written == 1))
    Self.expect(
      unit, .swigluForward, bytes: (4 + example.written) * 1_024 * Double(output.columns), in: step)
  }

  // MARK: The optimizer

  struct Update: Sendable {
    var change: String
    /// Bytes that an update moves for a parameter that all replicas share, and for one of an expert, which
    /// has no other copy: it is neither reduced nor gathered.
    var shared: Int
    var expert: Int
    /// What is squared for the norm.
    var gradients: (shared: Format, expert: Format)
  }

  static let updates: [Update] = [
    Update(change: "", shared: 30, expert: 30, gradients: (.float32, .float32)),
    Update(
      change: ", gradient-reduction: bf16", shared: 28, expert: 30,
      gradients: (.bfloat16, .float32)),
    Update(
      change: ", parameter-gather: float32", shared: 32, expert: 30,
      gradients: (.float32, .float32)),
    Update(
      change: ", linear-weights: float32", shared: 30, expert: 32, gradients: (.float32, .float32)),
    Update(change: ", moments: bf16", shared: 22, expert: 22, gradients: (.float32, .float32)),
    Update(
      change: ", master-weights: none", shared: 24, expert: 24, gradients: (.float32, .float32)),
  ]

  @Test(arguments: updates) func updatesMoveEachPartInItsFormat(example: Update) throws {
    let step = try Self.step("{base: bf16\(example.change)}")
    let stage = step.input.stages[0]
    let segments = [
      (TransferKind.Group.gradient, example.shared, example.gradients.shared),
      (.expertGradient, example.expert, example.gradients.expert),
    ]
    for (group, bytes, format) in segments {
      let place = try #require(stage.segments.firstIndex { $0.group == group })
      let elements = stage.segments[place].shardElements
      let update = stage.update.operations[place]
      #expect(update.kernel == .adamW(elements: elements, bytes: bytes * elements))
      Self.expect(update, .optimizer, bytes: Double(bytes) * Double(elements), in: step)
      let square = stage.norm.operations[place]
      #expect(square.kernel == .squareSum(elements: elements, format))
      Self.expect(
        square, .elementwise, bytes: Double(format.bytes(columns: 1) * elements), in: step)
    }
  }

  /// Without a gather every parameter is written in its own format.
  @Test func parametersAreWrittenInTheirOwnFormats() throws {
    let stage = try Self.step("{base: bf16, other-parameters: float32}", ["zero-stage=0"])
      .input.stages[0]
    let segment = try #require(stage.segments.first { $0.group == .gradient })
    let others = segment.parameters.map { stage.parameters[$0] }
      .filter { stage.buffers[Int($0.buffer.index)].format == .float32 }
      .reduce(0) { $0 + $1.elements }
    #expect(others > 0 && others < segment.elements)
    let expected = Kernel.adamW(
      elements: segment.elements, bytes: 30 * segment.elements + 2 * others)
    #expect(stage.update.operations.map(\.kernel).contains(expected))
  }

  // MARK: Casts

  /// A plain cast is a pass over a whole tensor; the pass behind fused attention's backward has a rate of
  /// its own.
  @Test func castsArePricedAsWhatTheyAre() throws {
    let step = try Self.step("{base: bf16, parameter-gather: float32}")
    let plain = try Self.operation(in: step) {
      if case .convert(.cast, _, _, _, _) = $0 { true } else { false }
    }
    let behind = try Self.operation(in: step) {
      if case .convert(.attentionConvert, _, _, _, _) = $0 { true } else { false }
    }
    for (operation, kernel) in [
      (plain, StreamingClass.elementwise), (behind, .attentionConversion),
    ] {
      guard case .convert(_, .fixed(let rows), let columns, .float32, .bfloat16) = operation.kernel
      else {
        Issue.record("\(operation.kernel)")
        continue
      }
      Self.expect(operation, kernel, bytes: 6 * Double(rows * columns), in: step)
    }
  }
}
