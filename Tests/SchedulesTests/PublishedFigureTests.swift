import Schedules
import Testing

/// Published bubbles, memory and counts, from the orders themselves.
@Suite struct PublishedFigureTests {
  /// The part of the busiest rank's stay in which it waits: the definition of arXiv:2401.10241.
  private func bubbleRate(_ schedule: Schedule, _ times: PassTimes) throws -> Double {
    let timing = try ScheduleTiming(schedule, times: times)
    let rounds = Double(schedule.microbatchCount * schedule.stageCount / schedule.ranks.count)
    let busy = rounds * (times.forward + times.backwardInput + times.backwardWeight)
    return 1 - busy / timing.longestRankSpan
  }

  @Test(arguments: 0..<6) func bubbleRatesOfZeroBubble(_ index: Int) throws {
    let row = try Fixture.table("zero_bubble.csv")[index]
    func number(_ key: String) throws -> Double { try #require(row[key].flatMap { Double($0) }) }
    let ranks = Int(try number("p"))
    let microbatches = Int(try number("m"))
    // The table has milliseconds with three decimals.
    func cost(_ key: String) throws -> Int { Int((try number(key) * 1000).rounded()) }
    let costs = PassCosts(
      forward: try cost("t_f_ms"), backwardInput: try cost("t_b_ms"),
      backwardWeight: try cost("t_w_ms"), transfer: try cost("t_comm_ms"))
    func rate(_ name: ScheduleName) throws -> Double {
      try bubbleRate(
        try name.schedule(
          ranks: ranks, microbatches: microbatches,
          costs: costs), PassTimes(costs))
    }
    #expect(abs(try rate(.oneForwardOneBackward) - number("bubble_1f1b")) <= 1e-4)
    #expect(abs(try rate(.zeroBubbleH1) - number("bubble_zb_h1")) <= 1e-4)
    #expect(abs(try rate(.zeroBubbleH2) - number("bubble_zb_h2")) <= 1e-4)
    #expect(try rate(.zeroBubble1P) <= number("bubble_zb_1p") + 5e-5)
    #expect(try rate(.zeroBubble2P) <= number("bubble_zb_2p") + 5e-5)

    // Embedding and head count as a layer each; a stage of the interleaved runs is one layer.
    let layers = Int(try number("layers")) + 2
    let stagesPerRank = layers / ranks
    let part = Double(stagesPerRank)
    let interleaved = try ScheduleName.interleavedOneForwardOneBackward.schedule(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    let times = PassTimes(
      forward: Double(costs.forward) / part, backwardInput: Double(costs.backwardInput) / part,
      backwardWeight: Double(costs.backwardWeight) / part, transfer: Double(costs.transfer))
    #expect(abs(try bubbleRate(interleaved, times) - number("bubble_1f1b_i")) <= 0.005)
  }

  /// The table of DualPipe's README, with B the whole backward and passes of equal length.
  @Test(arguments: [2, 4, 8, 16], [1.0, 3.0]) func closedForms(ranks: Int, unit: Double) throws {
    let times = PassTimes(
      forward: unit, backwardInput: unit, backwardWeight: unit, transfer: 0)
    let (f, b, w) = (unit, 2 * unit, unit)
    let depth = Double(ranks)
    let microbatches = 3 * ranks
    func bubble(_ name: ScheduleName, ranks: Int) throws -> Double {
      let schedule = try name.schedule(ranks: ranks, microbatches: microbatches)
      let timing = try ScheduleTiming(schedule, times: times)
      let least = try #require(timing.bubbleRates.max()) * timing.makespan
      return least
    }
    #expect(
      abs(try bubble(.oneForwardOneBackward, ranks: ranks) - (depth - 1) * (f + b)) < 1e-6)
    #expect(abs(try bubble(.zeroBubbleH1, ranks: ranks) - (depth - 1) * (f + b - 2 * w)) < 1e-6)
    let dual = (depth / 2 - 1) * (f + b + b - 3 * w)
    #expect(abs(try bubble(.dualPipe, ranks: ranks) - dual) < 1e-6)
    #expect(abs(try bubble(.dualPipeV, ranks: ranks / 2) - dual) < 1e-6)

    let held = try ScheduleName.dualPipe.schedule(ranks: ranks, microbatches: microbatches)
      .peakActivations(releasedAtInput: 0)
    #expect(held == [Double](repeating: depth + 1, count: ranks))
    let heldByFirst = try ScheduleName.oneForwardOneBackward
      .schedule(ranks: ranks, microbatches: microbatches).peakActivations(releasedAtInput: 0)
    #expect(heldByFirst[0] == depth)
  }

  @Test func dualPipeCounts() throws {
    let rows = try Fixture.table("dualpipe_op_counts.csv")
    let schedule = try ScheduleName.dualPipe.schedule(ranks: 8, microbatches: 20)
    for row in rows {
      let rank = try #require(row["rank"].flatMap { Int($0) })
      var counts = ["n_F_alone": 0, "n_FB_overlapped": 0, "n_B_full": 0, "n_B_input_only": 0]
      counts["n_W"] = 0
      for cell in schedule.ranks[rank] {
        switch cell {
        case .overlapped: counts["n_FB_overlapped", default: 0] += 1
        case .run(let action):
          switch action.pass {
          case .forward: counts["n_F_alone", default: 0] += 1
          case .backward: counts["n_B_full", default: 0] += 1
          case .backwardInput: counts["n_B_input_only", default: 0] += 1
          case .backwardWeight: counts["n_W", default: 0] += 1
          }
        case .idle, .send, .receive, .commit: Issue.record("\(cell)")
        }
      }
      for (key, count) in counts.sorted(by: { $0.key < $1.key }) {
        #expect(row[key] == "\(count)", "rank \(rank) \(key)")
      }
    }
    #expect(rows.count == 8)
  }

  struct Row: Decodable {
    var file: String
    var peak_live_activations: [Double]?
  }

  @Test(arguments: ["pytorch", "dualpipe"]) func peaks(_ folder: String) throws {
    var checked = 0
    for row in try Fixture.json("\(folder)/index.json", as: [Row].self) {
      guard let peaks = row.peak_live_activations else { continue }
      let schedule = try Schedule(csv: Fixture.text("\(folder)/compute/\(row.file)"))
      #expect(schedule.peakActivations(releasedAtInput: 0) == peaks, "\(row.file)")
      checked += 1
    }
    #expect(checked >= 10)
  }
}
