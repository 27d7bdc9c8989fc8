import Glibc
import Synchronization

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
/// The threads that sluice makes hold them back, since threads inherit it, so nothing of its own is
/// interrupted in its middle. OpenBLAS has made its threads before that, when the program was loaded:
/// the system gives such a thread what the others hold back, and its default action would end the
/// process. A handler in its place counts what came. A class, since it remembers that.
public final class StopSignals: @unchecked Sendable {
  /// Those that end a run; a SIGHUP that was ignored already, by `nohup`, stays so.
  public static let numbers = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2]

  private var signals: sigset_t
  /// The strongest wish so far.
  public private(set) var wish = StopWish.goOn
  /// How often it was asked to end, SIGUSR1 left aside.
  public private(set) var interruptions = 0

  /// Takes over what came since `hold()`, or begins to hold the signals back.
  public init() { signals = Self.hold() }

  /// Holds the signals back from now on, as the first thing that a process does: before it starts a
  /// thread, and before there is anything that could be lost.
  @discardableResult public static func hold() -> sigset_t {
    // Makes the counters before a handler needs them.
    _ = arrivals.stops.load(ordering: .relaxed)
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in numbers where !(number == SIGHUP && isIgnored(number)) {
      sigaddset(&signals, number)
    }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    for number in numbers where sigismember(&signals, number) == 1 {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        if number == SIGUSR1 {
          arrivals.stops.add(1, ordering: .relaxed)
        } else {
          arrivals.interruptions.add(1, ordering: .relaxed)
        }
      }
      action.sa_flags = SA_RESTART
      sigaction(number, &action, nil)
    }
    // A file that may not grow any more is an error that a write reports.
    signal(SIGXFSZ, SIG_IGN)
    return signals
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    let handler = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    return handler == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Whether a signal has come that nobody has taken in yet; any thread may ask.
  static var hasArrived: Bool {
    if arrivals.stops.load(ordering: .relaxed) + arrivals.interruptions.load(ordering: .relaxed) > 0
    {
      return true
    }
    var pending = sigset_t()
    sigpending(&pending)
    return numbers.contains { sigismember(&pending, $0) == 1 }
  }

  /// Lets the signals through again, those that wait first: they end the process.
  public func release() {
    for number in Self.numbers where sigismember(&signals, number) == 1 {
      signal(number, SIG_DFL)
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

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
    var stops = arrivals.stops.exchange(0, ordering: .relaxed)
    var others = arrivals.interruptions.exchange(0, ordering: .relaxed)
    if signal == SIGUSR1 { stops += 1 } else if signal > 0 { others += 1 }
    interruptions += others
    wish = max(wish, others > 0 ? .interrupt : stops > 0 ? .stop : .goOn)
    return stops + others > 0
  }
}

/// How often signals came to threads that do not hold them back.
///
/// One for the process, as the handlers of signals are.
private struct Arrivals: ~Copyable, Sendable {
  let stops = Atomic<Int>(0)
  let interruptions = Atomic<Int>(0)
}

private let arrivals = Arrivals()
