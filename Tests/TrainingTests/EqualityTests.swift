import Engines
import Plans
import Programs
import Schedules
import Testing
import Training

/// What a run really did is what its programs say: FLOPs, memory, bytes and order.
@Suite struct EqualityTests {
  typealias Case = ParallelTests.Case

  static let splits: [Case] = [
    Case(), Case(data: 2, zero: .nothing), Case(data: 4, expert: 2),
    Case(pipeline: 4, schedule: "1f1b"), Case(pipeline: 2, schedule: "zb-h1", sends: .eager),
    Case(pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
    Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
    Case(pipeline: 4, schedule: "dualpipe"),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
    Case(data: 2, expert: 2, pipeline: 2, sends: .eager, merges: true),
    Case(
      data: 2, expert: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2,
      sends: .eager, merges: true, overlapsSends: false),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", merges: false, overlapsSends: true),
  ]

  @Test(
    arguments: ParallelTests.models,
    [
      Recomputation.none, .full, .selective,
      .modules([.rmsNorm, .layerNorm, .swiGLU, .latentUpProjection]),
      .modules([.norm, .mlp, .moe]), .firstLayers(1),
    ])
  func runsDoWhatProgramsSay(name: String, recomputation: Recomputation) throws {
    let model = try ReferenceModel(name)
    for split in Self.splits where name.hasPrefix("deepseek") || split.expert == 1 {
      var plan = split.plan(model)
      plan.recomputation = recomputation
      plan.microbatchSize = split.data == 1 && split.pipeline == 1 ? 2 : 1
      try expectEquality(model, plan, "\(name) \(recomputation) \(split.testDescription)")
    }
  }

  /// The attention core is run again in the backward, and nothing else comes of it: the same bits with more
  /// FLOPs and less memory.
  @Test(arguments: ParallelTests.models)
  func theCoreRunsAgain(name: String) throws {
    let model = try ReferenceModel(name)
    var plan = Case().plan(model)
    let kept = try model.train(plan, steps: 2)[0]
    for recomputation in [Recomputation.selective, .modules([.attentionCore])] {
      plan.recomputation = recomputation
      let again = try model.train(plan, steps: 2)[0]
      #expect(again.losses == kept.losses && again.norms == kept.norms)
      let (first, second) = (kept.ledgers[1], again.ledgers[1])
      let more = second.attentionFLOPs - first.attentionFLOPs
      #expect(more > 0)
      // The forward's share of a core's 2 + 5 products, where keys and values are equally wide.
      if !name.hasPrefix("deepseek") { #expect(7 * more == 2 * first.attentionFLOPs) }
      #expect(second.matmulFLOPs == first.matmulFLOPs)
    }
  }

  /// Reductions that wait for the last action are what the program says, and sum up the same.
  @Test func reductionsMayWait() throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    var plan = Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2).plan(model)
    let early = try model.train(plan, steps: 2)
    plan.overlap.gradientReduction = false
    try expectEquality(model, plan, "reductions behind the last action")
    let late = try model.train(plan, steps: 2)
    #expect(late.map(\.losses) == early.map(\.losses))
  }

