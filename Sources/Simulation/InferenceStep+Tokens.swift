import Models
import Programs

extension InferenceStep {
  /// How the tokens are drawn that a unit has scored; nil for units that score none.
  func choice(
    behind unit: Unit, _ part: InferencePart, _ pricing: ClusterPricing
  ) -> TokenChoice? {
    let scored: Int
    let isDraft: Bool
    switch unit {
    case .head: (scored, isDraft) = (isDecode ? tokens : 1, false)
    case .multiTokenPrediction: (scored, isDraft) = (1, true)
    case .embedding, .layer: return nil
    }
    return TokenChoice(
      rows: part.sequences * scored, vocabulary: architecture.vocabularySize,
      scoreBytes: pricing.kernels.sizes.activation, isDraft: isDraft,
      returnsProbabilities: request.returnsProbabilities)
  }

  /// Tensor ranks have scores of their parts of the vocabulary, which are brought together first; one of them draws.
  func append(
    _ choice: TokenChoice, to lane: inout InferenceLane, _ pricing: ClusterPricing
  ) {
    if planned.plan.tensorParallel > 1 {
      let part = choice.vocabulary / planned.plan.tensorParallel
      let gather = Transfer(
        .allGather(.tensor), outputs: [], inputs: [], stream: .tensor,
        bytesPerRow: part * Int(choice.scoreBytes), rows: .fixed(choice.rows), phase: .head,
        pass: .forward, layer: -1)
      lane.append(
        waited: .tensorExchanges, seconds: pricing.seconds(ofCollective: gather, stage: 0),
        on: gather.stream, in: gather.phase)
    }
    let kernels = pricing.kernels.kernels(of: choice)
    lane.items.append(
      InferenceItem(
        action: .compute(
          .others, seconds: kernels.reduce(0) { $0 + $1.seconds },
          gaps: kernels.reduce(0) { $0 + Double($1.launches) } * pricing.launchGap),
        phase: .head))
  }
}
