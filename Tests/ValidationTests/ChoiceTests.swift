import Testing

import Validation

/// Which layouts predictions choose.
@Suite struct ChoiceTests {
  /// Four layouts: the third was the fastest and is predicted to be second, the one predicted to be first took
  /// 10 % longer.
  @Test func regretIsThatOfTheFirst() {
    let steps = LayoutSweep(
      predictions: [1.0, 3, 2, 4], measurements: [11, 12, 10, 20], isRate: false)
    #expect(steps.place == 2 && abs(steps.regret - 0.1) < 1e-12)
    #expect(abs(steps.coefficient - 0.8) < 1e-12)
    // The same as rates.
    let rates = LayoutSweep(
      predictions: steps.predictions.map { 1 / $0 },
      measurements: steps.measurements.map { 1 / $0 }, isRate: true)
    #expect(rates.place == 2 && abs(rates.regret - 0.1) < 1e-12)
    let row = ChoiceTable.Row(
      "both", [steps, LayoutSweep(predictions: [1, 2], measurements: [3, 4], isRate: false)])
    #expect(row.sweeps == 2 && row.layouts == 6 && row.named == 1 && row.place == 1.5)
    #expect(abs(row.regret - 0.05) < 1e-12 && abs(row.worstRegret - 0.1) < 1e-12)
  }

  /// vTrain's 69 sweeps on one node and two on several, and groups of mixtures.
  @Test func sweepsOfThePublished() throws {
    let vTrain = try Computed.report("vtrain").choices
    #expect(vTrain.map(\.name) == ["vtrain-multi-node-choices", "vtrain-single-node-choices"])
    #expect(vTrain[0].rows.map(\.layouts) == [26, 47])
    #expect(vTrain[1].rows.reduce(0) { $0 + $1.sweeps } == 69)
    #expect(vTrain[1].rows.reduce(0) { $0 + $1.layouts } == 387)
    let mixtures = try #require(try Computed.report("mixtures").choices.first)
    // Both groups of Mixtral name the best: folded expert groups.
    let mixtral = mixtures.rows.filter { $0.name.hasPrefix("Mixtral-8x22B, 128 GPUs") }
    #expect(mixtral.map(\.layouts) == [5, 2] && mixtral.allSatisfy { $0.named == 1 })
    for row in vTrain.flatMap(\.rows) + mixtures.rows {
      #expect(row.regret >= 0 && row.worstRegret >= row.regret && row.place >= 1)
      #expect(row.named <= row.sweeps)
    }
  }
}
