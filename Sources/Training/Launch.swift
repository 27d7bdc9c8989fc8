import Documents
import Foundation

/// Starts a program on several ranks of this machine, or of named hosts, with Open MPI's `mpirun`, and waits for it.
///
/// SIGINT, SIGTERM and SIGHUP are kept from mpirun, which would kill the ranks a second later: they get
/// SIGUSR2 in their place, and all the time that they need. A second one goes to mpirun itself. Ranks that do
/// not all start are ended (`StartWatch`).
/// What mpirun and the ranks write passes through this program (`OutputRelay`): a closed pipe ends no run.
/// Should this program be killed, the system ends mpirun and mpirun the ranks, where the system has
/// `setpriv` (util-linux), since only a process itself can ask for that.
public struct Launch: Sendable {
  /// How many ranks are started, more than there are cores if need be.
  public var ranks: Int
  /// The program's path and its arguments.
  public var command: [String]
  /// What the ranks find in their environment, beside what is there.
  public var environment: [String: String]
  /// Where they are started; nil for this machine.
  public var hosts: LaunchHosts?
  /// After how long mpirun is ended; nil for never.
  public var timeLimit: Duration?
  /// How long the ranks may take to start.
  public var startLimit = StartLimit.unwatched
  /// The command, with its arguments, that starts mpirun itself: what enters another place than this one.
  public var entrance: [String]
  /// Whether all ranks end as soon as one of them is lost: mpirun leaves them a second to end by themselves, twice
  /// (Open MPI's `odls_base_sigkill_timeout`), and what goes on without the lost one waits for that.
  public var endsAtOnce = false

  public init(
    ranks: Int, command: [String], environment: [String: String] = [:], hosts: LaunchHosts? = nil,
    timeLimit: Duration? = nil, entrance: [String] = []
  ) {
    precondition(ranks > 0 && !command.isEmpty)
    self.ranks = ranks
    self.command = command
    self.environment = environment
    (self.hosts, self.timeLimit, self.entrance) = (hosts, timeLimit, entrance)
  }

  /// Where MPI launchers say a rank's place.
  private static let rankVariables = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"]

  /// Whether this process was started by an MPI launcher.
  public static var isRank: Bool {
    let environment = ProcessInfo.processInfo.environment
    return rankVariables.contains { environment[$0] != nil }
  }

