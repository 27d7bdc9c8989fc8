import Quantities
import Schedules

/// What a schedule holds and what it costs, in units that compare with those of other schedules.
///
/// Times are those of a rank's share of the model, one `ranks`th of its layers: a stage of a V takes half of
/// them. Memory counts what a rank's share keeps of one microbatch.
public struct ScheduleReport: Encodable, Sendable {
  /// One action or transfer of a rank.
  public struct Entry: Encodable, Sendable {
    /// In the reference notation: `2F0`, `3RECV_F0`.
    public var cell: String
    /// In the unit of the times.
    public var start: Double
    public var end: Double
  }

  /// One pipeline rank.
  public struct Rank: Encodable, Sendable {
    public var rank: Int
    public var stages: [Int]
    /// What the rank keeps of microbatches at most, each from forward to backward for weight.
    public var peakActivations: Double
    /// The part of the makespan in which it carries out no action.
    public var bubbleRate: Double
    public var cells: [Entry]
  }

  /// What a rank's share of the model takes.
  public struct Times: Encodable, Sendable {
    public var forward: Double
    public var backwardInput: Double
    public var backwardWeight: Double
    /// Nil without overlapped pairs.
    public var overlapped: Double?
    public var transfer: Double

    /// - Parameter hasPairs: whether the time of overlapped pairs is one of them.
    init(_ times: PassTimes, hasPairs: Bool) {
      forward = times.forward
      backwardInput = times.backwardInput
      backwardWeight = times.backwardWeight
      overlapped = hasPairs ? times.overlapped : nil
      transfer = times.transfer
    }
  }

  public var name: String
  /// What it was computed from.
  public var inputs: ScheduleInputs
  public var stages: Int
  public var microbatches: Int
  /// Activations and gradients that go from one rank to another.
  public var sends: Int
  /// How sends are taken; nil in a schedule that has none written down.
  public var ends: String?
  /// What times and activations are counted in.
  public var unit: String
  /// The part of a rank's share of the model that a stage is.
  public var stageShare: Double
  public var times: Times
  /// From the first action to the end of the last.
  public var makespan: Double
  /// The mean over ranks.
  public var bubbleRate: Double
  public var ranks: [Rank]
  /// Who would wait where for ever if both ends of every message had to meet; nil if nobody would, or if
  /// they do.
  public var hangsAtRendezvous: String?

  /// Describes a schedule.
  ///
  /// - Parameters:
  ///   - times: what a rank's share of the model takes.
  ///   - ends: how sends are taken; by default buffered, in groups with both ends meeting.
  ///   - inputs: what it was computed from.
  /// - Throws: what its validation finds.
  public init(
    _ schedule: Schedule, name: String, times: PassTimes, ends: TransferEnds? = nil,
    inputs: ScheduleInputs
  ) throws(ScheduleError) {
    let timing = try ScheduleTiming(schedule, times: times.ofStage(in: schedule), ends: ends)
    self.name = name
    self.inputs = inputs
    stages = schedule.stageCount
    microbatches = schedule.microbatchCount
    sends = schedule.sendCount
    stageShare = schedule.stageShare
    unit =
      schedule.ranks.count == 1
      ? "the model, one microbatch"
      : "a rank's share of the model (1/\(schedule.ranks.count) of its layers), one microbatch"
    self.times = Times(times, hasPairs: schedule.hasPairs)
    makespan = timing.makespan
    bubbleRate = timing.bubbleRates.reduce(0, +) / Double(timing.bubbleRates.count)
    ranks = schedule.ranks.indices.map { rank in
      Rank(
        rank: rank, stages: schedule.placement.stages(ofRank: rank),
        peakActivations: timing.peakActivations[rank] * schedule.stageShare,
        bubbleRate: timing.bubbleRates[rank],
        cells: schedule.ranks[rank].indices.compactMap { index in
          let cell = schedule.ranks[rank][index]
          guard cell != .idle else { return nil }
          return Entry(
            cell: cell.description, start: timing.starts[rank][index],
            end: timing.ends[rank][index])
        })
    }
    guard schedule.isLowered else { return }
    let taken = ends ?? schedule.usualEnds
    self.ends = taken.rawValue
    guard taken != .rendezvous else { return }
    do throws(ScheduleError) {
      try schedule.validate(ends: .rendezvous)
    } catch {
      hangsAtRendezvous = error.message
    }
  }
}

extension ScheduleReport {
  /// What a rank's share of the model takes, pass by pass.
  var timesText: String {
    var parts = [
      "forward \(decimal(times.forward))", "backward for input \(decimal(times.backwardInput))",
      "backward for weight \(decimal(times.backwardWeight))",
    ]
    if let overlapped = times.overlapped { parts.append("overlapped pair \(decimal(overlapped))") }
    parts.append("message \(decimal(times.transfer))")
    return parts.joined(separator: ", ")
  }

  /// What times and activations are counted in.
  var unitText: String {
    unit + (stageShare == 1 ? "" : "; a stage here is \(decimal(stageShare)) of it")
  }
}
