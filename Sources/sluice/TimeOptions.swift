import ArgumentParser
import Schedules

/// How long the passes of a rank's share of the model take, in any one unit.
struct TimeOptions: ParsableArguments {
  @Option(
    help: "How long a forward of a rank's share of the model takes, in any unit; 1 by default.")
  var forward: Double?

  @Option(help: "How long a backward for input takes; 1 by default.")
  var backwardInput: Double?

  @Option(help: "How long a backward for weight takes; 1 by default.")
  var backwardWeight: Double?

  @Option(help: "How long a message between two ranks takes; 0 by default.")
  var transfer: Double?

  @Option(help: "How long an overlapped pair takes; by default the sum of its parts.")
  var overlapped: Double?

  /// Times of one for every pass, and nothing for messages.
  static let even = PassTimes(
    forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0, overlapped: nil)

  private var options: [(String, Double?)] {
    [
      ("forward", forward), ("backward-input", backwardInput),
      ("backward-weight", backwardWeight), ("transfer", transfer), ("overlapped", overlapped),
    ]
  }

  /// Refuses times that a schedule has no use for.
  ///
  /// - Parameter isOrderAlone: whether nothing but the order of the schedule is asked for, which does not
  ///   follow from times.
  func refuseIdle(on schedule: Schedule, isOrderAlone: Bool) throws(CommandError) {
    if isOrderAlone {
      try refuse(
        options.map { ("--\($0)", $1 != nil) },
        beside: "--format csv of an order that does not follow from times")
    }
    if !schedule.hasPairs {
      try refuse(
        [("--overlapped", overlapped != nil)], beside: "a schedule without overlapped pairs")
    }
  }

  /// The times, where the command line has any; a pass that it leaves out takes 1.
  func given() throws -> PassTimes? {
    guard options.contains(where: { $0.1 != nil }) else { return nil }
    for case (let name, let value?) in options {
      let mayBeNothing = name == "transfer"
      guard value.isFinite, value <= 1e9, mayBeNothing ? value >= 0 : value > 0 else {
        throw CommandError(
          "--\(name) \(value): must be \(mayBeNothing ? "from 0" : "more than 0 and up") "
            + "to 1,000,000,000")
      }
    }
    return PassTimes(
      forward: forward ?? 1, backwardInput: backwardInput ?? 1,
      backwardWeight: backwardWeight ?? 1, transfer: transfer ?? 0, overlapped: overlapped)
  }

  /// The same times as whole numbers, for the schedules that plan with them.
  ///
  /// Multiplied by the smallest power of ten, up to 1,000, that makes them whole; finer digits are
  /// rounded.
  static func wholeCosts(_ times: PassTimes) -> PassCosts {
    let values = [times.forward, times.backwardInput, times.backwardWeight, times.transfer]
    let scale =
      [1.0, 10, 100].first { scale in
        values.allSatisfy { ($0 * scale).rounded() == $0 * scale }
      } ?? 1000
    func whole(_ value: Double) -> Int { Int((value * scale).rounded()) }
    return PassCosts(
      forward: max(1, whole(times.forward)), backwardInput: max(1, whole(times.backwardInput)),
      backwardWeight: max(1, whole(times.backwardWeight)), transfer: whole(times.transfer))
  }
}
