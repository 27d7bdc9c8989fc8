import Glibc

/// What a signal asks a run to do at the next boundary between steps.
public enum StopWish: Int64, Hashable, Sendable, Comparable {
  case goOn = 0
  /// SIGUSR1: end with a checkpoint; nothing went wrong.
  case stop = 1
  /// SIGINT, SIGTERM, SIGHUP or SIGUSR2: end with a checkpoint, and say that the run was interrupted.
  case interrupt = 2

  public static func < (left: StopWish, right: StopWish) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The signals that end a run in good order: held back by the system and asked for between steps.
///
/// No handler runs, so nothing is interrupted in its middle. A process makes one before it starts its
/// first thread, since threads inherit what is held back. A class, since it remembers what came.
public final class StopSignals: @unchecked Sendable {
  private var signals = sigset_t()
  /// The strongest wish so far.
  public private(set) var wish = StopWish.goOn
  /// How often it was asked to end, SIGUSR1 left aside.
  public private(set) var interruptions = 0

  /// Begins to hold the signals back.
  public init() {
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2] { sigaddset(&signals, signal) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    // A file that may not grow any more is an error that a write reports.
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Lets the signals through again, those that wait first: they end the process.
  public func release() { pthread_sigmask(SIG_UNBLOCK, &signals, nil) }

  /// Takes in the signals that have come; one thread asks.
  @discardableResult public func poll() -> StopWish {
    while take(timespec()) {}
    return wish
  }

  /// Takes in a signal that comes within some milliseconds.
  public func wait(milliseconds: Int) {
    _ = take(timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000))
  }

  private func take(_ limit: timespec) -> Bool {
    var limit = limit
    let signal = sigtimedwait(&signals, nil, &limit)
    guard signal > 0 else { return false }
    if signal != SIGUSR1 { interruptions += 1 }
    wish = max(wish, signal == SIGUSR1 ? .stop : .interrupt)
    return true
  }
}
