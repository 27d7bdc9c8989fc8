/// The time of a run that was brought to a standstill now and then, those standstills left out.
struct FaultClock {
  /// When the run stood still, in seconds since 1970, in their order.
  var pauses: [(begin: Double, end: Double)] = []

  /// A time without the standstills in front of it.
  func time(of moment: Double) -> Double {
    pauses.reduce(moment) { $0 - max(0, min(moment, $1.end) - $1.begin) }
  }

  /// A step without the standstill that fell into it.
  func step(_ step: FaultReport.Step) -> FaultReport.Step {
    var step = step
    let ended = time(of: step.ended)
    step.seconds = ended - time(of: step.ended - step.seconds)
    step.ended = ended
    return step
  }

  /// - Parameter start: the run's, in seconds since 1970.
  func kill(_ kill: FaultReport.Kill, _ start: Double) -> FaultReport.Kill {
    var kill = kill
    kill.seconds = time(of: start + kill.seconds) - start
    kill.gone = time(of: start + kill.gone) - start
    kill.made = kill.made.map(step)
    return kill
  }
}
