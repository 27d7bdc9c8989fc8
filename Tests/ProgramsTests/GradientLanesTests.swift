import Collectives
import Models
import Plans
import Programs
import Schedules
import Testing

/// Lanes are added as a balanced binary tree, in as few places as a binary counter has digits.
@Suite struct GradientLanesTests {
  /// What one stage's sums of one pass went through.
  struct Sums {
    /// What lies at each place, as the sum that it stands for.
    var places: [Int: String] = [0: "0"]
    var most = 1

    mutating func apply(_ change: LaneStep.Change) {
      switch change {
      case .open(let lane, let place):
        #expect(places[place] == nil, "place \(place) is taken")
        places[place] = "\(lane)"
        most = max(most, places.count)
      case .fold(let into, let from):
        places[into] = "(\(places[into] ?? "?")+\(places[from] ?? "?"))"
        places[from] = nil
      }
    }
  }

  private func tree(_ lanes: Range<Int>) -> String {
    if lanes.count == 1 { return "\(lanes.lowerBound)" }
    let middle = (lanes.lowerBound + lanes.upperBound) / 2
    return "(\(tree(lanes.lowerBound..<middle))+\(tree(middle..<lanes.upperBound)))"
  }

  private func plan(_ schedule: String, ranks: Int, lanes: Int) -> Plan {
    var plan = Plan()
    plan.pipelineParallel = ranks
    plan.schedule = .named(schedule)
    plan.globalBatch = 16
    plan.sequenceLength = 8
    plan.precision = .float32
    plan.gradientLanes = lanes
    return plan
  }

  static let schedules = ["gpipe", "1f1b", "zb-h1", "dualpipe"]

  @Test(arguments: schedules, [2, 4, 8, 16])
  func sumsAreABalancedTree(name: String, lanes: Int) throws {
    let model = TinyModels.deepSeek(layers: 4)
    let plan = plan(name, ranks: 2, lanes: lanes)
    let rule = GradientLanes(plan, target: .cpuRank)
    #expect(rule.count == (name == "dualpipe" ? lanes / 2 : lanes))
    let schedule = try ScheduleName(named: name).schedule(ranks: 2, microbatches: 16)
      .lowered(.eager)
    let layout = try StageLayout(evenly: schedule.stageCount, of: model)
    let setting = LoweringSetting(plan, layout, of: model, target: .cpuRank)
    let stages = layout.stages.map { StageProgram(units: $0, of: model, setting) }
    for rank in 0..<2 {
      var program = RankProgram(schedule: schedule, rank: rank, reductions: .behindStage)
      program.insert(rule, of: stages)
      var sums: [[Int]: Sums] = [:]
      var reduced: Set<Int> = []
      for item in program.items {
        if case .reduce(let stage) = item { reduced.insert(stage) }
        guard case .lane(let step) = item else { continue }
        #expect(!reduced.contains(step.stage), "added up before it is reduced")
        sums[[step.stage, Int(step.pass.rawValue)], default: Sums()].apply(step.change)
      }
      if rule.count == 1 {
        #expect(sums.isEmpty)
        continue
      }
      #expect(sums.count >= 2 * program.stages.count)
      for sum in sums.values {
        #expect(sum.places == [0: tree(0..<rule.count)])
        #expect(sum.most == rule.count.trailingZeroBitCount + 1, "\(name) on rank \(rank)")
      }
    }
  }

  /// What the sums of all copies are added up to, as `treeFold` adds them.
  private func folded(_ sums: [String]) -> String {
    var sums = sums
    for (into, from) in treeFold(sums.count) { sums[into] = "(\(sums[into])+\(sums[from]))" }
    return sums[0]
  }

  /// The tree over 12 and 24 lanes is the same, however many copies share them: what is left of it on the
  /// copies is added up where they meet.
  @Test(arguments: schedules, [12, 24])
  func treeDoesNotDependOnCopies(name: String, lanes: Int) throws {
    let whole = folded((0..<lanes).map { "\($0)" })
    let model = TinyModels.deepSeek(layers: 4)
    for data in [1, 2, 3, 4, 6, 12] {
      var plan = plan(name, ranks: 2, lanes: lanes)
      plan.globalBatch = 48
      plan.dataParallel = data
      let directions = plan.isBidirectional ? 2 : 1
      guard lanes % (data * directions) == 0 else { continue }
      let rule = GradientLanes(plan, target: .cpuRank)
      #expect(rule.count == lanes / (data * directions))
      #expect(GradientLanes(plan, target: .device).sums == 1)
      let schedule = try ScheduleName(named: name).schedule(ranks: 2, microbatches: 48 / data)
        .lowered(.eager)
      let layout = try StageLayout(evenly: schedule.stageCount, of: model)
      let setting = LoweringSetting(plan, layout, of: model, target: .cpuRank)
      let stages = layout.stages.map { StageProgram(units: $0, of: model, setting) }
      var program = RankProgram(schedule: schedule, rank: 0, reductions: .behindStage)
      program.insert(rule, of: stages)
      var sums: [[Int]: Sums] = [:]
      for item in program.items {
        guard case .lane(let step) = item else { continue }
        sums[[step.stage, Int(step.pass.rawValue)], default: Sums()].apply(step.change)
      }
      if rule.count == 1 { #expect(sums.isEmpty) }
      for sum in rule.count == 1 ? [Sums()] : Array(sums.values) {
        #expect(sum.places.keys.sorted() == Array(0..<rule.sums))
        let own = (0..<rule.sums).map { sum.places[$0] ?? "?" }
        let all = (0..<data * directions).flatMap { copy in
          own.map { text in
            text.replacing(/\d+/) { "\((Int($0.output) ?? 0) + copy * rule.count)" }
          }
        }
        #expect(folded(all) == whole, "\(name), \(data) data ranks")
      }
    }
  }

  /// A change takes, clears, adds and gives back the gradients of the parameters that the pass writes.
  @Test(arguments: TinyModels.all)
  func everyTrainedParameterIsInOneOfThePasses(model: Architecture) {
    var setting = LoweringSetting(sequences: 1, sequenceLength: 8)
    setting.lanes = 4
    let stage = StageProgram(units: model.units, of: model, setting)
    var written: [Int] = []
    for pass in Pass.allCases {
      let own = stage.parameters(writtenBy: pass)
      written += own
      for place in 1..<4 {
        let open = stage.program(
          for: LaneStep(stage: 0, pass: pass, change: .open(lane: place, place: place)))
        let fold = stage.program(
          for: LaneStep(stage: 0, pass: pass, change: .fold(into: 0, from: place)))
        let buffers = own.map { stage.gradient(of: $0, place: place) }
        #expect(
          open.steps.filter { if case .acquire = $0 { true } else { false } }.count == own.count)
        #expect(open.operations.map { $0.outputs[0] } == buffers)
        #expect(fold.operations.map { $0.operands[1] } == buffers)
        #expect(fold.operations.map { $0.operands[0] } == own.map { stage.parameters[$0].gradient })
        #expect(fold.steps.suffix(1) == buffers.suffix(1).map { Step.release($0) })
      }
    }
    #expect(written.sorted() == stage.parameters.indices.filter { stage.parameters[$0].isTrained })
  }
}
