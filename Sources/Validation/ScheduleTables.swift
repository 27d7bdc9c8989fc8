import Schedules

extension ValidationTable {
  /// The table of bubbles and activations of DualPipe's README, at equal passes.
  static func dualPipeTable() throws -> ValidationTable {
    let times = PassTimes(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0)
    let (f, b, w, pair) = (1.0, 2.0, 1.0, 3.0)
    var rows: [ValidationRow] = []
    for ranks in [8, 16] {
      let depth = Double(ranks)
      let dual = (depth / 2 - 1) * (pair + b - 3 * w)
      let forms: [(ScheduleName, Int, Double, Double)] = [
        (.oneForwardOneBackward, ranks, (depth - 1) * (f + b), depth),
        (.zeroBubbleH1, ranks, (depth - 1) * (f + b - 2 * w), depth),
        (.dualPipe, ranks, dual, depth + 1), (.dualPipeV, ranks / 2, dual, depth + 1),
      ]
      for (name, count, bubble, activations) in forms {
        let schedule = try name.schedule(ranks: count, microbatches: 3 * ranks)
        let timing = try ScheduleTiming(schedule, times: times)
        let most = timing.bubbleRates.max() ?? 0
        rows.append(
          ValidationRow(
            "\(name.rawValue) on \(count) ranks, bubble", prediction: most * timing.makespan,
            publication: bubble, unit: "passes"))
        rows.append(
          ValidationRow(
            "\(name.rawValue) on \(count) ranks, activations",
            prediction: timing.peakActivations.max() ?? 0, publication: activations,
            unit: "microbatches"))
      }
    }
    return ValidationTable(
      "dualpipe-table", title: "Bubbles and activations of DualPipe's table",
      source: "DualPipe README; arXiv 2412.19437 table 2", basis: .exact,
      fittedTo: "nothing: timed orders with equal passes", rows: rows)
  }

  /// Bubble rates of the zero-bubble paper, from its own times of passes.
  static func zeroBubbleRates() throws -> ValidationTable {
    ValidationTable(
      "zero-bubble-rates", title: "Bubble rates of zero-bubble schedules",
      source: "arXiv 2401.10241 tables 5 and 9", basis: .exact,
      fittedTo: "nothing: timed orders with the published times of passes",
      assumptions: ["the rate is that of the longest stay of a rank, as the paper defines it"],
      rows: try PublishedTable.zeroBubble.rows.flatMap { try rateRows(of: $0) })
  }

  private static func rateRows(of row: PublishedRow) throws -> [ValidationRow] {
    let costs = row.passCosts
    let (ranks, microbatches) = (row.integer("p"), row.integer("m"))
    // Embedding and head count as a layer each; a stage of the interleaved runs is one layer.
    let stagesPerRank = (row.integer("layers") + 2) / ranks
    let part = Double(stagesPerRank)
    let whole = PassTimes(costs)
    let single = PassTimes(
      forward: whole.forward / part, backwardInput: whole.backwardInput / part,
      backwardWeight: whole.backwardWeight / part, transfer: whole.transfer)
    let kinds: [(ScheduleName, String)] = [
      (.oneForwardOneBackward, "bubble_1f1b"),
      (.interleavedOneForwardOneBackward, "bubble_1f1b_i"), (.zeroBubbleH1, "bubble_zb_h1"),
      (.zeroBubbleH2, "bubble_zb_h2"), (.zeroBubble1P, "bubble_zb_1p"),
      (.zeroBubble2P, "bubble_zb_2p"),
    ]
    return try kinds.map { name, column in
      let isInterleaved = name == .interleavedOneForwardOneBackward
      let schedule = try name.schedule(
        ranks: ranks, stagesPerRank: isInterleaved ? stagesPerRank : 1,
        microbatches: microbatches, costs: isInterleaved ? nil : costs)
      let times = isInterleaved ? single : whole
      let timing = try ScheduleTiming(schedule, times: times)
      let rounds = Double(microbatches) * (isInterleaved ? part : 1)
      let busy = rounds * (times.forward + times.backwardInput + times.backwardWeight)
      return ValidationRow(
        "\(row["model"]), \(microbatches) microbatches, \(name.rawValue)",
        prediction: (1 - busy / timing.longestRankSpan) * 100,
        publication: row.number(column) * 100, unit: "% of time", measure: .points)
    }
  }
}

extension PublishedRow {
  /// The published times of passes; the table has milliseconds with three decimals.
  var passCosts: PassCosts {
    func cost(_ column: String) -> Int { Int((number(column) * 1000).rounded()) }
    return PassCosts(
      forward: cost("t_f_ms"), backwardInput: cost("t_b_ms"), backwardWeight: cost("t_w_ms"),
      transfer: cost("t_comm_ms"))
  }
}
