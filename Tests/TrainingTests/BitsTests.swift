import Plans
import Testing
import Training

@Suite struct BitsTests {
  /// Losses, norms and all parameters of a run; bits that do not depend on who holds what.
  struct Bits: Equatable {
    var numbers: [UInt64] = []
    var tensors: [String: [UInt32]] = [:]

    init(_ reports: [RankReport]) {
      numbers = (reports[0].losses + reports[0].norms).map(\.bitPattern)
      for (name, values) in reports.flatMap(\.parameters) {
        let bits = values.map(\.bitPattern)
        if let known = tensors[name] { #expect(known == bits, "copies of \(name) differ") }
        tensors[name] = bits
      }
    }
  }

  static func bits(
    _ model: ReferenceModel, _ split: ParallelTests.Case, lanes: Int
  ) throws -> Bits {
    var plan = split.plan(model)
    plan.gradientLanes = lanes
    return Bits(try model.train(plan, steps: 2))
  }

  typealias Case = ParallelTests.Case

  @Test(arguments: ParallelTests.models)
  func everySplitGivesTheSameBits(name: String) throws {
    let model = try ReferenceModel(name)
    let splits: [Int: [Case]] = [
      1: [
        Case(), Case(pipeline: 2), Case(pipeline: 4, schedule: "gpipe", zero: .nothing),
        Case(pipeline: 2, schedule: "interleaved-1f1b", stagesPerRank: 2),
        Case(pipeline: 2, schedule: "zb-h1"),
        Case(pipeline: 2, schedule: "zbv", stagesPerRank: 2),
        Case(pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
      ],
      4: [
        Case(), Case(data: 2), Case(data: 2, zero: .nothing), Case(data: 4), Case(pipeline: 2),
        Case(pipeline: 2, schedule: "dualpipe"), Case(data: 2, pipeline: 2, schedule: "dualpipe"),
        Case(data: 2, pipeline: 4, schedule: "zb-h1"),
        Case(data: 4, pipeline: 2, schedule: "zbv", stagesPerRank: 2, zero: .nothing),
      ],
    ]
    for (lanes, list) in splits.sorted(by: { $0.key < $1.key }) {
      let expected = try Self.bits(model, list[0], lanes: lanes)
      for split in list.dropFirst() {
        let found = try Self.bits(model, split, lanes: lanes)
        #expect(found == expected, "\(name) \(split.testDescription)")
      }
    }
  }

  /// Twelve microbatches in twelve lanes: copies that hold no node of the tree but several are no matter.
  @Test(arguments: ParallelTests.models)
  func copiesNeedNotBeAPowerOfTwo(name: String) throws {
    let model = try ReferenceModel(name)
    func bits(_ split: Case) throws -> Bits {
      var plan = split.plan(model)
      (plan.gradientLanes, plan.globalBatch, plan.microbatchSize) = (12, 12, 1)
      return Bits(try model.train(plan, steps: 2))
    }
    let expected = try bits(Case())
    for split in [
      Case(data: 2), Case(data: 3), Case(data: 4), Case(data: 4, zero: .nothing),
      Case(data: 2, pipeline: 2), Case(data: 3, pipeline: 2, schedule: "zb-h1"),
      Case(pipeline: 2, schedule: "dualpipe"),
    ] {
      #expect(try bits(split) == expected, "\(name) \(split.testDescription)")
    }
  }

  @Test func otherLanesGiveOtherBits() throws {
    let model = try ReferenceModel("gpt2-8-layers")
    #expect(try Self.bits(model, Case(), lanes: 1) != Self.bits(model, Case(), lanes: 2))
  }

  @Test func lanesThatDoNotDivideAreRefused() throws {
    let model = try ReferenceModel("llama-8-layers")
    #expect(throws: TrainingError.self) { try Self.bits(model, Case(data: 2), lanes: 3) }
    #expect(throws: TrainingError.self) { try Self.bits(model, Case(data: 2), lanes: 1) }
    #expect(throws: TrainingError.self) { try Self.bits(model, Case(), lanes: 16) }
  }
}
