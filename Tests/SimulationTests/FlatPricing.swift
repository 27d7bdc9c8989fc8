import Models
import Plans
import Programs
import Schedules
import Simulation

/// Prices that a test can count on its fingers: a microsecond a kernel, fixed times for transfers.
struct FlatPricing: Pricing {
  var kernel = 1e-6
  var exchange = ExchangePrice(preparation: 2e-6, payload: 10e-6)
  var collective = 20e-6
  var message = 5e-6
  var messagesUseAdapter = true
  /// Whether messages share links, or else each takes its time whatever is beside it.
  var messagesShareLinks = true
  /// Kernels beside a communication kernel take this much longer.
  var overlapFactor = 1.0
  /// What a collective takes of a rank's links.
  var load = LinkLoad.none

  func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double {
    isOverlapped ? kernel * overlapFactor : kernel
  }

  func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
    -> ExchangePrice
  { exchange }

  func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { collective }
  func load(ofCollective transfer: Transfer) -> LinkLoad { load }

  func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
    MessagePrice(
      latency: messagesShareLinks ? 0 : message, moving: messagesShareLinks ? message : 0,
      usesAdapter: messagesUseAdapter)
  }

  func secondsOfAgreement() -> Double { 3e-6 }
}

enum Inputs {
  static func gpt(layers: Int) -> Architecture {
    Architecture.gpt(
      name: "tiny", hidden: 32, layers: layers, heads: 4, vocabulary: 64, positions: 16)
  }

  static func deepSeek(layers: Int) -> Architecture {
    let mixture = Mixture(
      routedExperts: 8, expertsPerToken: 2, expertWidth: 16, sharedExperts: 1, sharedWidth: 16,
      groups: 4, groupsPerToken: 2, groupScore: .sumOfTopTwo, scoring: .sigmoid,
      routedScaling: 2.5, correctionBias: true)
    return Architecture(
      name: "tiny v3", family: .deepseekV3, hiddenSize: 32, layerCount: layers,
      vocabularySize: 64, maximumPositions: 16,
      attention: .latent(
        Latent(
          heads: 4, queryRank: 24, keyValueRank: 16, nopeHeadSize: 8, ropeHeadSize: 4,
          valueHeadSize: 8)),
      feedForwards: [.dense(width: 48, gated: true, bias: false)]
        + Array(repeating: .mixture(mixture), count: layers - 1),
      normalization: .rmsNorm(epsilon: 1e-6),
      position: .rotary(Rotary(theta: 10_000, layout: .interleaved)), tiedEmbeddings: false)
  }

  static func plan(
    _ schedule: String, pipeline: Int, stagesPerRank: Int = 1, microbatches: Int, data: Int = 1,
    expert: Int = 1, send: Plan.SendMode = .eager
  ) -> Plan {
    var plan = Plan()
    plan.schedule = .named(schedule)
    plan.pipelineParallel = pipeline
    plan.stagesPerRank = stagesPerRank
    plan.dataParallel = data
    plan.expertParallel = expert
    plan.globalBatch = microbatches * data
    plan.sequenceLength = 16
    plan.precision = .float32
    plan.sendMode = send
    return plan
  }

  static func input(_ architecture: Architecture, _ plan: Plan) throws -> StepInput {
    let placed = try plan.validated(for: architecture)
    let tokens = plan.tokensPerMicrobatch
    return try StepInput(
      placed, rows: (received: tokens, routed: 2 * tokens, sent: tokens),
      target: .cpuRank)
  }
}
