import Documents
import Schedules

/// What a schedule was made or read from, as its JSON says it; what has no part in it is not there.
public struct ScheduleInputs: Encodable, Sendable {
  public var version = Version.current
  /// The name under which the schedule ships; nil for a file's.
  public var schedule: String?
  /// The file that was checked, which says all but the times.
  public var file: String?
  public var ranks: Int?
  public var stagesPerRank: Int?
  public var microbatches: Int?
  /// Whether forwards and backwards of a turn are merged or apart; nil where the schedule has none to merge.
  public var pairs: String?
  /// How sends were inserted; nil where none were.
  public var sends: String?
  /// How the file's sends are taken, where the command line says it.
  public var ends: String?
  /// What the command line says of a rank's share of the model; nil where every pass takes 1.
  public var times: ScheduleReport.Times?

  /// Of a schedule that ships.
  public init(
    schedule: String, ranks: Int, stagesPerRank: Int, microbatches: Int, pairs: String?,
    sends: String?, times: PassTimes?
  ) {
    (self.schedule, self.ranks, self.stagesPerRank) = (schedule, ranks, stagesPerRank)
    (self.microbatches, self.pairs, self.sends) = (microbatches, pairs, sends)
    self.times = times.map { .init($0, hasPairs: true) }
  }

  /// Of a file.
  public init(file: String, ends: String?, times: PassTimes?) {
    (self.file, self.ends) = (file, ends)
    self.times = times.map { .init($0, hasPairs: true) }
  }
}
