#if MPI
  import Checkpoints
  import Documents
  import Foundation
  import Runs
  import Training

  /// Starts a run again and again until it is done, on the ranks that are left.
  ///
  /// Every end that a lost rank is the reason for (status 5) costs one rank of those there are. Those that
  /// are lost count as there again when the run has written so many checkpoints without them; it stops at
  /// the last of these, where nothing has to be computed again, and begins with all ranks behind it.
  ///
  /// With hosts, those are asked behind every loss whether they can start a program; one that cannot is left out
  /// with all of its ranks, and asked again where ranks are taken back, after twice as many checkpoints each
  /// time that nobody has returned.
  struct ElasticRun {
    let command: TrainCommand
    let phases: [RunFile]
    let plans: ElasticPlans
    let signals: StopSignals
    /// Checkpoints without lost ranks; 0 for ever.
    let takeBackAfter: Int
    /// Where ranks are started; nil for this machine.
    let hosts: LaunchHosts?
    private let clock = ContinuousClock()
    private let begun = Date().timeIntervalSince1970

    init(
      command: TrainCommand, phases: [RunFile], plans: ElasticPlans, signals: StopSignals,
      takeBackAfter: Int, hosts: LaunchHosts?
    ) {
      self.command = command
      self.phases = phases
      self.plans = plans
      self.signals = signals
      self.takeBackAfter = takeBackAfter
      self.hosts = hosts
    }

    /// What happens with every number of ranks, a line.
    var outline: String {
      let all = (plans.minimum...plans.all).reversed().map { ranks in
        plans.choice(for: ranks).map { "\(ranks): \(Self.text(of: $0))" } ?? "\(ranks): the end"
      }
      let lanes = plans.choice(for: plans.all)?.gradientLanes
      let bits =
        plans.keepsBits
        ? "the same bits on all of them"
          + (lanes.map { ", those of gradient-lanes \($0) (plan.gradient-lanes)" } ?? "")
        : "bits depend on how many take part, since experts are spread"
      return "elastic, by the ranks that are left: \(all.joined(separator: ", ")); \(bits)\n"
    }

    /// Runs to the end, with whatever ranks there are.
    func run() throws -> Never {
      note(outline)
      let start = clock.now
      var left = plans.all
      var there = hosts
      var interval = takeBackAfter
      var history: [Int] = []
      var beginning = try clearedBeginning()
      while let choice = plans.choice(for: left), signals.poll() == .goOn {
        history.append(choice.ranks)
        let steps = left == plans.all ? nil : stepsUntilRanksReturn(after: interval)
        let outcome = try launch(choice, beginning, on: there, stopAfter: steps)
        beginning = .resumingIfAny
        if outcome.status == ExitStatus.peer.rawValue, signals.poll() == .goOn {
          left = min(left, plans.all) - 1
          outcome.endRanks()
          there = try answering()
          left = min(left, there?.places ?? left)
          try say((outcome.message ?? "a rank was lost") + Self.lostHosts(hosts, there), left)
          if plans.choice(for: left) == nil { note(outcome.launcherWords) }
        } else if outcome.hasStopped, steps != nil, signals.poll() == .goOn {
          // A run that was not to stop was stopped by somebody, and stays so.
          there = try answering()
          let whole = min(plans.all, there?.places ?? plans.all)
          if whole > left {
            note("elastic: lost ranks are taken back: \(whole) of \(plans.all) from here on\n")
            (left, interval) = (whole, takeBackAfter)
          } else {
            note("elastic: nobody has returned\(Self.lostHosts(hosts, there))\n")
            interval = min(2 * interval, 1 << 20)
          }
        } else {
          conclude(history, clock.now - start)
          try command.end(outcome, phases)
        }
      }
      conclude(history, clock.now - start)
      // Between two launches there is a checkpoint, or nothing yet.
      if signals.wish != .goOn { command.end(signals.wish) }
      note(
        "sluice: \(left) of \(plans.all) ranks are left, and --minimum-ranks is \(plans.minimum); "
          + "\(command.newestCheckpoint(of: phases))\n")
      Foundation.exit(ExitStatus.peer.rawValue)
    }

    /// How the first launch begins: where earlier runs wrote, all phases are cleared before it, once.
    private func clearedBeginning() throws -> RunBeginning {
      guard command.beginning == .overwriting else { return command.beginning }
      for notice in try RunFile.clearPlaces(of: phases) { note("note: \(printable(notice))\n") }
      return .resumingIfAny
    }

    private func say(_ message: String, _ left: Int) throws {
      guard let next = plans.choice(for: left) else { return note("elastic: \(message)\n") }
      let place = command.newestCheckpoint(of: phases)
      note(
        "elastic: \(printable(message, atMost: .max)); \(place); going on with \(next.ranks) of "
          + "\(plans.all) ranks: \(Self.text(of: next))\n")
    }

    /// The hosts that can start a program now.
    private func answering() throws -> LaunchHosts? { try hosts?.answering(signals) }

    /// `, and host two does not answer`, or nothing.
    private static func lostHosts(_ all: LaunchHosts?, _ there: LaunchHosts?) -> String {
      guard let all, let there else { return "" }
      let names = all.names(missingIn: there)
      guard !names.isEmpty else { return "" }
      return names.count == 1
        ? ", and host \(names[0]) does not answer"
        : ", and hosts \(names.joined(separator: ", ")) do not answer"
    }

    /// - Parameter steps: behind which it stops, so that lost ranks are taken back; nil for the run's end.
    private func launch(
      _ choice: ElasticPlans.Choice, _ beginning: RunBeginning, on there: LaunchHosts?,
      stopAfter steps: Int?
    ) throws -> LaunchOutcome {
      var arguments = ["train", command.file]
      arguments += (command.overrides + choice.overrides).flatMap { ["--set", $0] }
      switch beginning {
      case .anew: break
      case .overwriting: arguments.append("--overwrite")
      case .resuming: arguments.append("--resume")
      case .resumingIfAny: arguments.append("--resume-if-any")
      }
      // One rank waits for no other.
      if let timeout = command.timeout, choice.ranks > 1 {
        arguments += ["--timeout", "\(timeout)"]
      }
      if let steps { arguments += ["--stop-after", "\(steps)"] }
      var launcher = command.launcher(choice.ranks, arguments, on: there)
      launcher.endsAtOnce = true
      return try launcher.run(signals)
    }

    /// Steps to the checkpoint at which lost ranks are taken back; nil if the run ends before.
    private func stepsUntilRanksReturn(after interval: Int) -> Int? {
      for run in phases {
        guard interval > 0, let settings = run.checkpoints else { return nil }
        let step = CheckpointFolder(path: settings.folder).steps().last ?? 0
        if step >= run.steps { continue }
        let end = (step / settings.every + interval) * settings.every
        return end < run.steps ? end - step : nil
      }
      return nil
    }

    /// Says how it went, where ranks were lost.
    private func conclude(_ history: [Int], _ wall: Duration) {
      guard history.count > 1 else { return }
      let seconds = wall / .seconds(1)
      var text = "elastic: ran on \(history.map(String.init).joined(separator: " → ")) ranks"
      if let kept = secondsInSteps() {
        text += String(
          format: "; goodput %.1f %%: %.1f s of %.1f s in steps that count", 100 * kept / seconds,
          kept, seconds)
      }
      note(text + "\n")
    }

    /// The seconds of all steps since this began that were not made again; nil where no log has them all.
    private func secondsInSteps() -> Double? {
      var sum = 0.0
      for run in phases {
        guard run.log.every == 1, let path = run.log.file,
          let text = try? String(contentsOfFile: path, encoding: .utf8)
        else { return nil }
        for line in text.split(separator: "\n") {
          guard let value = try? JSONValue(Array(line.utf8)),
            let ended = value["wall_time"]?.double, ended >= begun
          else { continue }
          sum += value["seconds"]?.double ?? 0
        }
      }
      return sum
    }

    /// `DP3·PP2`.
    private static func text(of choice: ElasticPlans.Choice) -> String {
      let degrees = [
        ("DP", choice.dataParallel), ("PP", choice.pipelineParallel), ("EP", choice.expertParallel),
      ].filter { $0.1 > 1 }.map { "\($0.0)\($0.1)" }
      return degrees.isEmpty ? "one rank" : degrees.joined(separator: "·")
    }
  }
#endif
