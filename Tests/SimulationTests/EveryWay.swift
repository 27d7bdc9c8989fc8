import Simulation
import Testing

/// Replayed or walked, folded or every rank by itself: the same step to the picosecond.
///
/// - Returns: what the first and the last of these give.
func expectEveryWayIsTheSame<P: Pricing>(
  _ simulation: StepSimulation<P>
) -> (replayed: StepResult, explicit: StepResult) {
  var simulation = simulation
  let replayed = simulation.run()
  simulation.replays = false
  let walked = simulation.run()
  #expect(replayed.step == walked.step && replayed.ranks == walked.ranks)
  simulation.isExplicit = true
  let explicit = simulation.run()
  #expect(explicit.step == replayed.step)
  return (replayed, explicit)
}
