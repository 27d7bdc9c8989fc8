import Quantities
import Schedules

/// What a schedule holds and, given times, what it costs.
public struct ScheduleReport: Encodable, Sendable {
  /// One action or transfer of a rank.
  public struct Entry: Encodable, Sendable {
    /// In the reference notation: `2F0`, `3RECV_F0`.
    public var cell: String
    /// In the unit of the given times; nil without times.
    public var start: Double?
    public var end: Double?
  }

  /// One pipeline rank.
  public struct Rank: Encodable, Sendable {
    public var rank: Int
    public var stages: [Int]
    /// Microbatch activations that the rank holds at most, from forward to backward for weight.
    public var peakActivations: Double
    /// The part of the makespan in which it carries out no action; nil without times.
    public var bubbleRate: Double?
    public var cells: [Entry]
  }

  public var name: String
  public var stages: Int
  public var microbatches: Int
  /// Activations and gradients that go from one rank to another.
  public var sends: Int
  /// From the first action to the end of the last, in the unit of the given times.
  public var makespan: Double?
  /// The mean over ranks.
  public var bubbleRate: Double?
  public var ranks: [Rank]

  /// Describes a schedule; throws what its validation finds.
  public init(_ schedule: Schedule, name: String, times: PassTimes?) throws(ScheduleError) {
    try schedule.validate()
    var timing: ScheduleTiming?
    if let times { timing = try ScheduleTiming(schedule, times: times) }
    self.name = name
    stages = schedule.stageCount
    microbatches = schedule.microbatchCount
    sends = schedule.sendCount
    makespan = timing?.makespan
    bubbleRate = timing.map { $0.bubbleRates.reduce(0, +) / Double($0.bubbleRates.count) }
    let peaks = schedule.peakActivations(releasedAtInput: 0)
    ranks = schedule.ranks.indices.map { rank in
      Rank(
        rank: rank, stages: schedule.placement.stages(ofRank: rank), peakActivations: peaks[rank],
        bubbleRate: timing?.bubbleRates[rank],
        cells: schedule.ranks[rank].indices.compactMap { index in
          let cell = schedule.ranks[rank][index]
          guard cell != .idle else { return nil }
          return Entry(
            cell: cell.description, start: timing?.starts[rank][index],
            end: timing?.ends[rank][index])
        })
    }
  }

  /// The findings as a page: a line per rank.
  public var text: String {
    var text =
      "\(name): \(counted(ranks.count, "rank")), \(counted(stages, "stage")), "
      + "\(counted(microbatches, "microbatch", plural: "microbatches")): "
      + "complete, in order, free of deadlock\n"
    var table = TextTable([.left, .left, .right])
    table.add(
      ["rank", "stages", "peak live activations"] + (makespan == nil ? [] : ["bubble rate"]))
    for rank in ranks {
      table.add(
        [
          String(rank.rank), rank.stages.map(String.init).joined(separator: ", "),
          fixed(rank.peakActivations, decimals: 0),
        ] + (rank.bubbleRate.map { [percent($0, decimals: 2)] } ?? []))
    }
    text += table.text()
    text += "sends: \(grouped(sends))\n"
    if let makespan, let bubbleRate {
      text += "makespan: \(fixed(makespan, decimals: 2))\n"
      text += "mean bubble rate: \(percent(bubbleRate, decimals: 2))\n"
    }
    return text
  }
}
