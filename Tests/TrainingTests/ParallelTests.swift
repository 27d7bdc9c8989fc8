import MessagePassing
import Plans
import Testing
import Training

@Suite struct ParallelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var data = 1
    var expert = 1
    var pipeline = 1
    var schedule = "1f1b"
    var stagesPerRank = 1
    var zero = Plan.ZeROStage.optimizer
    var sends = Plan.SendMode.batched
    /// Forwards are merged with backwards; nil for as usual.
    var merges: Bool?
    /// Sends go beside computation; nil for as usual.
    var overlapsSends: Bool?
    var testDescription: String {
      "dp\(data) ep\(expert) pp\(pipeline) \(schedule) x\(stagesPerRank) \(zero) \(sends)"
        + (merges.map { " merged \($0)" } ?? "") + (overlapsSends.map { " beside \($0)" } ?? "")
    }

    func plan(_ model: ReferenceModel, repetitions: Int = 1) -> Plan {
      plan(model.trained, repetitions: repetitions)
    }

    func plan(_ model: TrainedModel, repetitions: Int = 1) -> Plan {
      model.plan(repetitions: repetitions) {
        $0.dataParallel = data
        $0.expertParallel = expert
        $0.pipelineParallel = pipeline
        $0.schedule = .named(schedule)
        $0.stagesPerRank = stagesPerRank
        $0.zeroStage = zero
        $0.sendMode = sends
        $0.overlap.expertExchange = merges
        $0.overlap.pipelineSends = overlapsSends
      }
    }
  }

  static let models = ["gpt2-8-layers", "llama-8-layers", "deepseek-v3-8-layers"]

  @Test(arguments: models, [Plan.ZeROStage.nothing, .optimizer])
  func dataParallelEqualsTheReference(name: String, zero: Plan.ZeROStage) throws {
    let model = try ReferenceModel(name)
    for data in [2, 4] {
      try model.expectTraining(under: Case(data: data, zero: zero).plan(model))
    }
  }

  static let pipelines: [Case] = [2, 4].flatMap { ranks in
    [
      Case(pipeline: ranks, schedule: "gpipe"),
      Case(pipeline: ranks, schedule: "1f1b"),
      Case(pipeline: ranks, schedule: "1f1b", sends: .eager),
      Case(pipeline: ranks, schedule: "interleaved-1f1b", stagesPerRank: 2),
      Case(pipeline: ranks, schedule: "looped-bfs", stagesPerRank: 2),
      Case(pipeline: ranks, schedule: "zb-h1"),
      Case(pipeline: ranks, schedule: "zb-2p", sends: .eager),
      Case(pipeline: ranks, schedule: "interleaved-zero-bubble", stagesPerRank: 2),
      Case(pipeline: ranks, schedule: "zbv", stagesPerRank: 2),
      Case(pipeline: ranks, schedule: "v-half", stagesPerRank: 2, sends: .eager),
      Case(pipeline: ranks, schedule: "dualpipe"),
      Case(pipeline: ranks, schedule: "dualpipe", zero: .nothing, sends: .eager),
      Case(pipeline: ranks, schedule: "dualpipev", stagesPerRank: 2),
    ]
  }

  @Test(arguments: models, pipelines)
  func pipelinesEqualTheReference(name: String, split: Case) throws {
    let model = try ReferenceModel(name)
    try model.expectTraining(under: split.plan(model))
  }

  static let both: [Case] = [
    Case(data: 2, pipeline: 2, schedule: "1f1b"),
    Case(data: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
    Case(data: 2, pipeline: 2, schedule: "zb-h1"),
    Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
    Case(data: 2, pipeline: 2, schedule: "dualpipe"),
    Case(data: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2, zero: .nothing),
  ]

  @Test(arguments: models, both)
  func dataAndPipelineEqualTheReference(name: String, split: Case) throws {
    let model = try ReferenceModel(name)
    try model.expectTraining(under: split.plan(model))
  }

  static let expert: [Case] = [
    Case(data: 2, expert: 2), Case(data: 2, expert: 2, zero: .nothing),
    Case(data: 4, expert: 2), Case(data: 4, expert: 4),
    Case(data: 2, expert: 2, pipeline: 2),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2),
  ]

  /// Merged pairs, pairs taken apart, and sends that are waited for.
  static let overlaps: [Case] =
    [
      Case(data: 2, expert: 2, merges: true),
      Case(data: 2, expert: 2, pipeline: 2, sends: .eager, merges: true),
      Case(data: 2, expert: 2, pipeline: 2, merges: true),
      Case(data: 2, expert: 2, schedule: "interleaved-1f1b", stagesPerRank: 2, merges: true),
      Case(
        data: 2, expert: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2,
        sends: .eager, merges: true),
      Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", merges: false),
      Case(
        data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2, sends: .eager,
        merges: false),
    ]
    + Plan.SendMode.allCases.flatMap { sends in
      [true, false].flatMap { beside in
        [
          Case(pipeline: 4, sends: sends, overlapsSends: beside),
          Case(
            pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2, sends: sends,
            overlapsSends: beside),
          Case(pipeline: 4, schedule: "dualpipe", sends: sends, overlapsSends: beside),
          Case(pipeline: 2, schedule: "zbv", stagesPerRank: 2, sends: sends, overlapsSends: beside),
        ]
      }
    }

  @Test(arguments: overlaps)
  func overlapsEqualTheReference(split: Case) throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    try model.expectTraining(under: split.plan(model))
  }

  /// Merging changes what runs beside what, and no bit of what comes of it.
  @Test(arguments: [
    Case(data: 2, expert: 2), Case(data: 2, expert: 2, pipeline: 2, sends: .eager),
    Case(
      data: 2, expert: 2, pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2,
      sends: .eager),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
  ])
  func mergedPairsHaveTheSameBits(split: Case) throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    let reports = try [true, false].map { merges in
      var split = split
      split.merges = merges
      return try model.train(split.plan(model, repetitions: 2), steps: 2)
    }
    for (merged, apart) in zip(reports[0], reports[1]) {
      #expect(merged.losses == apart.losses && merged.norms == apart.norms)
      #expect(merged.parameters.map(\.values) == apart.parameters.map(\.values))
    }
  }

  @Test(arguments: expert)
  func expertParallelEqualsTheReference(split: Case) throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    try model.expectTraining(under: split.plan(model))
  }
}
