import Checkpoints
import Documents
import Runs

extension RunFile {
  /// Where the phases of a run write, in their order, with what is never removed there: what a phase itself
  /// and the phases before it read.
  ///
  /// A later phase reads what an earlier one writes anew; an earlier one may read what lies in the place of a
  /// later one, which is cleared before either begins.
  public static func places(of phases: [RunFile]) -> [RunPlace] {
    var inputs: [String] = []
    return phases.map { phase in
      inputs += phase.inputs
      var place = phase.place
      place.inputs = inputs
      return place
    }
  }

  /// Removes what an earlier run left where phases write, before the first of them makes a step: their
  /// checkpoints, and the lines of their logs and samples.
  ///
  /// A run that ends before a later phase began would else leave that phase's checkpoints of the run before
  /// it, and go on from them when it is resumed.
  ///
  /// - Parameters:
  ///   - phases: all of the run's.
  ///   - first: the first one that is cleared; those before it clear their place themselves.
  /// - Returns: what people should know.
  /// - Throws: `CheckpointError` where something is in use, not sluice's own, or read by the run.
  public static func clearPlaces(
    of phases: [RunFile], from first: Int = 0
  ) throws(CheckpointError) -> [String] {
    let places = places(of: phases)
    // Nothing goes where something is refused.
    for place in places { try place.check(.overwriting) }
    var notices: [String] = []
    for index in phases.indices.dropFirst(first) {
      notices += try phases[index].clear(places[index])
    }
    return notices
  }

  private func clear(_ place: RunPlace) throws(CheckpointError) -> [String] {
    let (locks, notices) = try place.take(.overwriting)
    for path in [log.file, log.samples].compactMap({ $0 }) where fileSize(path) > 0 {
      do throws(ConfigurationError) {
        let file = try OutputFile(OutputPath(path, besides: inputs), limit: .max)
        try file.close()
      } catch {
        throw CheckpointError(.system, file: path, rule: error.rule)
      }
    }
    // Held until here.
    withExtendedLifetime(locks) {}
    return notices
  }
}
