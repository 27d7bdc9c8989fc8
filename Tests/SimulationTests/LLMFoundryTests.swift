import Clusters
import Costs
import Documents
import Models
import Plans
import Programs
import Simulation
import Testing

/// What llm-foundry on Composer and PyTorch's first FSDP runs beside a model of two layers, in bytes.
@Suite struct LLMFoundryTests {
  private static let (layers, hidden, vocabulary, tokens) = (2, 2_048, 50_368, 3 * 1_024)

  private static func step(zero: Int = 3, _ more: String...) throws -> PlannedStep {
    let plan =
      [
        "data-parallel: 8", "zero-stage: \(zero)", "global-batch: 24", "microbatch-size: 3",
        "sequence-length: 1024",
      ] + more
    return try PlannedStep(
      architecture: .named("mpt-1b", overrides: ["n_layer=\(layers)"]),
      cluster: .shipped("h100-2048", overrides: ["nodes=1", "device.power-cap=null"]),
      plan: .read(Document(text: plan.joined(separator: "\n"), name: "plan"), name: "plan"))
  }

  private static let foundry = "framework: llm-foundry"

  /// Seconds of one kernel that is a pass over so many bytes.
  private func pass(_ kind: StreamingClass, _ bytes: Int, _ step: PlannedStep) -> Double {
    let device = step.pricing.device
    return device.launchGap + StreamingCost(device).cost(kind, bytes: Double(bytes)).seconds
  }

  private func seconds(_ operation: Programs.Operation, _ step: PlannedStep) -> Double {
    step.pricing.seconds(of: operation, rows: .init(), isOverlapped: false)
  }

  private func isClose(_ one: Double, _ other: Double) -> Bool {
    abs(one - other) < 1e-9 * max(one, other)
  }

  /// Conversions of a kind between two formats, with the numbers that each moves.
  private func conversions(
    _ program: Program, _ kind: Streaming, _ from: Format, _ to: Format, columns: Int
  ) -> [(rows: Int, operation: Programs.Operation)] {
    program.operations.compactMap { operation in
      guard case .convert(kind, let rows, columns, from, to) = operation.kernel else { return nil }
      return (ExchangeRows()(rows), operation)
    }
  }

