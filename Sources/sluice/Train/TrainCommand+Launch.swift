#if MPI
  import Checkpoints
  import Documents
  import Foundation
  import MessagePassing
  import Runs
  import Training

  extension TrainCommand {
    /// Starts the ranks, waits for them and ends as they did.
    func launch(
      _ phases: [RunFile], _ count: Int, _ signals: StopSignals
    ) throws -> Never {
      var arguments = Array(CommandLine.arguments.dropFirst())
      for option in ["--ranks", "--hosts", "--start-timeout"] {
        if let place = arguments.firstIndex(of: option) {
          arguments.removeSubrange(place...min(place + 1, arguments.count - 1))
        }
        arguments.removeAll { $0.hasPrefix("\(option)=") }
      }
      try end(try launcher(count, arguments, on: checkedHosts(count)).run(signals), phases)
    }

    /// The hosts that are named, if they have room for the ranks.
    func checkedHosts(_ count: Int) throws(CommandError) -> LaunchHosts? {
      guard let hosts else { return nil }
      guard let read = LaunchHosts(hosts) else {
        throw CommandError(
          "--hosts \(hosts): expected hosts with their places, this one first, such as one:2,two:2")
      }
      guard count > 1 else { throw CommandError("--hosts has no effect on one rank") }
      guard read.places >= count else {
        throw CommandError(
          "--hosts \(hosts): has \(read.places) places, and the run has \(count) ranks")
      }
      return read
    }

    /// What starts ranks that are given these arguments.
    func launcher(
      _ count: Int, _ arguments: [String], on hosts: LaunchHosts? = nil
    ) -> Launch {
      var launch = Launch(
        ranks: count, command: [Launch.ownPath] + arguments,
        environment: [TrainCommand.live: isatty(STDOUT_FILENO) != 0 ? "1" : "0"], hosts: hosts)
      launch.startLimit = startLimit
      return launch
    }

    /// The least time that ranks have to start where nothing else is said, in seconds: on a busy machine two take
    /// some ten, and those of other hosts are reached one after the other.
    private static let leastStart = 60.0

    private var startLimit: StartLimit {
      let limit = startTimeout ?? (timeout == 0 ? 0 : max(Self.leastStart, timeout ?? 600))
      return limit == 0 ? .forEver : .within(.seconds(limit))
    }

    /// The options that say how long ranks are waited for, and whether they are given.
    var timeouts: [(String, Bool)] {
      [("--timeout", timeout != nil), ("--start-timeout", startTimeout != nil)]
    }

    func checkTimeouts() throws(CommandError) {
      for (name, value) in [("--timeout", timeout), ("--start-timeout", startTimeout)] {
        guard let value, !(value.isFinite && value >= 0 && value <= 1e6) else { continue }
        throw CommandError("\(name) \(value): must be from 0 to 1,000,000 s")
      }
    }

    /// Meets all other ranks, and tells the sluice that started them: from here on nobody waits without a limit.
    func sayStarted(_ world: any Communicator) throws {
      guard Launch.isLaunched else { return }
      try world.barrier()
      if world.rank == 0 { RankReports.say(.started) }
    }

    /// Says how the ranks ended, where they could not, and ends as they did.
    func end(_ outcome: LaunchOutcome, _ phases: [RunFile]) throws -> Never {
      if let message = outcome.message {
        let whole = "\(message); \(newestCheckpoint(of: phases))"
        note("sluice: \(printable(whole, atMost: .max))\n")
      }
      note(outcome.launcherWords)
      if outcome.status == 0, let failure = outcome.outputFailure {
        throw StandardOutput.failure(failure)
      }
      Foundation.exit(outcome.status)
    }

    /// What is left of a run whose ranks could not say it.
    func newestCheckpoint(of phases: [RunFile]) -> String {
      let folders = phases.compactMap(\.checkpoints?.folder)
      guard !folders.isEmpty else { return "the run keeps no checkpoints" }
      let latest = folders.reversed().compactMap { CheckpointFolder(path: $0).latest }.first
      return latest.map { "the newest checkpoint is \($0)" } ?? "there is no checkpoint yet"
    }
  }
#endif
