import RealModule

extension Reference {
  /// A router's choice for one row of logits.
  public struct Route: Equatable, Sendable {
    public var experts: [Int]
    public var weights: [Double]
    public var scores: [Double]
  }

  /// Routes one row, by sorting.
  public static func route(
    _ logits: [Double], bias: [Double]? = nil, _ rule: RouterRule
  ) -> Route {
    var scores = logits.map { 1 / (1 + Double.exp(-$0)) }
    if rule.score == .softmax {
      let largest = logits.reduce(-Double.infinity, max)
      let powers = logits.map { Double.exp($0 - largest) }
      let sum = powers.reduce(0, +)
      scores = powers.map { $0 / sum }
    }
    let choice = scores.indices.map { scores[$0] + (bias?[$0] ?? 0) }
    let size = rule.experts / rule.groups
    let worth = (0..<rule.groups).map { group in
      choice[group * size..<(group + 1) * size].sorted(by: >)
        .prefix(rule.groupScore == .best ? 1 : 2).reduce(0, +)
    }
    let groups = worth.indices.sorted { (worth[$0], $1) > (worth[$1], $0) }
      .prefix(rule.chosenGroups)
    let open = choice.indices.filter { groups.contains($0 / size) }
    let experts = Array(
      open.sorted { (choice[$0], $1) > (choice[$1], $0) }.prefix(rule.chosen))
    return Route(
      experts: experts, weights: weights(scores: scores, experts: experts, rule), scores: scores)
  }

  /// The weights of chosen experts from the scores of all.
  public static func weights(
    scores: [Double], experts: [Int], _ rule: RouterRule
  ) -> [Double] {
    let sum = rule.isNormalised ? experts.reduce(0) { $0 + scores[$1] } : 1
    return experts.map { scores[$0] / sum * Double(rule.scale) }
  }

  /// The balance loss of one sequence of scores, given how often each expert was chosen.
  public static func balanceLoss(
    scores: [[Double]], counts: [Int], alpha: Double, _ rule: RouterRule
  ) -> Double {
    let tokens = Double(scores.count)
    var loss = 0.0
    for expert in 0..<rule.experts {
      let load = Double(rule.experts) / (Double(rule.chosen) * tokens) * Double(counts[expert])
      let share = scores.reduce(0) { $0 + $1[expert] / $1.reduce(0, +) } / tokens
      loss += alpha * load * share
    }
    return loss
  }

  /// The summed cross-entropy of the head; labels of -1 are passed over.
  public static func headLoss(
    _ hidden: [Double], _ weight: [Double], labels: [Int], _ shape: HeadShape
  ) -> Double {
    let size = ProductSize(m: shape.rows, n: shape.vocabulary, k: shape.columns)
    let logits = matmul(hidden, weight, size, turnedB: true)
    var loss = 0.0
    for (row, label) in labels.enumerated() where label >= 0 {
      let scores = logits[row * shape.vocabulary..<(row + 1) * shape.vocabulary]
      let largest = scores.reduce(-Double.infinity, max)
      let sum = scores.reduce(0) { $0 + Double.exp($1 - largest) }
      loss += largest + Double.log(sum) - logits[row * shape.vocabulary + label]
    }
    return loss
  }

  /// One AdamW update of one parameter, in the order of PyTorch's documentation.
  public static func adamW(
    parameter: inout Double, moment1: inout Double, moment2: inout Double, gradient: Double,
    step: Int, _ settings: AdamWSettings
  ) {
    parameter -= settings.learningRate * settings.decay * parameter
    moment1 = settings.beta1 * moment1 + (1 - settings.beta1) * gradient
    moment2 = settings.beta2 * moment2 + (1 - settings.beta2) * gradient * gradient
    let mean = moment1 / (1 - Double.pow(settings.beta1, step))
    let variance = moment2 / (1 - Double.pow(settings.beta2, step))
    parameter -= settings.learningRate * mean / (variance.squareRoot() + settings.epsilon)
  }
}
