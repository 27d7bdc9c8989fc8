import Schedules
import Testing

/// The automatic schedules are no worse than the zero-bubble project's, in time and in memory.
@Suite struct PlannedScheduleTests {
  struct Reference: Decodable, Sendable, CustomStringConvertible {
    struct Makespan: Decodable, Sendable { var total: Double }
    var schedule: String
    var pp: Int
    var mb: Int
    var peak_live_F_to_W: [Double]
    var peak_live_half_released_at_I: [Double]
    var makespan: [String: Makespan]
    var description: String { "\(schedule) pp\(pp) mb\(mb)" }
  }

  static let names: [String: ScheduleName] = [
    "zb1p": .zeroBubble1P, "zb2p": .zeroBubble2P, "zbv": .zeroBubbleV, "v-half": .vHalf,
    "v-min": .vMin,
  ]
  static let references =
    (try? Fixture.json("zero-bubble/index.json", as: [Reference].self))?
    .filter { names[$0.schedule] != nil } ?? []
  /// The sets of costs in the index, with the factor that makes them whole.
  static let costs: [(key: String, costs: PassCosts, unit: Double)] = [
    (
      "f1_i1_w1_c0", PassCosts(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0), 1
    ),
    (
      "f1_i1_w1_c0.05",
      PassCosts(forward: 20, backwardInput: 20, backwardWeight: 20, transfer: 1), 20
    ),
    (
      "f10_i12_w8_c0.5",
      PassCosts(forward: 20, backwardInput: 24, backwardWeight: 16, transfer: 1), 2
    ),
  ]

  @Test func allAreHere() { #expect(Self.references.count == 25) }

  @Test(arguments: references) func plannedForTheCosts(_ reference: Reference) throws {
    let name = try #require(Self.names[reference.schedule])
    for (key, costs, unit) in Self.costs {
      let schedule = try name.schedule(
        ranks: reference.pp, microbatches: reference.mb, costs: costs)
      try compare(schedule, reference, key, costs, unit)
    }
  }

  @Test(arguments: references) func plannedWithoutCosts(_ reference: Reference) throws {
    let name = try #require(Self.names[reference.schedule])
    let schedule = try name.schedule(ranks: reference.pp, microbatches: reference.mb)
    for (key, costs, unit) in Self.costs {
      try compare(schedule, reference, key, costs, unit)
    }
  }

  private func compare(
    _ schedule: Schedule, _ reference: Reference, _ key: String, _ costs: PassCosts, _ unit: Double
  ) throws {
    let timing = try ScheduleTiming(schedule, times: PassTimes(costs))
    let makespan = try #require(reference.makespan[key])
    #expect(timing.makespan <= makespan.total * unit + 1e-6, "\(key)")
    let limit = try #require(reference.peak_live_F_to_W.max())
    #expect(try #require(timing.peakActivations.max()) <= limit, "\(key)")
    let half = try #require(reference.peak_live_half_released_at_I.max())
    #expect(try #require(timing.peakActivationsHalfReleased.max()) <= half, "\(key)")
  }
}
