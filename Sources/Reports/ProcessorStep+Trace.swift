import Engines
import Simulation

extension ProcessorStep {
  /// The traces of all ranks, behind each other, for `RunTrace.write`.
  ///
  /// - Parameters:
  ///   - name: what their processes are called beside the ranks of a real step; nil where there are none.
  public func traceParts(_ outcome: Outcome, named name: String?) -> String {
    outcome.timelines.enumerated().map { rank, timeline in
      RunTrace.part(timeline, delay: 0, rank: rank, input, simulated: name)
    }.joined()
  }
}
