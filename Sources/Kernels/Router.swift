import RealModule

/// How a router turns logits into experts and weights.
public struct RouterRule: Equatable, Sendable {
  public enum Score: Sendable {
    /// Each expert by itself (DeepSeek-V3).
    case sigmoid
    /// Over all experts (Mixtral, Qwen3, DeepSeek-V2).
    case softmax
  }

  /// What a group of experts is worth.
  public enum GroupScore: Sendable {
    /// The sum of its two best (DeepSeek-V3, `noaux_tc`).
    case topTwo
    /// Its best (DeepSeek-V2, `group_limited_greedy`).
    case best
  }

  public var experts: Int
  /// Experts per token.
  public var chosen: Int
  public var score: Score
  /// Groups of experts, and how many of them a token may use.
  public var groups: Int
  public var chosenGroups: Int
  public var groupScore: GroupScore
  /// Whether the weights of a token's experts are divided by their sum.
  public var isNormalised: Bool
  /// `routed_scaling_factor`, which weights are multiplied by.
  public var scale: Float

  public init(
    experts: Int, chosen: Int, score: Score, groups: Int = 1, chosenGroups: Int = 1,
    groupScore: GroupScore = .topTwo, isNormalised: Bool, scale: Float = 1
  ) {
    precondition(experts > 0 && groups > 0 && experts % groups == 0, "groups divide experts")
    precondition(chosenGroups > 0 && chosenGroups <= groups, "chosen groups are some of the groups")
    precondition(
      chosen > 0 && chosen <= experts / groups * chosenGroups, "the chosen groups hold enough")
    self.experts = experts
    self.chosen = chosen
    self.score = score
    self.groups = groups
    self.chosenGroups = chosenGroups
    self.groupScore = groupScore
    self.isNormalised = isNormalised
    self.scale = scale
  }

  /// Added to the sum of scores before a division by it, as DeepSeek's published model code does.
  static let smallest: Float = 1e-20
}

/// Experts and weights of each token.
///
/// - Parameters:
///   - weights: (rows, chosen), from the scores without bias.
///   - experts: (rows, chosen), best first by score plus bias; of equals as `selectLargest`.
///   - scores: (rows, experts), kept for the backward pass.
///   - logits: (rows, experts).
///   - bias: (experts), added for the selection only; nil for none.
///
/// Experts outside the chosen groups cannot be selected whatever their score. A row with NaN gets
/// valid, distinct experts and NaN where its scores are.
public func routerForward(
  weights: UnsafeMutablePointer<Float>, experts: UnsafeMutablePointer<Int32>,
  scores: UnsafeMutablePointer<Float>, _ logits: UnsafePointer<Float>,
  bias: UnsafePointer<Float>? = nil, rows: Int, _ rule: RouterRule
) {
  precondition(rows >= 0, "a count is not negative")
  let choice = Output.allocate(capacity: rule.experts + rule.groups)
  let order = UnsafeMutablePointer<Int32>.allocate(capacity: rule.experts + rule.groups)
  defer {
    choice.deallocate()
    order.deallocate()
  }
  for row in 0..<rows {
    let score = scores + row * rule.experts
    scoreRow(score, logits + row * rule.experts, rule)
    for expert in 0..<rule.experts {
      let value = score[expert] + (bias?[expert] ?? 0)
      choice[expert] = value > closed ? value : lowest
    }
    if rule.groups > 1 {
      closeGroups(choice, worth: choice + rule.experts, order + rule.experts, rule)
    }
    selectLargest(order, choice, count: rule.experts, chosen: rule.chosen)
    var sum: Float = 0
    for slot in 0..<rule.chosen {
      let best = order[slot]
      experts[row * rule.chosen + slot] = best
      weights[row * rule.chosen + slot] = score[Int(best)]
      sum += score[Int(best)]
    }
    let factor = rule.isNormalised ? rule.scale / (sum + RouterRule.smallest) : rule.scale
    for slot in 0..<rule.chosen { weights[row * rule.chosen + slot] *= factor }
  }
}

/// logitGradient (rows, experts), overwritten, from the gradients of weights and of scores.
///
/// - Parameters:
///   - weightGradient: (rows, chosen).
///   - scoreGradient: (rows, experts), of a balance loss; nil for none.
///   - scores, experts: from the forward pass. The bias takes no gradient.
public func routerBackward(
  _ logitGradient: UnsafeMutablePointer<Float>, _ weightGradient: UnsafePointer<Float>,
  scoreGradient: UnsafePointer<Float>? = nil, scores: UnsafePointer<Float>,
  experts: UnsafePointer<Int32>, rows: Int, _ rule: RouterRule
) {
  precondition(rows >= 0, "a count is not negative")
  for row in 0..<rows {
    let score = scores + row * rule.experts
    let gradient = logitGradient + row * rule.experts
    let (chosen, dw) = (experts + row * rule.chosen, weightGradient + row * rule.chosen)
    for expert in 0..<rule.experts {
      gradient[expert] = scoreGradient?[row * rule.experts + expert] ?? 0
    }
    var (sum, projection) = (RouterRule.smallest, Float(0))
    for slot in 0..<rule.chosen {
      sum += score[Int(chosen[slot])]
      projection += dw[slot] * score[Int(chosen[slot])]
    }
    for slot in 0..<rule.chosen {
      let share = rule.isNormalised ? (dw[slot] - projection / sum) / sum : dw[slot]
      gradient[Int(chosen[slot])] += share * rule.scale
    }
    switch rule.score {
    case .sigmoid:
      for expert in 0..<rule.experts { gradient[expert] *= score[expert] * (1 - score[expert]) }
    case .softmax:
      let mean = dot(gradient, score, count: rule.experts)
      for expert in 0..<rule.experts {
        gradient[expert] = score[expert] * (gradient[expert] - mean)
      }
    }
  }
}

private func scoreRow(_ score: Output, _ logits: Input, _ rule: RouterRule) {
  switch rule.score {
  case .sigmoid:
    sweepLong(rule.experts) { i, n in score.store(logistic(logits.lanes(i, n)), i, n) }
  case .softmax:
    copy(score, logits, count: rule.experts)
    let sum = exponentials(
      score, visible: rule.experts, count: rule.experts,
      minus: laneMaximum(logits, rule.experts))
    scale(score, score, by: 1 / sum, count: rule.experts)
  }
}

/// The value of an entry that cannot be taken (any more).
private var closed: Float { -.infinity }
/// The value of an entry that is taken last, such as one that is not a number.
private var lowest: Float { -.greatestFiniteMagnitude }

/// Closes the experts of every group but the best ones; `worth` and `order` (groups) are scratch.
private func closeGroups(
  _ choice: Output, worth: Output, _ order: UnsafeMutablePointer<Int32>, _ rule: RouterRule
) {
  let size = rule.experts / rule.groups
  for group in 0..<rule.groups {
    var (first, second) = (lowest, lowest)
    for expert in group * size..<(group + 1) * size {
      let value = choice[expert]
      if value > first {
        (first, second) = (value, first)
      } else if value > second {
        second = value
      }
    }
    let isSingle = rule.groupScore == .best || size == 1
    worth[group] = isSingle ? first : max(first + second, lowest)
  }
  selectLargest(order, worth, count: rule.groups, chosen: rule.chosenGroups)
  for place in rule.chosenGroups..<rule.groups {
    let group = Int(order[place])
    for expert in group * size..<(group + 1) * size { choice[expert] = closed }
  }
}
