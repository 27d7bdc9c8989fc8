import Models
import Plans
import Programs
import Testing

/// Gathers and scatters of a tensor group that are cut into chunks beside their products.
@Suite struct TensorChunkTests {
  static let models = [TinyModels.gpt2(), TinyModels.llama(), TinyModels.deepSeek()]

  static func setting(
    _ tensor: Int, _ recomputation: Recomputation, splits: Bool, recipe: Recipe = .bfloat16
  ) -> LoweringSetting {
    var setting = LoweringSetting(
      sequences: 2, sequenceLength: 8, tensor: tensor, sequenceParallel: true, recipe: recipe,
      target: .device, recomputation: recomputation, fusedHead: false)
    setting.splitsTensorExchange = splits
    return setting
  }

  private static func programs(_ stage: StageProgram) -> [Program] {
    [stage.forward, stage.backward, stage.backwardInput, stage.backwardWeight]
  }

  private static func flops(_ program: Program) -> Double {
    program.operations.reduce(0) {
      $0 + $1.kernel.flops { if case .fixed(let count) = $0 { count } else { 0 } }
    }
  }

  /// Bytes that leave a rank for others of its tensor group.
  private static func sent(_ program: Program, tensor: Int) -> Int {
    program.transfers.filter { $0.stream == .tensor }.reduce(0) { sum, transfer in
      guard case .fixed(let rows) = transfer.rows else { return sum }
      let bytes = rows * transfer.bytesPerRow
      switch transfer.kind {
      case .allGather: return sum + bytes * (tensor - 1)
      case .reduceScatter: return sum + bytes / tensor * (tensor - 1)
      default: return sum + bytes
      }
    }
  }

  /// A program whose exchanges are cut has the FLOPs and sends the bytes of the one whose are not.
  @Test(arguments: models, [2, 4]) func workAndBytesAreThoseOfWholeExchanges(
    model: Architecture, tensor: Int
  ) {
    for recomputation in [Recomputation.none, .full, .selective] {
      for recipe in [Recipe.bfloat16, .deepSeekFloat8] {
        let stages = [true, false].map { splits in
          StageProgram(
            units: model.units, of: model,
            Self.setting(tensor, recomputation, splits: splits, recipe: recipe))
        }
        let (cut, whole) = (Self.programs(stages[0]), Self.programs(stages[1]))
        #expect(cut[0].transfers.contains { $0.kind == .shift(.tensor) })
        #expect(cut[1].transfers.contains { $0.kind == .shift(.tensor) })
        #expect(!whole[0].transfers.contains { $0.kind == .shift(.tensor) })
        for (mine, other) in zip(cut, whole) {
          #expect(Self.flops(mine) == Self.flops(other))
          #expect(Self.sent(mine, tensor: tensor) == Self.sent(other, tensor: tensor))
        }
      }
    }
  }

  /// What one dense layer does in its forward: its products, and what starts and is waited for around them.
  private static func trace(_ program: Program) -> String {
    program.steps.compactMap { step -> String? in
      switch step {
      case .compute(let index):
        switch program.operations[Int(index)].kernel {
        case .matmul: "P"
        case .add(_, _, let terms): terms > 2 ? "+" : nil
        default: nil
        }
      case .start(let index):
        program.transfers[Int(index)].kind == .shift(.tensor) ? "s" : "S"
      case .wait(let index):
        program.transfers[Int(index)].kind == .shift(.tensor) ? "w" : "W"
      default: nil
      }
    }.joined()
  }

  /// A rank multiplies its own rows before it waits for others', and sends each chunk of sums while it
  /// multiplies the next.
  @Test func chunksMoveBesideTheProductOfAnother() {
    let model = TinyModels.llama(layers: 1)
    func layer(_ splits: Bool) -> StageProgram {
      StageProgram(
        units: [.layer(0)], of: model, Self.setting(4, .none, splits: splits))
    }
    let (gather, scatter) = ("sssPwPwPwP", "PsPsPsPwww+")
    #expect(Self.trace(layer(true).forward) == gather + scatter + gather + scatter)
    #expect(Self.trace(layer(false).forward) == "SWPPSWSWPPSW")
    // Behind the gradient's gather, the input of the weight product is gathered beside the product before
    // it, and the gradient scattered beside the weight products.
    let half = gather + "SPWSPPW"
    #expect(Self.trace(layer(true).backward) == half + half)
    #expect(Self.trace(layer(false).backward) == "SWPSPWSPPWSWPSPWSPPW")
    // Without weight products beside it the gradient's scatter is cut.
    #expect(Self.trace(layer(true).backwardInput).hasPrefix(gather + "PsPsPsPwww+"))
  }

  /// Under torchtitan what one product gives or takes is cut, and everything else is waited for: a gradient of an input
  /// that several maps read is a sum, whose weight products have run by then.
  @Test func torchTitanScattersSumsWhole() throws {
    var plan = Plan()
    (plan.tensorParallel, plan.sequenceParallel) = (4, true)
    (plan.sequenceLength, plan.microbatchSize) = (8, 2)
    plan.overlap.tensorExchange = .chunked
    let layers = [Plan.Framework.plain, .torchtitan].map { framework in
      plan.framework = framework
      return StageProgram(
        units: [.layer(0)], of: TinyModels.llama(layers: 1), LoweringSetting(plan, target: .device))
    }
    let (plain, titan) = (layers[0], layers[1])
    #expect(Self.trace(titan.forward) == Self.trace(plain.forward))
    #expect(Self.trace(plain.backward).contains("SP"))
    for program in [titan.backward, titan.backwardInput, titan.backwardWeight] {
      let trace = Self.trace(program)
      #expect(!trace.contains("SP") && !trace.contains("SS"), "\(trace)")
    }
    // Gradients of outputs are gathered in chunks all the same, in front of one product each.
    #expect(Self.trace(titan.backward).contains("sssPwPwPwP"))
    #expect(!Self.trace(titan.backwardInput).contains("PsPsPsP"))
    #expect(Self.trace(plain.backwardInput).contains("PsPsPsP"))
  }

  /// The others' sums of a rank's rows are held beside its own, nothing else.
  @Test func sumsOfOthersAreHeld() {
    let stage = StageProgram(
      units: [.layer(0)], of: TinyModels.llama(layers: 1), Self.setting(4, .none, splits: true))
    let sums = stage.buffers.filter { $0.name.hasSuffix("partial sums") }
    // Four of 16 rows from each of three, behind attention and the block.
    #expect(sums.filter { $0.name.hasPrefix("attention out") }.map(\.rows) == [.fixed(12)])
    #expect(sums.filter { $0.name.hasPrefix("down") }.map(\.rows) == [.fixed(12)])
  }
}
