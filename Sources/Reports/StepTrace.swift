import Documents
import Engines
import Simulation

/// Writes a simulated step in the trace format of Chrome, which Perfetto opens: ui.perfetto.dev.
///
/// Messages, reductions and gathers lie on their tracks from the moment at which all that take part have
/// come to them. See `TracePart` for the rest, which a real step has alike.
public struct StepTrace: Sendable {
  /// The size in bytes that a trace may have unless told otherwise.
  public static let usualLimit = 512 << 20

  /// The pipeline positions that are written; nil for all.
  public var positions: Set<Int>?
  /// The size in bytes above which the trace is refused.
  public var limit = StepTrace.usualLimit
  private let result: StepResult
  private let step: PlannedStep
  /// The inputs as JSON on one line.
  private let inputs: String

  /// The trace of a step that was simulated with `keepsSpans`, from `inputs`.
  public init(_ result: StepResult, of step: PlannedStep, _ inputs: Inputs) throws {
    self.result = result
    self.step = step
    self.inputs = try jsonLine(inputs)
  }

  /// Writes the trace; the file appears only when all of it is written.
  ///
  /// - Throws: `ConfigurationError` if it would exceed the limit or cannot be written.
  ///
  /// - Parameter progress: called before each rank with the number of ranks that are done and their
  ///   total.
  public func write(
    to path: OutputPath, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ConfigurationError) {
    var file = try OutputFile(path, limit: limit)
    do throws(ConfigurationError) {
      try file.write(TraceFrame.head(inputs: inputs))
      var names = TraceNames(step.input)
      let ranks = result.ranks.filter { positions?.contains($0.position) ?? true }
      for (done, rank) in ranks.enumerated() {
        progress(done, ranks.count)
        try write(rank, &names, to: &file)
      }
      try file.write(
        TraceFrame.foot(
          "\(step.placed.architecture.name) on \(step.cluster.name), plan \(step.placed.plan.name)")
      )
      try file.close()
    } catch {
      guard error.rule.contains("limit") else { throw error }
      throw ConfigurationError(
        file: error.file,
        rule: error.rule + "; choose fewer ranks with --trace-positions or raise --trace-limit")
    }
  }

  private func write(
    _ rank: RankResult, _ names: inout TraceNames, to file: inout OutputFile
  ) throws(ConfigurationError) {
    let replicas = result.ranks.reduce(0) { max($0, $1.replica) } + 1
    let process = rank.position * replicas + rank.replica
    let alike = step.placed.plan.worldSize / result.ranks.count
    let title =
      "position \(rank.position)"
      + (replicas > 1 ? ", replica \(rank.replica)" : alike > 1 ? " (\(alike) ranks alike)" : "")
    var part = TracePart(title, process: process)
    let timeline = Timeline(
      items: rank.items, transfers: rank.transfers,
      memory: TraceMemory.samples(of: rank, step.input))
    try part.write(
      timeline, &names, step.input.ranks[rank.position].transfers, pipeline: rank.replica
    ) { text throws(ConfigurationError) in try file.write(text) }
  }
}