  /// This process's place among those that a launcher has started, as it is known before MPI begins; nil
  /// where none has.
  public static func rank(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Int? {
    rankVariables.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
      ?? SlurmStep(environment)?.process
  }

  /// Whether this process is a rank that sluice itself started.
  public static var isLaunched: Bool { getenv(RankReports.variable) != nil }

  /// The path of this very program.
  public static var ownPath: String {
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return link ?? CommandLine.arguments[0]
  }

  /// Runs the ranks to their end; their output goes where this program's goes.
  ///
  /// - Throws: `ConfigurationError` if there is no mpirun.
  public func run(_ signals: StopSignals) throws(ConfigurationError) -> LaunchOutcome {
    let reports = try RankReports()
    defer { reports.remove() }
    var relay: OutputRelay
    do throws(SystemError) {
      relay = try OutputRelay()
    } catch {
      throw Self.failure(error.message)
    }
    let child = try start(reports, relay)
    relay.childHasStarted()
    let clock = ContinuousClock()
    let start = clock.now
    var (heard, forwarded) = (0, 0)
    var hasStopped = false
    var isEnding = false
    var lost = LostRanks()
    var watch = StartWatch(startLimit)
    while true {
      var status: Int32 = 0
      do throws(SystemError) {
        let ended = try systemCall { waitpid(child, &status, WNOHANG) }
        if ended == child {
          relay.finish()
          var outcome = LaunchOutcome(
            ofMpirun: status, reports: reports.read(), ranks: ranks, wish: signals.poll(),
            ranksAreLost: lost.areLost, notStarted: watch.reason, signalsPassedOn: forwarded)
          outcome.outputFailure = relay.outputFailure
          outcome.launcherWords = relay.launcherWords
          outcome.processes = reports.processes()
          return outcome
        }
      } catch {
        throw ConfigurationError(file: "mpirun", rule: "is lost: \(error.message)")
      }
      relay.pass(milliseconds: 20)
      lost.look(at: reports, mpirun: child)
      // It ends whatever reaches for another host; where it hangs itself, it is ended.
      if let timeLimit, clock.now - start > timeLimit {
        // Once: mpirun takes a second one for haste, and leaves daemons behind.
        if !isEnding { kill(-child, SIGTERM) }
        isEnding = true
        if clock.now - start > timeLimit + .seconds(2) { kill(-child, SIGKILL) }
      }
      watch.look(
        at: reports, isInterrupted: signals.poll() == .interrupt, mpirun: child)
      let hasNews = signals.interruptions > forwarded || (signals.wish == .stop && !hasStopped)
      // Those that come together are one.
      if heard == 0 { heard = signals.interruptions }
      let isSecond = signals.interruptions > heard
      // Before its handlers are there, a signal would end mpirun or a rank instead of telling it.
      guard hasNews,
        isSecond || forwarded > 0 || areListening(reports) || clock.now - start > Self.patience
      else { continue }
      if signals.wish == .stop, !hasStopped {
        hasStopped = true
        kill(child, SIGUSR1)
      }
      if signals.interruptions > forwarded {
        kill(child, forwarded == 0 && !isSecond ? SIGUSR2 : SIGTERM)
        forwarded = signals.interruptions
      }
    }
  }

  /// How long ranks may take until they listen; those on another machine never say it.
  static let patience = Duration.seconds(30)

  private func areListening(_ reports: RankReports) -> Bool {
    reports.read().count { $0 == .listening } >= ranks
  }

  private static func isOnPath(_ program: String) -> Bool {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.contains { access("\($0)/\(program)", X_OK) == 0 }
  }

  private static func failure(_ reason: String) -> ConfigurationError {
    ConfigurationError(
      file: "mpirun", rule: "cannot be started: \(reason); Debian's package is openmpi-bin")
  }

  private func start(
    _ reports: RankReports, _ relay: borrowing OutputRelay
  ) throws(ConfigurationError) -> pid_t {
    guard Self.isOnPath("mpirun") else { throw Self.failure(SystemError(code: ENOENT).message) }
    var arguments = Self.isOnPath("setpriv") ? ["setpriv", "--pdeathsig", "TERM"] : []
    arguments += entrance
    arguments += ["mpirun", "-np", "\(ranks)", "--oversubscribe", "--bind-to", "none"]
    if let hosts { arguments += ["--host", hosts.words] }
    var own = environment
    own[RankReports.variable] = reports.path
    // One thread a rank: bits depend on it, and ranks share the cores.
    if getenv("OPENBLAS_NUM_THREADS") == nil { own["OPENBLAS_NUM_THREADS"] = "1" }
    // Bits depend on it too, on other machines as on this one.
    let pinned = getenv("OPENBLAS_CORETYPE") == nil ? [] : ["OPENBLAS_CORETYPE"]
    for name in own.keys.sorted() + pinned { arguments += ["-x", name] }
    if geteuid() == 0 {
      own["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
      own["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    }
    // For mpirun alone; what is said outside holds.
    let grace = "OMPI_MCA_odls_base_sigkill_timeout"
    if endsAtOnce, getenv(grace) == nil { own[grace] = "0" }
    let whole = ProcessInfo.processInfo.environment.merging(own) { $1 }
    let variables = whole.keys.sorted().map { "\($0)=\(whole[$0] ?? "")" }
    return try spawn(arguments + command, variables, relay)
  }

  /// Starts mpirun in a process group of its own, so that a terminal's Ctrl-C comes here alone.
  private func spawn(
    _ arguments: [String], _ variables: [String], _ relay: borrowing OutputRelay
  ) throws(ConfigurationError) -> pid_t {
    var attributes = posix_spawnattr_t()
    var actions = posix_spawn_file_actions_t()
    posix_spawnattr_init(&attributes)
    posix_spawn_file_actions_init(&actions)
    defer {
      posix_spawnattr_destroy(&attributes)
      posix_spawn_file_actions_destroy(&actions)
    }
    var nothing = sigset_t()
    sigemptyset(&nothing)
    posix_spawnattr_setsigmask(&attributes, &nothing)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, relay.childOutput, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, relay.childErrors, STDERR_FILENO)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var values: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
    defer { for text in words + values { free(text) } }
    var child = pid_t()
    let code = posix_spawnp(&child, arguments[0], &actions, &attributes, &words, &values)
    guard code == 0 else { throw Self.failure(SystemError(code: code).message) }
    return child
  }
}
