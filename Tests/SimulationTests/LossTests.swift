import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation
import Testing

/// The loss of logits that are held whole, in one kernel a pass or operator by operator.
@Suite struct LossTests {
  private static let tokens = 2_048
  private static let vocabulary = 32_768

  private static func planned(fusedLoss: Bool) throws -> PlannedStep {
    try planned(fusedLoss ? .fused : .native)
  }

  private static func planned(_ loss: Plan.Loss) throws -> PlannedStep {
    var plan = Plan()
    plan.sequenceLength = tokens
    plan.precision = .bfloat16
    plan.loss = loss
    return try PlannedStep(
      architecture: .gpt(
        name: "gpt", hidden: 256, layers: 1, heads: 4, vocabulary: vocabulary, positions: tokens),
      cluster: .shipped("a100-vtrain-512"), plan: plan)
  }

  private static func seconds(fusedLoss: Bool, _ program: (StageProgram) -> Program) throws
    -> Double
  {
    let planned = try planned(fusedLoss: fusedLoss)
    let losses = program(planned.input.stages[0]).operations.filter {
      if case .crossEntropy = $0.kernel { true } else { false }
    }
    #expect(losses.count == 1)
    return losses.reduce(0) {
      $0 + planned.pricing.seconds(of: $1, rows: ExchangeRows(), isOverlapped: false)
    }
  }

  /// Compiled pieces move 22 bytes a logit forward, in three kernels, and 10 backward, in one; they hold what operators hold.
  @Test func compiledPiecesMoveLess() throws {
    let (compiled, native) = try (Self.planned(.compiled), Self.planned(.native))
    let device = compiled.pricing.device
    let logits = Double(Self.tokens * Self.vocabulary)
    for (program, passes) in [
      (compiled.input.stages[0].forward, [6.0, 8, 8]), (compiled.input.stages[0].backward, [10]),
    ] {
      let loss = try #require(
        program.operations.first {
          if case .crossEntropy = $0.kernel { true } else { false }
        })
      let expected = passes.reduce(0) {
        $0 + device.launchGap
          + StreamingCost(device).cost(.elementwise, bytes: $1 * logits).seconds
      }
      let seconds = compiled.pricing.seconds(
        of: loss, rows: ExchangeRows(), isOverlapped: false)
      #expect(abs(seconds - expected) < 1e-12)
    }
    #expect(compiled.input.stages[0].buffers == native.input.stages[0].buffers)
  }

  /// 38 bytes a logit forward and 14 backward, at the rate of elementwise kernels.
  @Test func operatorsGoOverTheLogitsOneByOne() throws {
    let logits = Double(Self.tokens * Self.vocabulary)
    let cluster = try Cluster.shipped("a100-vtrain-512")
    let memory = cluster.device.memory.reached.value.value
    for (bytes, program) in [
      (38.0, { (stage: StageProgram) in stage.forward }), (14, { $0.backward }),
    ] {
      let seconds = try Self.seconds(fusedLoss: false, program)
      let streamed = bytes * logits / memory
      #expect((0.9 * streamed...1.2 * streamed).contains(seconds))
      #expect(try seconds > 2.5 * Self.seconds(fusedLoss: true, program))
    }
  }

  /// Megatron keeps the probabilities in 32 bits.
  @Test func probabilitiesHave32Bits() throws {
    for (fusedLoss, bytes) in [(true, 2), (false, 4)] {
      let buffers = try Self.planned(fusedLoss: fusedLoss).input.stages[0].buffers
      let kept = try #require(buffers.first { $0.name == "probabilities of tokens" })
      #expect(kept.bytesPerRow == bytes * Self.vocabulary)
    }
  }

  /// torchtitan's operators hold a copy in 32 bits each: two at a time forward, three backward; nanotron's
  /// forward holds the cast logits beside its own; Megatron's write into one.
  @Test(arguments: [(Plan.Framework.plain, 1, 1), (.torchtitan, 2, 3), (.nanotron, 2, 1)])
  func operatorsHoldCopies(framework: Plan.Framework, forward: Int, backward: Int) throws {
    var plan = try Self.planned(fusedLoss: false).placed.plan
    plan.framework = framework
    let step = try PlannedStep(
      architecture: Self.planned(fusedLoss: false).input.architecture,
      cluster: .shipped("a100-vtrain-512"), plan: plan)
    let stage = step.input.stages[0]
    for (program, copies) in [(stage.forward, forward), (stage.backward, backward)] {
      let loss = try #require(
        program.operations.first {
          if case .crossEntropy = $0.kernel { true } else { false }
        })
      let wide = loss.operands.filter {
        let buffer = stage.buffers[Int($0.index)]
        return buffer.columns == Self.vocabulary && buffer.format == .float32
      }
      #expect(wide.count == copies)
    }
  }
}
