import Clusters
import Models
import Planning
import Plans
import Simulation
import Testing

/// The overlap of DeepSeek-V3's pairs, planned.
@Suite struct OverlapPlanTests {
  /// DeepSeek-V3 with as few microbatches as DualPipe takes, on the cluster that trained it.
  private static func step(_ changes: String...) throws -> PlannedStep {
    let cluster = try Cluster.named("h800-2048")
    return try PlannedStep(
      architecture: try Architecture.named("deepseek-v3"), cluster: cluster,
      plan: try Plan.named(
        "deepseek-v3", overrides: ["global-batch=4096"] + changes,
        world: .devices(cluster.rankCount)))
  }

  private static func plan(_ step: PlannedStep, _ counts: [Int]) throws -> OverlapPlan {
    var request = OverlapPlan.Request()
    request.multiprocessors = counts
    return try OverlapPlan(step, request: request)
  }

  /// Segments are timed as the simulator times every one of their kernels, to the picosecond, whatever
  /// their order.
  @Test(arguments: ["token-counts=device", "token-counts=host"])
  func segmentsTakeWhatTheirKernelsTake(counts: String) throws {
    let step = try Self.step(counts)
    for pair in MergedPair.all(of: step) {
      let parts = PairParts(pair)
      let work = PairWork(parts)
      #expect(parts.isExact)
      var orders = [work.sequential, PairwiseOrder(work).moves]
      orders += [try #require(work.moves(of: PairOrder.publishedSegments))]
      orders += (1...6).map { Self.order(of: work, seed: $0) }
      for moves in orders {
        let list = work.list(of: moves)
        #expect(pair.run(.segments(list)).picoseconds == work.picoseconds(of: moves))
      }
      let published = pair.run(.published)
      #expect(published.picoseconds == pair.run(.segments(PairOrder.publishedSegments)).picoseconds)
      #expect(published.busy == parts.compute)
    }
  }

  /// Some order whose list is one.
  private static func order(of work: PairWork, seed: UInt64) -> [PairMove] {
    var (state, random, moves) = (PairState(), seed, [PairMove]())
    while state != work.last {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let open = PairMove.allCases.filter { work.segment($0, at: state) != nil }
      let move = open[Int(random >> 33) % open.count]
      moves.append(move)
      state = state.after(move)
    }
    return moves
  }

  /// Never slower than the published order nor than pairs of segments, never below the bound; what is
  /// written is what was planned.
  @Test func v3IsPlanned() throws {
    let step = try Self.step()
    let overlap = try Self.plan(step, [12, 16, 20, 24])
    #expect(overlap.isExact)
    for point in overlap.curve {
      #expect(point.planned <= point.published && point.planned <= point.pairwise)
      #expect(point.planned >= point.bound && point.gap >= 0)
      #expect(PairOrder.rule(against: point.order) == nil)
    }
    #expect(overlap.own.multiprocessors == 20 && overlap.own.published == overlap.before.seconds)
    #expect(overlap.best.planned == overlap.after.seconds)
    #expect(overlap.ends.map(\.end) == [.low, .high])
    for end in overlap.ends { #expect(end.best.planned <= end.planned) }
    let cluster = try Cluster.named("h800-2048")
    let written = try Plan.read(.init(text: overlap.plan.yaml, name: "written"), name: "written")
    #expect(written.pairOrder == overlap.plan.pairOrder)
    let after = try PlannedStep(
      architecture: step.placed.architecture, cluster: cluster, plan: overlap.plan)
    let pair = try #require(
      MergedPair.all(of: after).first {
        $0.forward == overlap.pair.forward && $0.backward == overlap.pair.backward
      })
    #expect(pair.run(overlap.plan.pairOrder).picoseconds == overlap.after.picoseconds)
    // Where computation has what exchanges leave, it goes along.
    #expect(overlap.plan.computationSMs == 132 - overlap.best.multiprocessors)
  }

  /// A plan that leaves its multiprocessors out is on its usual split once, not twice: as it is, and with the
  /// number written down.
  @Test func aSplitThatIsLeftOutIsTriedOnce() throws {
    let step = try Self.step("communication-sms=null", "computation-sms=null")
    let overlap = try Self.plan(step, [12])
    let own = overlap.own.multiprocessors
    let whole = try OverlappedStep(step, overlap)
    let written = ([whole.published.plan] + whole.tried.map(\.plan)).map { plan in
      var plan = plan
      plan.communicationSMs = plan.communicationSMs ?? own
      return plan
    }
    #expect(Set(written).count == written.count && written.contains { $0.communicationSMs == 12 })
    #expect(!whole.tried.contains { $0.change == "as it is" })
  }

  /// Whole steps decide between the pair's answers: what is chosen fits, is no slower than the plan as it is
  /// there and at both ends, and is the same from any number of threads.
  @Test func theStepDecides() throws {
    let step = try Self.step()
    let overlap = try Self.plan(step, [12, 16])
    #expect(Set(overlap.found.map(\.multiprocessors)) == [12, 16, 20])
    #expect(Set(overlap.found.map(\.end)).count == 3)
    let whole = try OverlappedStep(step, overlap)
    let report = step.report(replaysAllocator: true)
    #expect(whole.published.seconds == report.stepSeconds && whole.published.fits == report.fits)
    #expect(whole.published.plan == step.placed.plan)
    #expect(whole.planned.fits && whole.planned.seconds <= whole.published.seconds)
    #expect(whole.published.ends.map(\.end) == [.low, .high] && whole.planned.ends.count == 2)
    for (before, after) in zip(whole.published.ends, whole.planned.ends) {
      #expect(before.end == after.end && after.seconds <= before.seconds)
    }
    // Every split in the plan's own order is among them, and nothing twice.
    let plans = [whole.published.plan] + whole.tried.map(\.plan)
    #expect(Set(plans).count == plans.count)
    for count in [12, 16, 20] {
      #expect(
        plans.contains {
          $0.communicationSMs == count && $0.pairOrder == step.placed.plan.pairOrder
        })
    }
    #expect(plans.contains { $0.gradientBucket != step.placed.plan.gradientBucket })
    // What was chosen is the plan that was simulated.
    let again = try PlannedStep(
      architecture: step.placed.architecture, cluster: step.cluster, plan: whole.planned.plan)
    #expect(again.report().stepSeconds == whole.planned.seconds)
    let threaded = try OverlappedStep(step, overlap, threads: 3)
    #expect(threaded.planned.plan == whole.planned.plan)
    #expect(threaded.tried.map(\.change) == whole.tried.map(\.change))
  }

