import Clusters
import Costs
import Foundation
import Models
import Plans
import Quantities
import Simulation
import Testing

/// Counted expert loads: 8 experts in 32 layers over 4 ranks, two pipeline positions.
@Suite struct ExpertCountsTests {
  static let text = """
    data-parallel: 8
    pipeline-parallel: 2
    expert-parallel: 4
    global-batch: 32
    sequence-length: 2048
    schedule: 1f1b
    send-mode: eager
    zero-stage: 1
    dispatcher: deepep
    communication-sms: 20
    """

  /// The step with every layer's tokens spread like this; balanced without counts.
  static func step(_ counts: [Int]?, _ more: [String] = []) throws -> PlannedStep {
    var plan = try Plan.read(.init(text: text, name: "plan"), name: "plan", overrides: more)
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).csv")
    defer { try? FileManager.default.removeItem(at: path) }
    if let counts {
      var lines = ["layer,expert,tokens"]
      for layer in 0..<32 {
        lines += counts.enumerated().map { "\(layer),\($0),\($1)" }
      }
      try lines.joined(separator: "\n").write(to: path, atomically: true, encoding: .utf8)
      plan.expertLoad = .counts(file: path.path)
    }
    return try PlannedStep(
      architecture: .named("mixtral-8x7b"), cluster: .named("h800-2048"), plan: plan)
  }

  @Test func equalCountsAreBalanced() throws {
    let balanced = try Self.step(nil).simulation.run()
    let simulation = try Self.step(Array(repeating: 900, count: 8)).simulation
    let counted = simulation.run()
    // Both groups of four that exchange are alike.
    #expect(counted.ranks.count == 8)
    #expect(counted.step == balanced.step)
    for rank in counted.ranks {
      #expect(rank.split == balanced.ranks[rank.position].split)
      #expect(rank.memory == balanced.ranks[rank.position].memory)
      #expect(rank.flops == balanced.ranks[rank.position].flops)
    }
  }

  /// The hotter an expert, the slower the step; the other ranks wait for its rank, in exchanges, and its
  /// rank is the fullest.
  @Test func aHotExpertHoldsUpTheOthers() throws {
    var last = try Self.step(nil).report().stepSeconds
    for heat in [2, 3, 5] {
      let step = try Self.step([1, 1, 1, 1, 1, heat, 1, 1].map { $0 * 100 })
      let result = step.simulation.run()
      #expect(Double(result.step) / 1e12 > last)
      last = Double(result.step) / 1e12
      let first = result.ranks.filter { $0.position == 0 && $0.replica < 4 }
      // Experts 4 and 5 lie on the third rank of four.
      let hot = first[2]
      for cold in first where cold.replica != 2 {
        #expect(cold.expert.waiting > 2 * hot.expert.waiting)
        #expect(cold.busy < hot.busy && cold.flops < hot.flops)
        #expect(cold.memory.peak < hot.memory.peak)
      }
      let report = StepReport(result, placed: step.placed, cluster: step.cluster)
      #expect(report.stages[0].memory.peak == hot.memory.peak)
    }
  }

  /// However tokens spread, the step is never faster than the balanced one, and all products together
  /// do the same work.
  @Test func noLoadIsFasterThanTheBalancedOne() throws {
    let balanced = try Self.step(nil).simulation.run()
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<4 {
      let counts = (0..<8).map { _ in 200 + Int(generator.next() % 200) }
      let counted = try Self.step(counts).simulation.run()
      #expect(counted.step >= balanced.step, "\(counts)")
      // Groups of four ranks stand for all.
      let work = counted.ranks.reduce(0) { $0 + $1.flops }
      #expect(work == 4 * balanced.ranks.reduce(0) { $0 + $1.flops }, "\(counts)")
    }
  }

  @Test func theOrderOfExpertsOnARankChangesNothing() throws {
    let first = try Self.step([1, 4, 2, 3, 3, 2, 1, 4]).simulation.run()
    let second = try Self.step([4, 1, 3, 2, 2, 3, 4, 1]).simulation.run()
    #expect(first.ranks == second.ranks)
    // Another rank is loaded: the step is that of another group, though its ranks are permuted.
    let moved = try Self.step([2, 3, 1, 4, 3, 2, 1, 4]).simulation.run()
    #expect(moved.ranks != first.ranks)
  }

  /// Replayed actions with their own rows are the walked ones, and most are replayed.
  @Test func countedActionsReplay() throws {
    var simulation = try Self.step([1, 4, 2, 3, 3, 2, 1, 4]).simulation
    simulation.isExplicit = true
    let replayed = simulation.run()
    simulation.replays = false
    let walked = simulation.run()
    #expect(replayed.ranks == walked.ranks)
    // Actions with rows of their own are replayed by pieces between exchanges, each counted as one.
    #expect(replayed.walkedOperations * 3 < walked.walkedOperations)
  }

  /// Rows of an exchange: what is routed is what the tokens chose, what is sent is received, and a token
  /// comes to a rank at most once and brings at most one row for each of its experts there.
  @Test(arguments: [2, 4, 8]) func rowsAreConserved(places: Int) throws {
    var generator = SeededGenerator(seed: 5)
    let tokens = 2_048
    for _ in 0..<10 {
      let counts = (0..<8).map { _ in 250 + Int(generator.next() % 750) }
      let input = try Self.step(counts, ["expert-parallel=\(places)"]).input
      let known = try #require(input.rankRows)
      let rows = try (0..<places).map {
        try #require(known[rank: $0, stage: 1, microbatch: 3])
      }
      #expect(known[rank: places, stage: 1, microbatch: 0] == rows[0] || places == 8)
      for exchange in 0..<16 {
        #expect(rows.reduce(0) { $0 + $1.routed[exchange] } == 2 * tokens * places)
        let received = rows.map { $0.received[exchange] }
        #expect(rows.reduce(0) { $0 + $1.sent[exchange] } == received.reduce(0, +))
        for place in 0..<places {
          let routed = rows[place].routed[exchange]
          // A rank's share of the rows is its experts' share of the counts, to one row.
          let local = 8 / places
          let share = counts[place * local..<(place + 1) * local].reduce(0, +)
          let exact = Double(2 * tokens * places * share) / Double(counts.reduce(0, +))
          #expect(abs(Double(routed) - exact) < 1)
          #expect(received[place] <= routed && received[place] <= tokens * places)
          #expect(received[place] * min(2, local) >= routed)
        }
      }
    }
  }

  /// Rows of an exchange that is a collective, where two ranks share each expert: an all-to-all brings a
  /// place what its experts compute, an all-gather the tokens of all places.
  @Test(arguments: [2, 4, 8]) func collectivesConserveRows(places: Int) throws {
    var generator = SeededGenerator(seed: 7)
    let (slices, chosen) = (2, 2)
    // Of a sequence each rank of a tensor group sends its half.
    let tokens = 2_048 / slices
    let more = [
      "tensor-parallel=2", "expert-tensor-parallel=\(slices)", "expert-parallel=\(places)",
    ]
    for _ in 0..<4 {
      let counts = (0..<8).map { _ in 250 + Int(generator.next() % 750) }
      for dispatcher in [Plan.Dispatcher.allToAll, .allGather] {
        let input = try Self.step(counts, more + ["dispatcher=\(dispatcher.rawValue)"]).input
        let known = try #require(input.rankRows)
        let balanced = input.balancedRows[1]
        let rows = try (0..<places).map {
          try #require(known[rank: $0 * slices, stage: 1, microbatch: 3])
        }
        for exchange in 0..<16 {
          let received = rows.map { $0.received[exchange] }
          let routed = rows.map { $0.routed[exchange] }
          #expect(balanced.routed[exchange] == tokens * chosen * slices)
          #expect(routed.reduce(0, +) == balanced.routed[exchange] * places)
          #expect(rows.reduce(0) { $0 + $1.sent[exchange] } == received.reduce(0, +))
          if dispatcher == .allToAll {
            #expect(received.map { $0 * slices } == routed)
            #expect(received.reduce(0, +) == tokens * chosen * places)
            #expect(Set(received).count > 1)
          } else {
            let all = places * balanced.routed[exchange] / slices / chosen
            #expect(all == tokens * places)
            #expect(received == Array(repeating: all, count: places))
          }
        }
      }
    }
  }
}
