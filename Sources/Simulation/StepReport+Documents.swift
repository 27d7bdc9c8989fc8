import Plans

/// What a step's figures count where sequences are made of documents.
extension StepReport {
  /// Counts attention within documents alone, as a share of that over whole sequences.
  mutating func count(_ work: Double, of placed: PlacedPlan) {
    func flops(causal: Bool) -> Double {
      let flops = placed.plan.trainingFlops(of: placed.architecture, causal: causal)
      return Double(flops.total - flops.attention) + work * Double(flops.attention)
    }
    flopsPerTokenCausal = flops(causal: true)
    flopsPerTokenNonCausal = flops(causal: false)
  }

  /// Leaves a share of all tokens out that is padding, which trains nothing.
  ///
  /// - Parameter attendsToIt: attention is over whole sequences, so that a token has its share of theirs; else all
  ///   attention is of the tokens that are left.
  mutating func leaveOut(_ padding: Double, attendsToIt: Bool, _ placed: PlacedPlan) {
    paddingPerStep = Int((padding * Double(tokensPerStep)).rounded())
    let all = Double(tokensPerStep)
    tokensPerStep -= paddingPerStep
    guard !attendsToIt, tokensPerStep > 0 else { return }
    func ofAttention(causal: Bool, _ flops: Double) -> Double {
      let whole = placed.plan.trainingFlops(of: placed.architecture, causal: causal)
      return flops - Double(whole.total - whole.attention)
    }
    let more = all / Double(tokensPerStep) - 1
    flopsPerTokenCausal += more * ofAttention(causal: true, flopsPerTokenCausal)
    flopsPerTokenNonCausal += more * ofAttention(causal: false, flopsPerTokenNonCausal)
  }
}
