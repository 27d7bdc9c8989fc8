import Engines
import Models
import Plans
import Programs
import Simulation
import Testing

/// Gradients that are reduced bucket by bucket beside the last backward.
@Suite struct BucketTests {
  static let pricing = FlatPricing()
  static let kernel: Int64 = 1_000_000

  private static func plan(bucket: Int, microbatches: Int = 2) -> Plan {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: microbatches, data: 4)
    plan.gradientBucket = bucket
    return plan
  }

  private func result(_ plan: Plan, layers: Int, collective: Double = 20e-6) throws -> StepResult {
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    return StepSimulation(input, pricing: FlatPricing(collective: collective)).run()
  }

  /// Two streams: a bucket is reduced when its last gradient is written and the bucket before is through;
  /// the norm of a bucket waits for it.
  @Test(arguments: [1, 2, 8], [1e-6, 20e-6, 500e-6])
  func exposedIsWhatTwoStreamsLeave(layers: Int, collective: Double) throws {
    let layer = Inputs.gpt(layers: 1).parameterCounts(of: .layer(0)).total
    let plan = Self.plan(bucket: layer)
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    let stage = input.stages[0]
    let duration = Int64(collective * 1e12)
    var (clock, end): (Int64, Int64) = (0, 0)
    var ends: [Int64] = []
    for step in stage.closingBackward.steps {
      switch step {
      case .compute: clock += Self.kernel
      case .reduce:
        end = max(end, clock) + duration
        ends.append(end)
      default: break
      }
    }
    var exposed: Int64 = 0
    for step in stage.norm.steps {
      switch step {
      case .compute: clock += Self.kernel
      case .wait(let index):
        exposed += max(0, ends[Int(index)] - clock)
        clock = max(clock, ends[Int(index)])
      default: break
      }
    }
    // Parameters are gathered behind the update: a bucket begins to be when it is updated.
    end = 0
    for step in stage.update.steps {
      switch step {
      case .compute: clock += Self.kernel
      case .start: end = max(end, clock) + duration
      default: break
      }
    }
    if end > 0 { exposed += max(0, end - clock) }
    let found = try result(plan, layers: layers, collective: collective).ranks[0].data
    #expect(found.exposed == exposed)
    #expect(found.total == Int64(ends.count + stage.update.transfers.count) * duration)
    #expect(ends.count >= layers)
  }

  /// What overlaps ends earlier than what is left behind the last backward, with the same bytes.
  @Test func aStepIsShorterThanWithoutOverlap() throws {
    var plan = Self.plan(bucket: 1 << 20)
    let one = try result(plan, layers: 8)
    plan.gradientBucket = nil
    plan.overlap.gradientReduction = false
    let behind = try result(plan, layers: 8)
    #expect(one.ranks[0].data.total == behind.ranks[0].data.total)
    #expect(one.step <= behind.step)
    plan = Self.plan(bucket: 10_000)
    let many = try result(plan, layers: 8, collective: 5e-6)
    #expect(many.ranks[0].data.exposed < behind.ranks[0].data.exposed)
    #expect(many.step < behind.step)
  }

  static let schedules = [
    ("1f1b", 1), ("zb-h1", 1), ("interleaved-1f1b", 2), ("dualpipe", 1), ("zbv", 2),
  ]

  /// Replayed or walked, folded or every rank by itself: the same step to the picosecond.
  @Test(arguments: schedules, [1, 3000]) func everyWayIsTheSame(
    schedule: (String, Int), bucket: Int
  ) throws {
    var plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, data: 4, expert: 2)
    plan.gradientBucket = bucket
    let input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    let (replayed, explicit) = expectEveryWayIsTheSame(
      StepSimulation(input, pricing: FlatPricing(overlapFactor: 1.5)))
    for rank in explicit.ranks {
      #expect(rank.split == replayed.ranks[rank.position].split)
      #expect(rank.memory == replayed.ranks[rank.position].memory)
      #expect(rank.data == replayed.ranks[rank.position].data)
    }
  }

  /// Replayed or walked, folded or every rank by itself: the same step where buckets have copies, some of which are
  /// given back inside the backward; and the copies are of two buckets, however many there are.
  @Test(arguments: [0, 1]) func copiesAreOfTwoBuckets(zero: Int) throws {
    func held(bucket: Int) throws -> Int {
      var plan = Self.plan(bucket: bucket)
      plan.zeroStage = zero == 0 ? .nothing : .optimizer
      (plan.precision.gradients, plan.precision.gradientReduction) = (.bfloat16, .float32)
      let input = try Inputs.input(Inputs.gpt(layers: 16), plan)
      let (replayed, explicit) = expectEveryWayIsTheSame(
        StepSimulation(input, pricing: FlatPricing()))
      #expect(explicit.ranks[0].memory == replayed.ranks[0].memory)
      plan.precision.gradientReduction = .bfloat16
      let plain = StepSimulation(
        try Inputs.input(Inputs.gpt(layers: 16), plan), pricing: FlatPricing()
      ).run()
      return replayed.ranks[0].memory.peak - plain.ranks[0].memory.peak
    }
    let layer = Inputs.gpt(layers: 1).parameterCounts(of: .layer(0)).total
    let all = 4 * Inputs.gpt(layers: 16).parameterCounts.total
    // Shards of sums in 32 bits, a quarter of all.
    let shards = zero == 0 ? 0 : all / 4
    #expect(try held(bucket: 1 << 40) <= all + shards + (1 << 16))
    let few = try held(bucket: layer) - shards
    // A bucket is whole tensors, up to two layers here; `ClosingPassTests` holds both to the byte.
    #expect(few > 4 * layer && few < 4 * 4 * layer, "\(few) of layers of \(4 * layer)")
  }

  /// Reductions in another format than gradients are kept in start behind their conversion.
  @Test func conversionsComeFirst() throws {
    var plan = Self.plan(bucket: 5000)
    let same = try result(plan, layers: 4)
    plan.precision.gradientReduction = .bfloat16
    let input = try Inputs.input(Inputs.gpt(layers: 4), plan)
    let converted = StepSimulation(input, pricing: Self.pricing).run()
    let programs = [input.stages[0].reduce, input.stages[0].norm]
    let more = programs.flatMap(\.operations).count {
      if case .convert = $0.kernel { true } else { false }
    }
    #expect(more > 0)
    #expect(converted.ranks[0].busy == same.ranks[0].busy + Int64(more) * Self.kernel)
  }
}
