import Documents
import Foundation
import Glibc

/// How a launched run ended: what mpirun's status and the ranks' reports come to.
public struct LaunchOutcome: Hashable, Sendable {
  /// The status to end with.
  public var status: Int32
  /// What happened to mpirun or a rank, as the beginning of a sentence, where no rank could say it.
  public var message: String?
  /// Why this program's standard output was lost meanwhile, if it was.
  public var outputFailure: SystemError?
  /// What mpirun said in its own words.
  public var launcherWords: [UInt8] = []
  /// Whether the ranks stopped as they were asked to, with steps left to do.
  public var hasStopped: Bool
  /// The ranks of this machine, some of which may outlive an mpirun that was killed.
  var processes: [pid_t] = []

  /// Puts together what is known.
  ///
  /// - Parameters:
  ///   - waitStatus: how mpirun ended, as `waitpid` has it.
  ///   - reports: what the ranks said.
  ///   - ranks: how many there were.
  ///   - wish: what signals to this program asked for.
  ///   - ranksAreLost: whether mpirun was ended because a rank was gone and it did not notice.
  ///   - notStarted: why mpirun was ended before all ranks had started, if it was.
  ///   - signalsPassedOn: signals to this program that asked for an end and were passed on, the second one to
  ///     mpirun itself.
  public init(
    ofMpirun waitStatus: Int32, reports: [RankReports.Report], ranks: Int, wish: StopWish,
    ranksAreLost: Bool = false, notStarted: String? = nil, signalsPassedOn: Int = 0
  ) {
    if let notStarted, waitStatus != 0 {
      self.init(
        (wish == .interrupt ? ExitStatus.interrupted : .peer).rawValue,
        "\(notStarted), and mpirun was ended")
    } else {
      self.init(waitStatus, reports, ranks, wish, ranksAreLost, signalsPassedOn)
    }
    hasStopped = status == 0 && reports.contains(.stopped)
  }

  private init(
    _ waitStatus: Int32, _ reports: [RankReports.Report], _ ranks: Int, _ wish: StopWish,
    _ ranksAreLost: Bool, _ signalsPassedOn: Int
  ) {
    let signal = waitStatus & 0x7f
    let code = (waitStatus >> 8) & 0xff
    // An mpirun that ended well had all its ranks, whatever it was sent meanwhile.
    if ranksAreLost, waitStatus != 0 {
      self.init(
        ExitStatus.peer.rawValue, "a rank was gone, and mpirun, which did not notice, was ended")
    } else if reports.contains(.interrupted) {
      self.init(ExitStatus.interrupted.rawValue)
    } else if signal != 0 {
      self.init(
        (Self.isStop(signal) ? ExitStatus.interrupted : .peer).rawValue,
        "mpirun was ended by \(Self.name(of: signal)), and the ranks with it")
    } else if code == 0 {
      // Ranks on another machine cannot say how they ended; they obey what was passed on.
      let isKnown = reports.contains(.finished) || reports.contains(.stopped)
      self.init(!isKnown && wish == .interrupt ? ExitStatus.interrupted.rawValue : 0)
    } else if code > 128, Self.isStop(code - 128) {
      self.init(
        ExitStatus.interrupted.rawValue,
        "a rank was ended by \(Self.name(of: code - 128)) before it could listen")
    } else if (129...192).contains(code) {
      // Signals have the numbers 1 to 64.
      self.init(ExitStatus.peer.rawValue, "a rank was ended by \(Self.name(of: code - 128))")
    } else if code == Self.lostDaemon
      || (code == SIGKILL && !reports.isEmpty && !reports.contains(.failed))
    {
      // The number of the signal is what mpirun ends with where a daemon's starter is killed first; no rank has it.
      self.init(ExitStatus.peer.rawValue, "mpirun lost its daemon on another host")
    } else if code == 1, !reports.contains(.failed), signalsPassedOn > 1 {
      self.init(
        ExitStatus.interrupted.rawValue,
        "a second signal was passed on to mpirun, which gave the ranks no time")
    } else if code == 1, !reports.contains(.failed),
      reports.count(where: { $0 == .listening }) >= ranks
    {
      // So it says that it was told to end; a rank that fails says so itself.
      self.init(
        ExitStatus.interrupted.rawValue,
        "mpirun was told to end, by a signal of its own, and gave the ranks no time")
    } else if reports.isEmpty {
      self.init(
        (ExitStatus(rawValue: code) ?? .badInput).rawValue,
        "mpirun ended with status \(code), and no rank of this machine had begun")
    } else {
      let status = ExitStatus(rawValue: code) ?? .peer
      // A rank that fails says why, and so does one with a fault, which reports nothing more.
      let isSaid = reports.contains(.failed) || status == .internalFault
      self.init(
        status.rawValue,
        isSaid
          ? nil : "mpirun ended with status \(code), and no rank of this machine says why")
    }
  }

  private init(_ status: Int32, _ message: String? = nil) {
    self.status = status
    self.message = message
    hasStopped = false
  }

  /// Ends what is left of the ranks on this machine, and waits until it is gone: the next ranks write where
  /// these do.
  public func endRanks() {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(30)
    while clock.now < end {
      let alive = processes.filter { LostRanks.isAlive($0) && LostRanks.isOwn($0) }
      if alive.isEmpty { return }
      for process in alive { kill(process, SIGKILL) }
      usleep(20_000)
    }
  }

  /// What Open MPI 4.1 ends with where a daemon is gone.
  private static let lostDaemon: Int32 = 205

  private static func isStop(_ signal: Int32) -> Bool { StopSignals.numbers.contains(signal) }

  private static func name(of signal: Int32) -> String {
    "signal \(signal) (\(String(cString: strsignal(signal))))"
  }
}
