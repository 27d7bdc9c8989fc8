import Engines
import Models
import Plans
import Programs
import Schedules

/// Stages and programs for the engine to walk.
enum Worlds {
  /// A stage whose programs are written by hand; its buffers mean nothing.
  static func stage() -> StageProgram {
    let model = Architecture.gpt(
      name: "tiny", hidden: 8, layers: 1, heads: 1, vocabulary: 8, positions: 4)
    let setting = LoweringSetting(sequences: 1, sequenceLength: 4)
    var stage = StageProgram(units: [.layer(0)], of: model, setting)
    stage.forward = Program()
    stage.backward = Program()
    stage.backwardInput = Program()
    stage.backwardWeight = Program()
    stage.reduce = Program()
    stage.norm = Program()
    stage.update = Program()
    stage.settle = Program()
    return stage
  }

  /// A program of these steps, whose transfers are dispatches.
  static func program(_ steps: [Step], transfers: Int = 0) -> Program {
    var program = Program()
    program.steps = steps
    program.transfers = (0..<transfers).map {
      Transfer(
        .dispatch(exchange: $0), outputs: [], inputs: [], stream: .expert, bytesPerRow: 1,
        rows: .fixed(1), phase: .dispatch, pass: .forward, layer: 0)
    }
    return program
  }

  static func engine(
    _ items: [Item], _ stages: [StageProgram], transfers: [PipelineTransfer] = []
  ) -> Engine {
    Engine(
      RankProgram(
        pipelineRank: 0, stages: Array(stages.indices), items: items, transfers: transfers),
      stages: stages.map { Optional($0) })
  }

  static let plans: [(name: String, stages: Int, data: Int, lanes: Int)] = [
    ("gpipe", 1, 1, 1), ("1f1b", 1, 1, 4), ("interleaved-1f1b", 2, 1, 1), ("looped-bfs", 2, 1, 1),
    ("zb-h1", 1, 2, 1), ("zb-2p", 1, 1, 1), ("zbv", 2, 2, 1), ("v-half", 2, 1, 2),
    ("interleaved-zero-bubble", 2, 1, 1), ("dualpipe", 1, 2, 2), ("dualpipev", 2, 2, 1),
  ]

  /// All ranks of one pipeline of a small mixture model.
  static func pipeline(
    _ name: String, stagesPerRank: Int, data: Int, lanes: Int, ranks: Int = 4,
    style: TransferStyle = .eager
  ) throws -> (ranks: [RankProgram], stages: [StageProgram]) {
    var plan = Plan()
    plan.schedule = .named(name)
    plan.pipelineParallel = ranks
    plan.stagesPerRank = stagesPerRank
    plan.dataParallel = data
    plan.expertParallel = data
    plan.globalBatch = 12 * data
    plan.sequenceLength = 8
    plan.precision = .float32
    plan.gradientLanes = lanes
    let mixture = Mixture(
      routedExperts: 4, expertsPerToken: 2, expertWidth: 16, sharedExperts: 1, sharedWidth: 16,
      groups: 2, groupsPerToken: 1, groupScore: .sumOfTopTwo, scoring: .sigmoid,
      routedScaling: 1, correctionBias: true)
    let layers = ranks * stagesPerRank
    let model = Architecture(
      name: "tiny", family: .deepseekV3, hiddenSize: 32, layerCount: layers, vocabularySize: 64,
      maximumPositions: 16,
      attention: .latent(
        Latent(
          heads: 4, queryRank: 24, keyValueRank: 16, nopeHeadSize: 8, ropeHeadSize: 4,
          valueHeadSize: 8)),
      feedForwards: [.dense(width: 48, gated: true, bias: false)]
        + Array(repeating: .mixture(mixture), count: layers - 1),
      normalization: .rmsNorm(epsilon: 1e-6),
      position: .rotary(Rotary(theta: 10_000, layout: .interleaved)), tiedEmbeddings: false)
    let schedule = try ScheduleName(named: name).schedule(
      ranks: ranks, stagesPerRank: name == "dualpipe" ? nil : stagesPerRank, microbatches: 12
    ).lowered(style)
    let layout = try StageLayout(evenly: schedule.stageCount, of: model)
    let setting = LoweringSetting(plan, layout, of: model, target: .cpuRank)
    let stages = layout.stages.map { StageProgram(units: $0, of: model, setting) }
    let programs = schedule.ranks.indices.map { rank in
      var program = RankProgram(
        schedule: schedule, rank: rank, reductions: plan.reductionStart)
      program.insert(GradientLanes(plan, target: .cpuRank), of: stages)
      return program
    }
    return (programs, stages)
  }
}
