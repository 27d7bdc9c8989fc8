import ArgumentParser
import Documents
import Quantities
import Reports

/// Whether a step that does not fit is a status of its own.
struct FitOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "End with status \(ExitStatus.tooLarge.rawValue), behind the figures, where a step needs more memory "
        + "than its devices have."))
  var requireFit = false

  /// Refuses the first step that does not fit, if that was asked for.
  func check(_ figures: [StepFigures], _ labels: [String]) throws {
    guard requireFit, let index = figures.firstIndex(where: { !$0.fits }) else { return }
    let memory = figures[index].memoryBytes
    let needed = max(memory.peak, memory.reserved ?? 0) + memory.reserve
    throw FitError(
      description: "\(labels[index]): does not fit: the fullest rank (position "
        + "\(figures[index].fullestPosition)) needs \(ByteCount(needed)) of \(ByteCount(memory.limit))"
    )
  }
}

/// A step needs more memory than its devices have.
struct FitError: Error, CustomStringConvertible {
  var description: String
}
