import Engines
import Models
import Plans
import Programs
import Simulation
import Testing

/// Parameters of ZeRO stages 1 and 2 that are gathered beside the first forward of the next step.
@Suite struct GatherAheadTests {
  private static func plan(
    bucket: Int, zero: Plan.ZeROStage = .optimizer, ahead: Bool = true, pipeline: Int = 1,
    microbatches: Int = 2
  ) -> Plan {
    var plan = Inputs.plan("1f1b", pipeline: pipeline, microbatches: microbatches, data: 4)
    plan.zeroStage = zero
    plan.overlap.parameterGather = ahead
    if zero == .optimizer || ahead { plan.gradientBucket = bucket }
    return plan
  }

  private func result(_ plan: Plan, layers: Int, collective: Double = 20e-6) throws -> StepResult {
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    return StepSimulation(input, pricing: FlatPricing(collective: collective)).run()
  }

  /// Two streams: the gathers move one after another from the beginning of the step, and the first forward
  /// stands still where what it reads has not come.
  @Test(arguments: [1, 2, 8], [1e-6, 20e-6, 500e-6])
  func exposedIsWhatTwoStreamsLeave(layers: Int, collective: Double) throws {
    let layer = Inputs.gpt(layers: 1).parameterCounts(of: .layer(0)).total
    let plan = Self.plan(bucket: layer)
    let input = try Inputs.input(Inputs.gpt(layers: layers), plan)
    let stage = input.stages[0]
    let (duration, kernel) = (Int64(collective * 1e12), BucketTests.kernel)
    var (clock, exposed): (Int64, Int64) = (0, 0)
    for step in stage.openingForward.steps {
      switch step {
      case .compute: clock += kernel
      case .wait(let index):
        let number = Int(index) - stage.forward.transfers.count
        let end = Int64(number + 1) * duration
        exposed += max(0, end - clock)
        clock = max(clock, end)
      default: break
      }
    }
    let found = try result(plan, layers: layers, collective: collective)
    var silent = plan
    silent.overlap.parameterGather = nil
    silent.zeroStage = .nothing
    // With ZeRO stage 0 the same buckets are reduced beside the same backward, and nothing is gathered.
    let reduced = try result(silent, layers: layers, collective: collective).ranks[0].data
    #expect(found.ranks[0].data.exposed == reduced.exposed + exposed)
    let gathers = stage.gather.transfers.count
    #expect(
      gathers >= layers && found.ranks[0].data.total == reduced.total + Int64(gathers) * duration)
  }

  /// The same kernels, bytes and memory in a shorter step.
  @Test func aStepIsShorter() throws {
    let behind = try result(Self.plan(bucket: 10_000, ahead: false), layers: 8)
    let ahead = try result(Self.plan(bucket: 10_000), layers: 8)
    #expect(ahead.step < behind.step)
    #expect(ahead.ranks[0].data.exposed < behind.ranks[0].data.exposed)
    #expect(ahead.ranks[0].data.total == behind.ranks[0].data.total)
    #expect(ahead.ranks[0].busy == behind.ranks[0].busy)
    #expect(ahead.ranks[0].memory == behind.ranks[0].memory)
  }

  /// With ZeRO stage 2 parameters are gathered in buckets, too, and all of them once.
  @Test func gradientsThatAreShardedChangeNothing() throws {
    func gathers(_ plan: Plan) throws -> (count: Int, elements: Int) {
      let stage = try Inputs.input(Inputs.gpt(layers: 8), plan).stages[0]
      let all = stage.gather.transfers + stage.update.transfers
      return (
        all.count,
        all.reduce(0) { sum, transfer in
          guard case .fixed(let rows) = transfer.rows else { return sum }
          return sum + rows
        }
      )
    }
    let behind = try gathers(Self.plan(bucket: 1, zero: .gradients, ahead: false))
    let whole = try gathers(Self.plan(bucket: 1 << 30, zero: .gradients))
    #expect(whole == behind)
    let divided = Self.plan(bucket: 10_000, zero: .gradients)
    let buckets = try gathers(divided)
    #expect(buckets.count > behind.count && buckets.elements >= behind.elements)
    let found = try result(divided, layers: 8, collective: 5e-6)
    let one = try result(Self.plan(bucket: 1 << 30, zero: .gradients), layers: 8, collective: 5e-6)
    let more = Int64(buckets.count - whole.count) * 5_000_000
    #expect(found.ranks[0].data.total == one.ranks[0].data.total + more)
  }

  /// Replayed or walked, folded or every rank by itself: the same step to the picosecond.
  @Test(arguments: BucketTests.schedules, [1, 3000]) func everyWayIsTheSame(
    schedule: (String, Int), bucket: Int
  ) throws {
    var plan = Inputs.plan(
      schedule.0, pipeline: 4, stagesPerRank: schedule.1, microbatches: 8, data: 4, expert: 2)
    plan.gradientBucket = bucket
    plan.zeroStage = .optimizer
    plan.overlap.parameterGather = true
    let input = try Inputs.input(Inputs.deepSeek(layers: 8), plan)
    let (replayed, explicit) = expectEveryWayIsTheSame(
      StepSimulation(input, pricing: FlatPricing(overlapFactor: 1.5)))
    for rank in explicit.ranks {
      #expect(rank.split == replayed.ranks[rank.position].split)
      #expect(rank.memory == replayed.ranks[rank.position].memory)
      #expect(rank.data == replayed.ranks[rank.position].data)
    }
  }
}
