import Documents
import Engines
import Programs
import Simulation

/// A real step of all ranks in the format of `StepTrace`: a process per rank.
///
/// Each rank makes its own part; one of them writes the parts of all to a file.
public enum RunTrace {
  /// The part of a rank as text.
  ///
  /// - Parameters:
  ///   - delay: how much later than the others' the rank's step began, in picoseconds.
  ///   - rank: its number in the world.
  ///   - simulated: what a simulated step is called that stands beside the real one.
  public static func part(
    _ timeline: Timeline, delay: Int64, rank: Int, _ input: StepInput, simulated: String? = nil
  ) -> String {
    var delayed = timeline
    for index in delayed.items.indices {
      delayed.items[index].start += delay
      delayed.items[index].end += delay
    }
    for index in delayed.transfers.indices {
      delayed.transfers[index].start += delay
      delayed.transfers[index].end += delay
    }
    for index in delayed.memory.indices { delayed.memory[index].time += delay }
    // Pipeline positions are the slowest coordinate of a rank.
    let pipelines = input.plan.worldSize / input.ranks.count
    let (position, pipeline) = rank.quotientAndRemainder(dividingBy: pipelines)
    var part = TracePart(
      (simulated.map { "\($0) " } ?? "") + "rank \(rank), position \(position)",
      process: rank + (simulated == nil ? 0 : input.plan.worldSize))
    var names = TraceNames(input)
    var text = ""
    part.write(delayed, &names, input.ranks[position].transfers, pipeline: pipeline) { text += $0 }
    return text
  }

  /// Writes the parts of all ranks, one behind the other, as one file.
  ///
  /// - Throws: `ConfigurationError` if the file cannot be written.
  public static func write(
    _ parts: String, title: String, _ inputs: Inputs, to path: OutputPath
  ) throws {
    let inputs = try jsonLine(inputs)
    var file = try OutputFile(path)
    try file.write(TraceFrame.head(inputs: inputs))
    try file.write(parts)
    try file.write(TraceFrame.foot(title))
    try file.close()
  }
}
