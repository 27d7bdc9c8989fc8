import Models
import Plans
import Testing
import Training

/// A balance loss over the routers of all layers, whose stages tell each other what they chose.
@Suite struct JoinedBalanceTests {
  typealias Case = ParallelTests.Case

  /// Eight layers, seven of them mixtures of four experts, on 16 columns.
  private static func model(balance: Double = 0.5) throws -> TrainedModel {
    let known = try #require(FamilyTests.cases.first { $0.name == "qwen3_moe, 8 layers" })
    var model = try known.model()
    model.architecture.joinedBalance = balance
    return model
  }

  private static func train(
    _ split: Case, balance: Double = 0.5, lanes: Int = 1, steps: Int = 2
  ) throws -> [RankReport] {
    let model = try model(balance: balance)
    var plan = split.plan(model, repetitions: 2)
    plan.gradientLanes = lanes
    return try model.train(plan, steps: steps)
  }

  /// Sums travel with all their bits: losses, gradients and weights are those of one rank.
  @Test(arguments: [
    (
      1,
      [
        Case(), Case(pipeline: 2), Case(pipeline: 4, schedule: "gpipe", zero: .nothing),
        Case(pipeline: 4, schedule: "zb-2p", sends: .eager),
        Case(pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
        Case(pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 4, overlapsSends: false),
        Case(pipeline: 2, schedule: "zbv", stagesPerRank: 2),
        Case(pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      ]
    ),
    (
      4,
      [
        Case(), Case(pipeline: 2, schedule: "dualpipe"), Case(pipeline: 4, schedule: "dualpipe"),
        Case(data: 2, pipeline: 2, schedule: "dualpipe", merges: false),
        Case(data: 2, pipeline: 4, schedule: "zb-h1"),
      ]
    ),
  ])
  func stagesGiveTheBitsOfOneRank(lanes: Int, splits: [Case]) throws {
    let alone = try Self.train(splits[0], lanes: lanes)
    let expected = BitsTests.Bits(alone)
    for split in splits.dropFirst() {
      let reports = try Self.train(split, lanes: lanes)
      #expect(BitsTests.Bits(reports) == expected, "\(split.testDescription)")
      #expect(reports.allSatisfy { $0.balances == alone[0].balances }, "\(split.testDescription)")
    }
  }

  /// The loss moves the routers of every stage: without it each router's gradient is another.
  @Test func everyStageFeelsIt() throws {
    let split = Case(pipeline: 4)
    let (with, without) = (
      try Self.train(split, steps: 1), try Self.train(split, balance: 0, steps: 1)
    )
    func routers(_ reports: [RankReport]) -> [String: [Float]] {
      let pieces = reports.flatMap(\.gradients).filter { $0.name.hasSuffix("mlp.gate.weight") }
      return Dictionary(uniqueKeysWithValues: pieces.map { ($0.name, $0.values) })
    }
    let (moved, still) = (routers(with), routers(without))
    #expect(moved.count == 7 && Set(moved.keys) == Set(still.keys))
    for (name, values) in moved { #expect(values != still[name], "\(name)") }
    #expect(with[0].balances[0] > 0 && without[0].balances[0] == 0)
  }

  /// 12 bytes by expert and 4 for the rows, in whole rows of 4 bytes a column: one more row of 16 columns
  /// for 4 experts, in each direction, for each microbatch across each boundary.
  @Test(arguments: [Case(pipeline: 4), Case(pipeline: 2, schedule: "zb-h1")])
  func messagesHaveOneRowMore(split: Case) throws {
    let bytes = try [0.5, 0].map { balance in
      try Self.train(split, balance: balance)
        .reduce(0) { $0 + $1.ledgers[1].bytes(of: .pipeline) }
    }
    let (boundaries, microbatches) = (split.pipeline - 1, 8)
    #expect(bytes[0] - bytes[1] == 2 * boundaries * microbatches * 64)
    let model = try Self.model()
    try model.expectEquality(split.plan(model, repetitions: 2), split.testDescription)
  }

  /// A step that goes on from weights alone has nothing to remember: sums begin anew with each.
  @Test func stepsBeginAnew() throws {
    let one = try Self.train(Case(pipeline: 2), steps: 1)
    let two = try Self.train(Case(pipeline: 2), steps: 2)
    #expect(one[0].losses == Array(two[0].losses.prefix(2)))
    #expect(one[0].balances[0] == two[0].balances[0])
    #expect(two[0].balances[0] != two[0].balances[1])
  }
}
