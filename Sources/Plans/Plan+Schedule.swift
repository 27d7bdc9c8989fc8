import Documents
import Models
import Schedules

extension Plan {
  /// The stages per rank of the named schedule where the plan does not say.
  ///
  /// DualPipe's ranks have one stage of their own; the mirrored one does not count.
  var usualStagesPerRank: Int {
    guard case .named(let name) = schedule, !isBidirectional,
      let known = ScheduleName(rawValue: name)
    else { return 1 }
    return known.defaultStagesPerRank
  }

  /// How the sends of a pipeline rank are grouped: as the plan says, else batched under DualPipe and
  /// DualPipeV, whose open code waits for whole groups of messages, and eager under all others.
  ///
  /// Elsewhere neighbours come to a message at different times, and a group would wait for that.
  public var sends: SendMode {
    sendMode ?? (usualPairs == .merged ? .batched : .eager)
  }

  /// How sends and receives are placed in the plan's schedule.
  public var transferStyle: TransferStyle {
    switch sends {
    case .batched: .batched
    case .eager: overlaps(.pipelineSends) ? .eager : .waited
    }
  }

  /// Whether pipeline ranks compute beside the sends and receives of `schedule`; nil where it has placed
  /// them itself.
  public func overlapsSends(of schedule: Schedule) -> Bool? {
    schedule.isLowered ? nil : overlaps(.pipelineSends)
  }

  /// How forwards and backwards that may run as one go: merged where expert exchanges are to be
  /// overlapped; nil for what is usual under the schedule.
  public var pairs: PairStyle? { overlap.expertExchange.map { $0 ? .merged : .apart } }

  /// How they go where the plan does not say.
  var usualPairs: PairStyle {
    guard case .named(let name) = schedule, let known = ScheduleName(rawValue: name) else {
      return .apart
    }
    return known.usualPairs
  }

  /// The schedule of one step: made by its generator or read from its file.
  ///
  /// - Parameter microbatches: microbatches of the step if not the plan's own, as during a ramp.
  /// - Throws: `PlanError.schedule` if the schedule does not admit the plan's sizes, or the file
  ///   cannot be read or describes another pipeline.
  public func pipelineSchedule(
    microbatches: Int? = nil
  ) throws(PlanError) -> Schedule {
    let microbatches = microbatches ?? microbatchCount
    switch schedule {
    case .named(let name):
      if isBidirectional, stagesPerRank != 1 {
        throw .schedule(
          name: name, rule: "stages-per-rank is 1: the mirrored stage of a rank does not count")
      }
      try checkPairs(microbatches)
      do throws(ScheduleError) {
        return try ScheduleName(named: name).schedule(
          ranks: pipelineParallel, stagesPerRank: stagesPerRank, microbatches: microbatches,
          costs: passTimes, pairs: pairs)
      } catch {
        throw .schedule(name: name, rule: error.message)
      }
    case .file(let path, _): return try scheduleFile(path, microbatches: microbatches)
    }
  }

  /// What a plan with this file for its schedule has; a file that cannot be read has one direction until its
  /// schedule is asked for, which says what is wrong with it.
  static func source(ofScheduleFile path: String) -> ScheduleSource {
    guard let text = try? textFile(path), let schedule = try? Schedule(csv: text) else {
      return .file(path, isBidirectional: false)
    }
    if case .bidirectional = schedule.placement { return .file(path, isBidirectional: true) }
    return .file(path, isBidirectional: false)
  }

  private func scheduleFile(_ path: String, microbatches: Int) throws(PlanError) -> Schedule {
    let text: String
    do throws(ConfigurationError) {
      text = try textFile(path)
    } catch {
      throw .schedule(name: path, rule: error.rule)
    }
    var schedule: Schedule
    do throws(ScheduleError) {
      schedule = try Schedule(csv: text)
      try schedule.validate()
    } catch {
      throw .schedule(name: path, rule: error.message)
    }
    if overlap.expertExchange == false { schedule = schedule.apart }
    for (what, found, wanted) in [
      ("ranks", schedule.ranks.count, pipelineParallel),
      ("stages", schedule.stageCount, stageCount),
      ("microbatches", schedule.microbatchCount, microbatches),
    ] where found != wanted {
      throw .schedule(name: path, rule: "has \(found) \(what) and the plan \(wanted)")
    }
    return schedule
  }
}
