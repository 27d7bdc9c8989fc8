/// What a run would gain if one thing were better: what an engineer's month is best spent on.
public struct Sensitivity: Hashable, Sendable {
  /// What is better: `restarts twice as fast`.
  public var change: String
  /// Seconds of the wall's time that it saves in the mean, and the standard error of that.
  public var savedSeconds: Double
  public var error: Double
}

extension RunModel {
  /// Each mechanism by itself made better by a stated step, and what that saves of `forecast`.
  ///
  /// Every change is tried with the same seeds; differences are taken run by run, of runs that end either way:
  /// what a run took that was given up says nothing. A change without such runs is left out.
  ///
  /// - Parameter runs: how many of the forecast's runs are tried again.
  public func sensitivities(
    of forecast: Forecast, runs: Int, threads: Int
  ) -> [Sensitivity] {
    let count = min(runs, forecast.runs)
    return improvements.compactMap { name, model in
      let other = Forecast(model, runs: count, seed: forecast.seed, threads: threads)
      let differences = (0..<count).filter { forecast.isEnded[$0] && other.isEnded[$0] }
        .map { forecast.wallSeconds[$0] - other.wallSeconds[$0] }
      guard !differences.isEmpty else { return nil }
      let spread = Forecast.Spread(ascending: differences.sorted())
      return Sensitivity(change: name, savedSeconds: spread.mean, error: spread.error)
    }.sorted { $0.savedSeconds > $1.savedSeconds }
  }

  /// Better runs with the words for them; what changes nothing is left out.
  private var improvements: [(String, RunModel)] {
    var all: [(String, RunModel)] = []
    func add(_ words: String, _ change: (inout RunModel) -> Void) {
      var model = self
      change(&model)
      if model != self { all.append((words, model)) }
    }
    add("steps 1 % faster") { model in
      for index in model.stretches.indices { model.stretches[index].scale(by: 0.99) }
    }
    for index in processes.indices where processes[index].rate > 0 {
      let name = processes[index].name
      add("half as many failures of \(name)") { $0.processes[index].rate /= 2 }
      let found =
        switch processes[index].effect {
        case .stop: ""
        case .slow: "slow nodes (\(name)) found twice as fast"
        case .corrupt: "\(name) found twice as fast"
        }
      if !found.isEmpty { add(found) { $0.processes[index].detection /= 2 } }
    }
    add("failures detected twice as fast") { model in
      model.givenDetection /= 2
      for index in model.processes.indices where model.processes[index].effect == .stop {
        model.processes[index].detection /= 2
      }
    }
    add("nodes requeued twice as fast") { $0.recovery.requeue /= 2 }
    add("the job started twice as fast") { model in
      model.recovery.start /= 2
      for index in model.recovery.widths.indices {
        if let start = model.recovery.widths[index].start {
          model.recovery.widths[index].start = start / 2
        }
      }
    }
    add("the state loaded twice as fast") { model in
      model.recovery.load /= 2
      if let load = model.recovery.memoryLoad { model.recovery.memoryLoad = load / 2 }
    }
    if case .resume(let pause) = recovery.elastic {
      add("replicas resumed twice as fast") { $0.recovery.elastic = .resume(pause: pause / 2) }
    }
    add("checkpoints that hold up half as long") { $0.checkpoints.stall /= 2 }
    add("checkpoints written twice as fast") { model in
      model.checkpoints.writing /= 2
      model.checkpoints.storedWriting /= 2
    }
    if let best = bestCadenceSeconds, best > 0 {
      add("the best cadence of checkpoints") { $0.checkpoints.cadence = .seconds(best) }
    }
    add("nodes repaired twice as fast") { model in
      for index in model.processes.indices {
        if let repair = model.processes[index].repair { model.processes[index].repair = repair / 2 }
      }
    }
    if processes.contains(where: { $0.repair != nil }) {
      add("one more spare node") { $0.recovery.spares += 1 }
    }
    return all
  }
}
