import Models
import Plans
import Testing

@Suite("Units on stages")
struct StageLayoutTests {
  /// Every model of up to 12 layers on every possible number of stages.
  @Test(arguments: 1...12, 0...2)
  func evenLayoutsHoldEveryUnitOnceInOrder(layers: Int, modules: Int) throws {
    let model = tiny(layers: layers, modules: modules)
    for stages in 1...model.units.count {
      let layout = try StageLayout(evenly: stages, of: model)
      #expect(layout.stages.count == stages)
      #expect(layout.stages.flatMap { $0 } == model.units)
      #expect(layout.stages.allSatisfy { !$0.isEmpty })
      #expect(layout.stage(of: .embedding) == 0)
      if stages <= layers + 2 {
        #expect(layout.stage(of: .head) == stages - 1)
        for module in 0..<modules {
          #expect(layout.stage(of: .multiTokenPrediction(module)) == stages - 1)
        }
      }
      let counts = layout.layerCounts
      if stages <= layers, let most = counts.max(), let fewest = counts.min() {
        #expect(most - fewest <= 1)
      }
    }
  }

  /// Embedding and head count as a layer each: 24 units on 8 stages are 3 on each.
  @Test func evenUnitsCountTheEnds() throws {
    var plan = Plan()
    plan.layout = .evenUnits
    plan.pipelineParallel = 8
    let even = try plan.stageLayout(of: tiny(layers: 22, modules: 0))
    #expect(even.stages.map(\.count) == Array(repeating: 3, count: 8))
    #expect(even.layerCounts == [2, 3, 3, 3, 3, 3, 3, 2])
    let short = try plan.stageLayout(of: tiny(layers: 20, modules: 1))
    #expect(short.stages.map(\.count) == [3, 3, 3, 3, 3, 3, 3, 2])
    plan.pipelineParallel = 30
    #expect(throws: PlanError.self) {
      _ = try plan.stageLayout(of: tiny(layers: 22, modules: 0))
    }
  }

  @Test(arguments: 1...12, 0...2)
  func moreStagesThanUnitsAreRefused(layers: Int, modules: Int) {
    let model = tiny(layers: layers, modules: modules)
    let units = layers + 2 + modules
    #expect(
      throws: PlanError.moreStagesThanUnits(
        stages: units + 1, units: units, layers: layers, predictionModules: modules)
    ) { try StageLayout(evenly: units + 1, of: model) }
  }

  @Test func sixtyOneLayersOnSixteenStages() throws {
    let layout = try StageLayout(evenly: 16, of: Architecture.named("deepseek-v3"))
    #expect(layout.layerCounts == [3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3])
  }

  @Test func endsGetStagesOfTheirOwnWhenLayersRunOut() throws {
    let model = tiny(layers: 2, modules: 1)
    #expect(
      try StageLayout(evenly: 3, of: model).stages == [
        [.embedding, .layer(0)], [.layer(1)], [.head, .multiTokenPrediction(0)],
      ])
    #expect(
      try StageLayout(evenly: 4, of: model).stages == [
        [.embedding], [.layer(0)], [.layer(1)], [.head, .multiTokenPrediction(0)],
      ])
    #expect(
      try StageLayout(evenly: 5, of: model).stages == [
        [.embedding], [.layer(0)], [.layer(1)], [.head], [.multiTokenPrediction(0)],
      ])
  }

  @Test func explicitCounts() throws {
    let model = tiny(layers: 3, modules: 1)
    let byLayers = try StageLayout(layerCounts: [0, 2, 1], of: model)
    let byUnits = try StageLayout(unitCounts: [1, 2, 3], of: model)
    #expect(byLayers == byUnits)
    #expect(
      byUnits.stages == [
        [.embedding], [.layer(0), .layer(1)], [.layer(2), .head, .multiTokenPrediction(0)],
      ])
    #expect(byUnits.stage(of: .layer(2)) == 2 && byUnits.stage(of: .layer(3)) == nil)
    #expect(try StageLayout(layerCounts: [3], of: model).stages == [model.units])
  }

  @Test(arguments: [[1, 1], [4], [2, 2], [-1, 4], [], [Int.max, 3], [0, 0, 0, 4]])
  func wrongLayerCountsAreRefused(counts: [Int]) {
    #expect(throws: PlanError.self) {
      try StageLayout(layerCounts: counts, of: tiny(layers: 3, modules: 0))
    }
  }

  @Test func stagesWithoutUnitsAreRefused() {
    let model = tiny(layers: 3, modules: 0)
    #expect(throws: PlanError.emptyStage([2, 0, 2, 1])) {
      try StageLayout(layerCounts: [1, 0, 2, 0], of: model)
    }
    #expect(throws: PlanError.emptyStage([5, 0])) {
      try StageLayout(unitCounts: [5, 0], of: model)
    }
    #expect(throws: PlanError.self) { try StageLayout(unitCounts: [5, 1], of: model) }
    #expect(throws: PlanError.self) { try StageLayout(unitCounts: [], of: model) }
  }
}

/// A small model with experts and prediction modules.
func tiny(layers: Int, modules: Int = 0) -> Architecture {
  Architecture(
    name: "tiny", family: .deepseekV3, hiddenSize: 48, layerCount: layers, vocabularySize: 97,
    maximumPositions: 64,
    attention: .latent(
      Latent(
        heads: 4, queryRank: 24, keyValueRank: 16, nopeHeadSize: 12, ropeHeadSize: 8,
        valueHeadSize: 12)),
    feedForwards: Array(
      repeating: .mixture(
        Mixture(
          routedExperts: 8, expertsPerToken: 2, expertWidth: 24, sharedExperts: 1,
          sharedWidth: 24, groups: 2, groupsPerToken: 1)), count: layers),
    normalization: .rmsNorm(epsilon: 1e-6),
    position: .rotary(Rotary(theta: 10_000, layout: .interleaved)), tiedEmbeddings: false,
    multiTokenPrediction: modules)
}
