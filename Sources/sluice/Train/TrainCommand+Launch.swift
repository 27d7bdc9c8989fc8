#if MPI
  import Checkpoints
  import Runs
  import Documents
  import Foundation
  import Training

  extension TrainCommand {
    /// Starts the ranks, waits for them and ends as they did.
    func launch(
      _ phases: [RunFile], _ count: Int, _ signals: StopSignals
    ) throws -> Never {
      var arguments = Array(CommandLine.arguments.dropFirst())
      if let place = arguments.firstIndex(of: "--ranks") {
        arguments.removeSubrange(place...min(place + 1, arguments.count - 1))
      }
      arguments.removeAll { $0.hasPrefix("--ranks=") }
      try end(try launcher(count, arguments).run(signals), phases)
    }

    /// What starts ranks that are given these arguments.
    func launcher(_ count: Int, _ arguments: [String]) -> Launch {
      Launch(
        ranks: count, command: [Launch.ownPath] + arguments,
        environment: [TrainCommand.live: isatty(STDOUT_FILENO) != 0 ? "1" : "0"])
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
