import Documents
import Models
import Quantities

/// What a model's description says about its size and its price in operations.
public struct ModelReport: Encodable, Sendable {
  /// Parameters by part; in the order of the forward pass.
  public struct Parameters: Encodable, Sendable {
    public var embedding: Int
    public var attention: Int
    public var recurrent: Int
    public var denseFeedForward: Int
    public var routedExperts: Int
    public var sharedExperts: Int
    public var routers: Int
    public var norms: Int
    public var head: Int
    public var joiningProjections: Int
    /// Buffers of routers, which no gradient moves; not in the total.
    public var correctionBiases: Int
    public var total: Int

    init(_ counts: ParameterCounts) {
      embedding = counts.embedding
      attention = counts.attention
      recurrent = counts.recurrent
      denseFeedForward = counts.denseFeedForward
      routedExperts = counts.routedExperts
      sharedExperts = counts.sharedExperts
      routers = counts.routers
      norms = counts.norms
      head = counts.head
      joiningProjections = counts.joiningProjections
      correctionBiases = counts.correctionBiases
      total = counts.total
    }

    var parts: [(name: String, count: Int)] {
      [
        ("embedding", embedding), ("attention", attention), ("recurrent blocks", recurrent),
        ("dense feed-forward", denseFeedForward), ("routed experts", routedExperts),
        ("shared experts", sharedExperts), ("routers", routers), ("norms", norms), ("head", head),
        ("joining projections", joiningProjections), ("total", total),
      ]
    }
  }

  /// Floating-point operations of training on one token: three times the forward pass.
  public struct Flops: Encodable, Sendable {
    public var linear: Int
    public var attention: Int
    /// States of recurrent blocks.
    public var recurrent: Int
    /// Products of routers; not in the total.
    public var routers: Int
    public var total: Int

    init(_ flops: TrainingFlops) {
      linear = flops.linear
      attention = flops.attention
      recurrent = flops.recurrent
      routers = flops.routers
      total = flops.total
    }
  }

  /// Both ways to count attention, with the prediction modules apart.
  public struct FlopsPerToken: Encodable, Sendable {
    public var sequenceTokens: Int
    public var causal: Flops
    public var nonCausal: Flops
    public var multiTokenPredictionCausal: Flops
    public var multiTokenPredictionNonCausal: Flops
  }

  public var name: String
  public var modelType: String
  public var layers: Int
  public var hiddenSize: Int
  public var vocabularySize: Int
  public var maximumPositions: Int
  public var multiTokenPredictionModules: Int
  public var parameters: Parameters
  public var activatedParameters: Parameters
  public var multiTokenPredictionParameters: Parameters
  public var trainingFlopsPerToken: FlopsPerToken
  /// Bytes that one token leaves in a BF16 cache of keys and values.
  public var kvBytesPerToken: Int
  /// What the description asks for and sluice leaves out.
  public var notices: [String]
  public var inputs: Inputs
  let attention: String
  let feedForward: String
  /// Behind the name of the row of attention where windows or chunks limit it.
  let attentionLimit: String

  private enum CodingKeys: String, CodingKey {
    case name, modelType, layers, hiddenSize, vocabularySize, maximumPositions
    case multiTokenPredictionModules, parameters, activatedParameters
    case multiTokenPredictionParameters, trainingFlopsPerToken, kvBytesPerToken, notices, inputs
  }

  /// Counts a model; `sequence` is the length at which attention is counted, in tokens.
  public init(_ model: Architecture, sequence: Int, _ inputs: Inputs) {
    name = model.name
    modelType = model.family.rawValue
    layers = model.layerCount
    hiddenSize = model.hiddenSize
    vocabularySize = model.vocabularySize
    maximumPositions = model.maximumPositions
    multiTokenPredictionModules = model.multiTokenPrediction
    parameters = Parameters(model.parameterCounts)
    activatedParameters = Parameters(model.activatedParameterCounts)
    multiTokenPredictionParameters = Parameters(model.predictionParameterCounts)
    trainingFlopsPerToken = FlopsPerToken(
      sequenceTokens: sequence,
      causal: Flops(model.trainingFlops(sequence: sequence, causal: true)),
      nonCausal: Flops(model.trainingFlops(sequence: sequence, causal: false)),
      multiTokenPredictionCausal: Flops(
        model.predictionTrainingFlops(sequence: sequence, causal: true)),
      multiTokenPredictionNonCausal: Flops(
        model.predictionTrainingFlops(sequence: sequence, causal: false)))
    kvBytesPerToken = model.cachedBytesPerToken()
    notices = model.notices(sequence: sequence)
    self.inputs = inputs
    let isLimited = model.layers.contains { ($0.attention.reach.width ?? sequence) < sequence }
    attentionLimit = isLimited ? ", within their windows" : ""
    attention = model.attentionInWords
    feedForward = model.feedForwardsInWords
    if !model.peculiarities.isEmpty {
      notices.append("not counted: \(model.peculiarities.joined(separator: "; "))")
    }
  }
}

