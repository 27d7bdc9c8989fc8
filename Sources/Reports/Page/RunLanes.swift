import Engines
import Foundation
import Programs
import Schedules
import Simulation

/// The timeline of a real step, gathered from its ranks, beside that of its schedule.
public enum RunLanes {
  /// What one rank did, as text without a line break: each rank makes its own, one of them draws all.
  ///
  /// - Parameter delay: how much later than the others' its step began, in picoseconds.
  public static func part(
    _ timeline: Timeline, delay: Int64, rank: Int, _ input: StepInput, _ schedule: Schedule,
    simulated: Bool = false
  ) throws -> String {
    let pipelines = input.plan.worldSize / input.ranks.count
    let lanes = StepLanes(input, schedule, duration: 1, [(rank / pipelines, timeline)])
    var row = lanes.overview("").rows[0]
    row.label = simulated ? "simulated, rank \(rank)" : "rank \(rank)"
    row.identifier = nil
    for index in row.spans.indices {
      row.spans[index].start += delay
      row.spans[index].end += delay
    }
    return String(decoding: try JSONEncoder().encode(row), as: UTF8.self)
  }

  /// The most ranks that are drawn.
  private static let mostRanks = 32

  /// The rows of all ranks, and below them what the same schedule takes where every action takes the mean
  /// of what its kind took and messages take nothing.
  ///
  /// - Parameter predicted: the parts of the ranks as the simulator says them, if it does.
  static func picture(
    _ parts: [String], predicted: [String] = [], _ schedule: Schedule, step: Int
  ) throws -> LanePicture {
    func read(_ parts: [String]) throws -> [LanePicture.Row] {
      try parts.map { part in
        try JSONDecoder().decode(LanePicture.Row.self, from: Data(part.utf8))
      }
    }
    var rows = try read(parts)
    let others = try read(predicted)
    rows = StepLanes.spread(rows.count, most: mostRanks).map { rows[$0] }
    let first = rows.flatMap(\.spans).map(\.start).min() ?? 0
    for row in rows.indices {
      for span in rows[row].spans.indices {
        rows[row].spans[span].start -= first
        rows[row].spans[span].end -= first
      }
    }
    let shown = StepLanes.spread(others.count, most: mostRanks).map { others[$0] }
    rows += try shown + simulated(rows, schedule)
    var picture = LanePicture(
      "Step \(step): every rank, and its schedule timed with the means",
      description: "What every rank did in step \(step), beside its schedule", rows: rows,
      duration: rows.flatMap(\.spans).map(\.end).max() ?? 1)
    picture.legend = StepLanes.plainLegend
    return picture
  }

  private static func simulated(
    _ rows: [LanePicture.Row], _ schedule: Schedule
  ) throws -> [LanePicture.Row] {
    func mean(_ letter: Character?) -> Double {
      let spans = rows.flatMap(\.spans).filter { span in
        let isPair = span.name.contains("+")
        guard let letter else { return isPair }
        return !isPair && span.name.first?.isNumber == true && span.name.contains(letter)
      }
      let sum = spans.reduce(0) { $0 + $1.end - $1.start }
      return spans.isEmpty ? 0 : Double(sum) / Double(spans.count)
    }
    // Whole backwards are taken apart into equal halves; together they are what they were.
    let whole = mean("B")
    let input = mean("I") > 0 ? mean("I") : whole / 2
    let weight = mean("W") > 0 ? mean("W") : whole / 2
    let pair = mean(nil)
    let times = PassTimes(
      forward: max(1, mean("F")), backwardInput: max(1, input), backwardWeight: max(1, weight),
      transfer: 0, overlapped: pair > 0 ? pair : nil)
    let timing = try ScheduleTiming(schedule, times: times)
    return schedule.ranks.indices.map { position in
      let spans = schedule.ranks[position].enumerated().compactMap {
        index, cell -> LanePicture.Span? in
        let actions = cell.actions
        guard !actions.isEmpty else { return nil }
        var span = LanePicture.Span(
          actions.map { "\($0)" }.joined(separator: "+"),
          Int64(timing.starts[position][index]), Int64(timing.ends[position][index]))
        span.tones = actions.map { .pass($0.pass) }
        return span
      }
      return .init("schedule, position \(position)", spans)
    }
  }
}