  /// The same numbers in another order, twice or with others beside them: the same, or faster.
  @Test func moreCandidatesAreNeverWorse() throws {
    let step = try Self.step()
    let few = try Self.plan(step, [16, 24])
    let turned = try Self.plan(step, [24, 16, 24])
    #expect(few.curve == turned.curve && few.plan == turned.plan)
    let more = try Self.plan(step, [12, 16, 18, 24])
    #expect(more.best.planned <= few.best.planned || !more.survives || !few.survives)
    #expect((more.curve.map(\.planned).min() ?? 1) <= (few.curve.map(\.planned).min() ?? 0))
  }

  @Test(arguments: [
    (["schedule=1f1b", "send-mode=eager"], "has no overlapped pairs"),
    (["expert-parallel=1", "expert-load=balanced"], "exchange nothing"),
  ])
  func withoutPairsThereIsNothing(changes: [String], words: String) throws {
    let cluster = try Cluster.named("h800-2048")
    let step = try PlannedStep(
      architecture: try Architecture.named("deepseek-v3"), cluster: cluster,
      plan: try Plan.named(
        "deepseek-v3", overrides: ["global-batch=4096"] + changes,
        world: .devices(cluster.rankCount)))
    let error = try #require(throws: OverlapPlan.NothingToPlan.self) {
      _ = try Self.plan(step, [16])
    }
    #expect(error.description.contains(words))
  }

  /// From ZeRO stage 2 on weight halves stay where they are reduced.
  @Test func weightHalvesStayBesideReductions() throws {
    let step = try Self.step("zero-stage=2")
    let overlap = try Self.plan(step, [20])
    #expect(!overlap.plan.pairOrder.movesWeights)
    #expect(overlap.best.planned <= overlap.own.published)
    _ = try PlannedStep(
      architecture: step.placed.architecture, cluster: step.cluster, plan: overlap.plan)
  }
}