extension Architecture {
  /// What sluice leaves out of the description, and sequences of a length that it is not made for.
  func notices(sequence: Int) -> [String] {
    guard sequence > maximumPositions else { return notices }
    return notices + [
      "sequences of \(grouped(sequence)) tokens, beyond the model's \(grouped(maximumPositions))"
    ]
  }
}

extension ModelReport {
  /// The report as a page of at most 100 columns.
  public var text: String {
    var facts = TextTable([.left, .left])
    facts.add("layers", "\(layers), hidden size \(grouped(hiddenSize))")
    facts.add("attention", attention)
    facts.add("feed-forward", feedForward)
    facts.add(
      "vocabulary", "\(grouped(vocabularySize)); positions \(grouped(maximumPositions))")
    var lines = "\(name) (\(modelType))\n"
    lines += inputs.lines(width: 100).map { $0 + "\n" }.joined() + facts.text(width: 100) + "\n"
    lines += parameterTable + "\n" + flopsTable + "\n"
    lines += "KV cache: \(grouped(kvBytesPerToken)) B per token in BF16\n"
    for notice in notices {
      lines += wrapped("note: \(notice)", width: 100).joined(separator: "\n  ") + "\n"
    }
    return lines
  }

  private var parameterTable: String {
    let hasPrediction = multiTokenPredictionModules > 0
    var table = TextTable([.left])
    table.add(
      ["parameters", "total", "per token"] + (hasPrediction ? ["prediction module"] : []))
    let prediction = multiTokenPredictionParameters.parts
    for (index, part) in parameters.parts.enumerated() {
      let activated = activatedParameters.parts[index].count
      guard part.count + activated + prediction[index].count > 0 else { continue }
      table.add(
        [part.name, parameterText(part.count), parameterText(activated)]
          + (hasPrediction ? [parameterText(prediction[index].count)] : []))
    }
    return table.text()
  }

  private var flopsTable: String {
    let flops = trainingFlopsPerToken
    var table = TextTable([.left])
    table.add(
      "training, GFLOP per token at \(grouped(flops.sequenceTokens))", "causal", "non-causal")
    func row(_ name: String, _ causal: Int, _ full: Int) {
      table.add(
        name, fixed(Double(causal) / 1e9, decimals: 2), fixed(Double(full) / 1e9, decimals: 2))
    }
    row("products with weights", flops.causal.linear, flops.nonCausal.linear)
    row("attention cores" + attentionLimit, flops.causal.attention, flops.nonCausal.attention)
    if flops.causal.recurrent > 0 {
      row("recurrent states", flops.causal.recurrent, flops.nonCausal.recurrent)
    }
    row("total", flops.causal.total, flops.nonCausal.total)
    if flops.causal.routers > 0 {
      row("routers, not in the total", flops.causal.routers, flops.nonCausal.routers)
    }
    if multiTokenPredictionModules > 0 {
      row(
        "prediction module, not in the total", flops.multiTokenPredictionCausal.total,
        flops.multiTokenPredictionNonCausal.total)
    }
    return table.text()
  }

  /// The names of models with their parameters and what a token activates of them, as a table.
  public static func list(_ models: [Architecture]) -> String {
    var table = TextTable([.left, .right, .right, .left])
    table.add("model", "parameters", "per token", "model_type")
    for model in models {
      let (total, active) = (model.parameterCounts.total, model.activatedParameterCounts.total)
      table.add(
        model.name, parameterText(total), active == total ? "" : parameterText(active),
        model.family.rawValue)
    }
    return table.text(width: 100)
  }
}