  /// Every gradient that is scattered was joined in 16 bits, 4 bytes, and divided in 32, 8 bytes; with ZeRO 2 too.
  @Test(arguments: [2, 3]) func unitsAreFlat(stage zero: Int) throws {
    let step = try Self.step(zero: zero, Self.foundry)
    let program = step.input.stages[0].backward
    let sent = program.transfers.compactMap { transfer in
      if case .reduceScatter = transfer.kind { ExchangeRows()(transfer.rows) } else { nil }
    }
    #expect(sent.count >= Self.layers)
    let joined = conversions(program, .copy, .bfloat16, .bfloat16, columns: 1)
    let divided = conversions(program, .cast, .float32, .float32, columns: 1)
    #expect(joined.map(\.rows).sorted() == sent.sorted())
    #expect(divided.map(\.rows) == joined.map(\.rows))
    for (copy, division) in zip(joined, divided) {
      #expect(isClose(seconds(copy.operation, step), pass(.copy, 4 * copy.rows, step)))
      #expect(
        isClose(seconds(division.operation, step), pass(.elementwise, 8 * copy.rows, step)))
    }
    let plain = try Self.step("framework: torchtitan").input.stages[0].backward
    #expect(conversions(plain, .cast, .float32, .float32, columns: 1).isEmpty)
  }

  /// Two measures of the loss: each a cast, and 16 bytes a logit in 32 bits.
  @Test func theLossIsMeasured() throws {
    let step = try Self.step(Self.foundry)
    let program = step.input.stages[0].forward
    let casts = conversions(program, .cast, .bfloat16, .float32, columns: Self.vocabulary)
    let sums = conversions(program, .cast, .float32, .float32, columns: Self.vocabulary)
    #expect(casts.map(\.rows) == [Self.tokens, Self.tokens])
    #expect(sums.count == 4)
    let logits = Self.tokens * Self.vocabulary
    let whole = (casts + sums).reduce(0) { $0 + seconds($1.operation, step) }
    let expected =
      2 * pass(.elementwise, 6 * logits, step) + 4 * pass(.elementwise, 8 * logits, step)
    #expect(isClose(whole, expected))
    let plain = try Self.step().input.stages[0].forward
    #expect(conversions(plain, .cast, .bfloat16, .float32, columns: Self.vocabulary).isEmpty)
  }

  /// 8 bytes of a number for clipping; 20 for each moment, 24 for the denominator, 16 for the step.
  @Test func theUpdateIsOperators() throws {
    func moved(_ step: PlannedStep) -> (elements: Int, bytes: Int) {
      step.input.stages[0].update.operations.reduce((0, 0)) { sum, operation in
        guard case .adamW(let elements, let bytes) = operation.kernel else { return sum }
        return (sum.0 + elements, sum.1 + bytes)
      }
    }
    let (operators, fused) = try (moved(Self.step(Self.foundry)), moved(Self.step()))
    #expect(operators.elements == fused.elements)
    #expect(operators.bytes == 88 * operators.elements)
    // A gradient, the master weights and both moments in and out, and a copy of 16 bits.
    #expect(fused.bytes == (4 + 8 + 16 + 2) * fused.elements)
  }

  /// Around FlashAttention 2 rows are gathered without padding, and scattered into zeros.
  ///
  /// Forward queries, keys and values are gathered and the result is scattered, backward the other way. The device
  /// waits for 7 launches of the host in front of each gather.
  @Test func paddingIsTakenOut() throws {
    let step = try Self.step(Self.foundry, "execution: eager", "attention-library: flash-2")
    let stage = step.input.stages[0]
    let row = 2 * Self.hidden
    for (program, gathers, scatters) in [(stage.forward, 3, 1), (stage.backward, 1, 3)] {
      let moves = conversions(program, .permute, .bfloat16, .bfloat16, columns: Self.hidden)
      #expect(moves.map(\.rows) == Array(repeating: Self.tokens, count: 4 * Self.layers))
      for move in moves {
        #expect(
          isClose(seconds(move.operation, step), pass(.permute, 2 * row * Self.tokens, step)))
      }
      let zeros = program.operations.filter {
        if case .clear(let elements) = $0.kernel {
          4 * elements == row * Self.tokens
        } else {
          false
        }
      }
      #expect(zeros.count == scatters * Self.layers && gathers + scatters == 4)
      for zero in zeros {
        #expect(isClose(seconds(zero, step), pass(.elementwise, row * Self.tokens, step)))
      }
    }
    let waits = stage.forward.operations.filter { $0.kernel == .awaited(launches: 7) }
    #expect(waits.count == 3 * Self.layers)
    for wait in waits {
      #expect(isClose(seconds(wait, step), 7 * step.pricing.hostSecondsOfTransfer))
    }
    for other in ["attention-library: triton", "attention-library: unfused"] {
      let stage = try Self.step(Self.foundry, other).input.stages[0]
      for program in [stage.forward, stage.backward] {
        #expect(
          conversions(program, .permute, .bfloat16, .bfloat16, columns: Self.hidden).isEmpty)
      }
    }
  }

  /// A bias's gradient reads the gradient of its map's result in a kernel of its own where maps are PyTorch's.
  @Test func biasesAreSummed() throws {
    let (eager, fused) = try (Self.step("execution: eager"), Self.step())
    var columns: [Int] = []
    for operation in fused.input.stages[0].backward.operations {
      guard case .matmul(let matmul) = operation.kernel, matmul.pass != .forward else { continue }
      let difference = seconds(operation, eager) - seconds(operation, fused)
      guard matmul.hasBias else {
        #expect(difference == 0)
        continue
      }
      columns.append(matmul.n)
      let read = pass(.elementwise, 2 * Self.tokens * matmul.n, fused)
      #expect(abs(difference - read) < 1e-12)
    }
    let widths = [4, 1, 3, 1].map { $0 * Self.hidden }
    #expect(columns.sorted() == (widths + widths).sorted())
  }

  /// PyTorch's operators cut queries, keys and values apart as views, and join their gradients.
  @Test func headsAreViews() throws {
    let step = try Self.step("execution: eager")
    func splits(_ program: Program) -> [Double] {
      program.operations.compactMap { operation in
        if case .splitHeads = operation.kernel { seconds(operation, step) } else { nil }
      }
    }
    #expect(splits(step.input.stages[0].forward) == [0, 0])
    let joined = pass(.copy, 2 * 2 * Self.tokens * 3 * Self.hidden, step)
    #expect(splits(step.input.stages[0].backward).allSatisfy { isClose($0, joined) })
  }

  /// Attention in Triton takes 1.4 times FlashAttention 2's time forward, and twice backward.
  @Test func tritonIsSlower() throws {
    let device = try DeviceModel(Cluster.shipped("h100-2048").device)
    let shape = Costs.AttentionShape(heads: 64, queries: 8_192, queryDimension: 128)
    let (flash, triton) = (
      AttentionCost(device, library: .flash2), AttentionCost(device, library: .triton)
    )
    func ratio(_ seconds: (AttentionCost) -> Double) -> Double {
      (seconds(triton) - device.attention.start) / (seconds(flash) - device.attention.start)
    }
    #expect(abs(ratio { $0.forward(shape).seconds } - 1.4) < 1e-9)
    #expect(abs(ratio { $0.backward(shape).seconds } - 2) < 1e-9)
    #expect(device.attention.known.contains(.triton) && device.attention.usual == .cuDNN)
  }
}