  /// Buckets are reduced inside of the last backward, as the program says, and sum up the same.
  @Test(arguments: ParallelTests.models, [1, 4000])
  func bucketsDoWhatProgramsSay(name: String, bucket: Int) throws {
    let model = try ReferenceModel(name)
    let splits = [
      Case(data: 2, zero: .nothing), Case(data: 4), Case(data: 2, pipeline: 2, schedule: "zb-h1"),
      Case(pipeline: 2, schedule: "dualpipe"),
      Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2, zero: .nothing),
      Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
    ]
    for split in splits where name.hasPrefix("deepseek") || split.expert == 1 {
      var plan = split.plan(model)
      plan.overlap.gradientReduction = false
      let behind = try model.train(plan, steps: 2)
      plan.overlap.gradientReduction = nil
      plan.gradientBucket = bucket
      try expectEquality(model, plan, "\(name) buckets of \(bucket), \(split.testDescription)")
      let beside = try model.train(plan, steps: 2)
      #expect(beside.map(\.losses) == behind.map(\.losses))
      #expect(beside.map(\.norms) == behind.map(\.norms))
    }
  }

  /// Parameters that are gathered ahead of the next step's forward are the same, and so is all that comes of
  /// them.
  @Test(arguments: ParallelTests.models, [4000, 1 << 20])
  func gathersAheadDoWhatProgramsSay(name: String, bucket: Int) throws {
    let model = try ReferenceModel(name)
    let splits = [
      Case(data: 2), Case(data: 4, expert: 2), Case(data: 2, pipeline: 2, schedule: "zb-h1"),
      Case(data: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
      Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
      Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
      Case(data: 2, expert: 2, pipeline: 2, sends: .eager, merges: true),
    ]
    for split in splits where name.hasPrefix("deepseek") || split.expert == 1 {
      var plan = split.plan(model)
      plan.gradientBucket = bucket
      let behind = try model.train(plan, steps: 3)
      plan.overlap.parameterGather = true
      try expectEquality(model, plan, "\(name) gathers ahead, \(split.testDescription)")
      let ahead = try model.train(plan, steps: 3)
      #expect(ahead.map(\.losses) == behind.map(\.losses), "\(name) \(split.testDescription)")
      #expect(ahead.map(\.norms) == behind.map(\.norms))
      for (first, second) in zip(ahead, behind) {
        #expect(first.parameters.map(\.1) == second.parameters.map(\.1))
      }
    }
  }

  /// Orders of pairs are carried out as the program says: other streams, the same bits.
  @Test func pairOrdersDoWhatProgramsSay() throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    let splits = [
      Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
      Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      Case(data: 2, expert: 2, pipeline: 2, zero: .nothing, sends: .eager, merges: true),
    ]
    let orders: [[PairSegment]] = [
      PairOrder.publishedSegments,
      [
        .forwardAttention, .forwardDispatch, .backwardAttention, .backwardCombine, .forwardShared,
        .forwardExperts, .forwardCombine, .backwardExperts, .weightAttention, .backwardDispatch,
        .weightExperts,
      ],
      [.forwardAttention, .backwardAttention, .backwardExperts, .weightAttention, .weightExperts],
    ]
    for split in splits {
      var plan = split.plan(model)
      plan.gradientBucket = 2000
      let published = try model.train(plan, steps: 2, recording: Recording(order: true))
      for (number, list) in orders.enumerated() {
        plan.pairOrder = .segments(list)
        let what = "order \(number), \(split.testDescription)"
        try expectEquality(model, plan, what)
        let ordered = try model.train(plan, steps: 2, recording: Recording(order: true))
        #expect(BitsTests.Bits(ordered) == BitsTests.Bits(published), "\(what)")
        let isSame = ordered.map { $0.ledgers[1].order } == published.map { $0.ledgers[1].order }
        #expect(isSame == (number == 0), "\(what)")
      }
    }
  }

  /// With several lanes on a rank too: their sums are taken and given back by the program.
  @Test(arguments: [2, 4, 8])
  func lanesDoWhatProgramsSay(lanes: Int) throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    let splits = [
      Case(), Case(pipeline: 2), Case(pipeline: 2, schedule: "zb-h1", sends: .eager),
      Case(pipeline: 2, schedule: "dualpipe"), Case(data: 2, zero: .nothing),
      Case(data: 2, expert: 2),
    ]
    for split in splits {
      var plan = split.plan(model)
      plan.gradientLanes = lanes
      try expectEquality(model, plan, "\(lanes) lanes, \(split.testDescription)")
    }
  }

  /// So it is where a copy contributes several sums to a reduction, which take memory from the beginning.
  @Test func severalSumsDoWhatProgramsSay() throws {
    for name in ["gpt2-8-layers", "deepseek-v3-8-layers"] {
      let model = try ReferenceModel(name)
      for split in [
        Case(data: 2), Case(data: 4, zero: .nothing), Case(data: 2, pipeline: 2, schedule: "zb-h1"),
        Case(pipeline: 2, schedule: "dualpipe"),
      ] {
        var plan = split.plan(model)
        (plan.gradientLanes, plan.globalBatch, plan.microbatchSize) = (12, 12, 1)
        try expectEquality(model, plan, "12 lanes, \(name), \(split.testDescription)")
      }
    }
  }

  private func expectEquality(_ model: ReferenceModel, _ plan: Plan, _ what: String) throws {
    try model.trained.expectEquality(plan, what)
  }
}
