import Foundation

/// How long ranks may take until all of them have started.
public enum StartLimit: Hashable, Sendable {
  /// They do not say when they have.
  case unwatched
  case forEver
  case within(Duration)
}

/// Notices ranks of which not all start: one that is stopped, or hangs, before the first message that has a limit.
///
/// A rank within MPI's own start waits for all others without one, and does not see a signal that it was
/// told to hold back. So the program that started them watches: rank 0 says `started` when the ranks have met.
struct StartWatch {
  private let limit: StartLimit
  private let clock = ContinuousClock()
  private let begun: ContinuousClock.Instant
  private var checked: ContinuousClock.Instant
  private var hasStarted = false
  private var interrupted: ContinuousClock.Instant?
  private var told: ContinuousClock.Instant?
  private var isKilled = false
  /// Why mpirun was told to end, if it was.
  private(set) var reason: String?

  init(_ limit: StartLimit) {
    self.limit = limit
    begun = clock.now
    checked = begun
  }

  /// Looks at most twice a second whether the ranks have started; ends mpirun where they took too long.
  ///
  /// - Parameter isInterrupted: whether a signal has asked the run to end, before which nothing is lost.
  mutating func look(at reports: RankReports, isInterrupted: Bool, mpirun: pid_t) {
    let now = clock.now
    guard limit != .unwatched, !hasStarted, now - checked > .milliseconds(500) else { return }
    checked = now
    if let told {
      if !isKilled, now - told > LostRanks.patience { killAll(mpirun) }
      return
    }
    hasStarted = reports.read().contains(.started)
    guard !hasStarted else { return }
    if isInterrupted { interrupted = interrupted ?? now }
    if let interrupted, now - interrupted > Launch.patience {
      reason = "not all ranks had started \(Self.seconds(Launch.patience)) after a signal"
    } else if case .within(let limit) = limit, now - begun > limit {
      reason = "not all ranks had started within \(Self.seconds(limit)) (--start-timeout)"
    } else {
      return
    }
    told = now
    kill(mpirun, SIGTERM)
  }

  private static func seconds(_ duration: Duration) -> String {
    String(format: "%g s", duration / .seconds(1))
  }

  /// Ends an mpirun that does not end, and what it has started: a child that is stopped outlives it.
  private mutating func killAll(_ mpirun: pid_t) {
    isKilled = true
    let children = LostRanks.children(of: mpirun)
    kill(mpirun, SIGKILL)
    for child in children { kill(child, SIGKILL) }
  }
}
