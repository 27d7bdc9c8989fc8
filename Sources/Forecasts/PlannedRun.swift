import Clusters
import Documents
import Models
import Plans
import Quantities
import Runs
import Simulation

/// A described run on a cluster: every step that occurs simulated once, and what fails there.
public struct PlannedRun: Sendable {
  /// Steps that are alike.
  public struct Part: Hashable, Sendable {
    /// The number of its phase.
    public var phase: Int
    public var globalBatch: Int
    public var sequenceLength: Int
    public var steps: Int
    public var stepSeconds: Double
    /// The same for each draw of slow nodes, of which it is the mean; empty where none are drawn.
    public var draws: [Double] = []
    /// What the simulation says; nil where the step's time was given.
    public var report: StepReport?
    /// With objective `grpo`, mean tokens of a completion with its prompt, and the rollout of which a step is
    /// a part; nil where the step's time was given.
    public var completionTokens: Double?
    public var rollout: RolloutReport?

    /// Tokens that a step trains on.
    public var tokens: Double {
      if let completionTokens { return Double(globalBatch) * completionTokens }
      // Padding is none.
      return Double(report?.tokensPerStep ?? globalBatch * sequenceLength)
    }
  }

  /// A step, and the places of the parts that consist of it.
  public struct SimulatedStep: Sendable {
    public var step: PlannedStep
    public var parts: [Int]
  }

  public let name: String
  public let cluster: Cluster
  /// The names of its phases.
  public let phases: [String]
  public let parts: [Part]
  /// The steps that were simulated, rollouts' left out: none where their time was given.
  public let steps: [SimulatedStep]
  /// Devices of the job.
  public let ranks: Int
  /// Bytes of a checkpoint.
  public let checkpointBytes: Double
  public let model: RunModel
  /// What was decided because no file says it, one short phrase each.
  public let assumptions: [String]

  /// Plans and simulates a run.
  ///
  /// - Parameters:
  ///   - phases: the run as its file describes it, at least one phase, layouts by cost resolved.
  ///   - stepSeconds: what each step takes, measured: nothing is simulated then.
  /// - Throws: `ConfigurationError`, `PlanError` or `ScheduleError`.
  public init(
    _ phases: [RunFile], on cluster: Cluster, stepSeconds: Double? = nil, threads: Int = 1
  ) throws {
    self.cluster = cluster
    self.phases = phases.map(\.name)
    name = phases.count == 1 ? phases[0].name : Self.stem(phases[0].file)
    ranks = phases[0].plan.worldSize
    (parts, steps) = try Self.parts(phases, cluster, stepSeconds, threads)
    for phase in phases where phase.recovery != phases[0].recovery {
      throw ConfigurationError(
        file: phase.file, keyPath: "recovery",
        rule: "is the whole run's: phase \(phase.name) has another one")
    }
    let setting = try RecoverySetting(phases, cluster)
    checkpointBytes = setting.stateBytes
    let (model, assumptions) = try setting.model(
      parts.map { part in
        part.draws.isEmpty
          ? .init(phase: part.phase, steps: part.steps, stepSeconds: part.stepSeconds)
          : .init(phase: part.phase, steps: part.steps, draws: part.draws)
      })
    self.model = model
    self.assumptions =
      Self.precisions(phases, parts) + Self.defaults(phases, parts) + Self.draws(parts)
      + assumptions + Self.leftOut(of: phases) + Self.assumptions(of: parts)
  }

  /// How slow nodes were drawn.
  private static func draws(_ parts: [Part]) -> [String] {
    guard let count = parts.map(\.draws.count).max(), count > 0 else { return [] }
    return ["slow nodes drawn anew for every run, from \(count) draws by turns (slow-hosts)"]
  }

  /// Phases whose simulated steps compute in 32 bits because their plan says nothing else.
  private static func precisions(_ phases: [RunFile], _ parts: [Part]) -> [String] {
    let simulated = phases.indices.filter { number in
      parts.contains { $0.phase == number && ($0.report != nil || $0.rollout != nil) }
    }
    let silent = simulated.filter { !phases[$0].hasPrecision }.map { phases[$0].name }
    guard !silent.isEmpty else { return [] }
    let whose = silent.count == simulated.count ? "" : " in \(silent.joined(separator: ", "))"
    return ["precision float32\(whose), as of a run file that says none"]
  }

  /// What the file leaves to defaults of how completions are made, phases with the same ones together.
  private static func defaults(_ phases: [RunFile], _ parts: [Part]) -> [String] {
    var groups: [(defaults: [RolloutDefaults.Entry], phases: [String])] = []
    var generating = 0
    for (number, phase) in phases.enumerated()
    where parts.contains(where: { $0.phase == number && $0.rollout != nil }) {
      generating += 1
      guard let defaults = phase.policy?.generation?.defaults, !defaults.isEmpty else { continue }
      if let index = groups.firstIndex(where: { $0.defaults == defaults }) {
        groups[index].phases.append(phase.name)
      } else {
        groups.append((defaults, [phase.name]))
      }
    }
    return groups.map { group in
      let whose =
        group.phases.count == generating ? "" : " of \(group.phases.joined(separator: ", "))"
      return "by default grpo.generation\(whose) has "
        + group.defaults.map(\.setting).joined(separator: ", ")
    }
  }

  /// What the file says and the time does not have.
  private static func leftOut(of phases: [RunFile]) -> [String] {
    phases.contains { $0.evaluation != nil } ? ["evaluations take no time"] : []
  }

  /// What rollouts assume, each once.
  private static func assumptions(of parts: [Part]) -> [String] {
    parts.flatMap { $0.rollout?.assumptions ?? [] }.reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }
  }

  /// Seconds of work between two checkpoints where most of the work is; nil where phases alone have one.
  public var cadenceSeconds: Double? {
    let longest = model.stretches.max {
      Double($0.steps) * $0.stepSeconds < Double($1.steps) * $1.stepSeconds
    }
    guard let longest, model.checkpoints.cadence != .phases else { return nil }
    let every = min(model.stepsBetweenCheckpoints(longest), longest.steps)
    return Double(every) * longest.stepSeconds
  }

  private static func stem(_ path: String) -> String {
    let file = path.split(separator: "/").last.map(String.init) ?? path
    return file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
  }

  private static func parts(
    _ phases: [RunFile], _ cluster: Cluster, _ given: Double?, _ threads: Int
  ) throws -> ([Part], [SimulatedStep]) {
    if given != nil { try checkSizes(phases, cluster) }
    var parts: [Part] = []
    var steps: [PlannedStep] = []
    // Phases that do the same have the same step.
    var known: [Setting: Int] = [:]
    var places: [Int?] = []
    for (number, phase) in phases.enumerated() {
      var lowered = LoweredStages()
      if let policy = phase.policy, given == nil {
        let rollouts = try Self.rollouts(phase, number, policy, cluster, threads)
        parts += rollouts
        places += [Int?](repeating: nil, count: rollouts.count)
        continue
      }
      for (batch, count) in phase.batch.batches(inSteps: phase.steps) {
        parts.append(
          Part(
            phase: number, globalBatch: batch, sequenceLength: phase.plan.sequenceLength,
            steps: count, stepSeconds: given ?? 0))
        guard given == nil else { continue }
        var plan = phase.plan
        plan.globalBatch = batch
        let setting = Setting(architecture: phase.model.architecture, plan: plan)
        if known[setting] == nil {
          known[setting] = steps.count
          do {
            steps.append(
              try PlannedStep(
                architecture: phase.model.architecture, cluster: cluster, plan: plan,
                lowered: &lowered))
          } catch {
            throw Self.located(error, phase, batch, isRamp: phase.batch.batches.count > 1)
          }
        }
        places.append(known[setting])
      }
    }
    let results = Self.results(of: steps, threads: threads)
    var simulated = steps.map { SimulatedStep(step: $0, parts: []) }
    for (index, place) in places.enumerated() {
      guard let place else { continue }
      let (report, draws) = results[place]
      try report.checkPossible()
      parts[index].stepSeconds = report.stepSeconds
      parts[index].draws = draws
      parts[index].report = report
      simulated[place].parts.append(index)
    }
    return (parts, simulated)
  }

  /// Refuses plans of more ranks than the cluster has devices, as a simulation of their steps does.
  private static func checkSizes(
    _ phases: [RunFile], _ cluster: Cluster
  ) throws {
    for phase in phases {
      do throws(PlanError) {
        try phase.plan.checkSizes(on: .devices(cluster.rankCount))
      } catch {
        let batch = phase.batch.batches(inSteps: phase.steps).first?.batch
        throw located(
          error, phase, batch ?? phase.plan.globalBatch, isRamp: phase.batch.batches.count > 1)
      }
    }
  }

  /// Draws of slow nodes with which every step is simulated.
  public static let hostDraws = 32

  /// What every step takes, in the mean and with each draw of slow nodes.
  private static func results(
    of steps: [PlannedStep], threads: Int
  ) -> [(StepReport, draws: [Double])] {
    guard steps.contains(where: \.hasDrawnHosts) else {
      return parallelMap(steps, threads: threads) { ($0.report(replaysAllocator: true), []) }
    }
    return steps.map { step in
      let results = step.run(hostDraws: hostDraws, threads: threads)
      let report = step.report(results, replaysAllocator: true)
      return (report, results.map { Double($0.step) / 1e12 })
    }
  }

  /// Updates of a phase of reinforcement learning, whose completions change in length.
  private static func rollouts(
    _ phase: RunFile, _ number: Int, _ policy: RunFile.PolicySettings, _ cluster: Cluster,
    _ threads: Int
  ) throws -> [Part] {
    let rollouts = try RolloutPieces(phase, policy)
    let pieces = rollouts.pieces
    let reports: [RolloutReport]
    do {
      reports = try rollouts.reports(on: cluster, threads: threads)
    } catch {
      throw Self.located(error, phase, phase.plan.globalBatch, isRamp: false)
    }
    return zip(pieces, reports).map { piece, report in
      Part(
        phase: number, globalBatch: phase.plan.globalBatch,
        sequenceLength: phase.plan.sequenceLength, steps: piece.steps,
        stepSeconds: rollouts.stepSeconds(report),
        completionTokens: piece.mean + Double(rollouts.generation.prompt), rollout: report)
    }
  }

  private struct Setting: Hashable {
    var architecture: Architecture
    var plan: Plan
  }

  /// An error of a plan with the phase and the batch at which it shows.
  private static func located(
    _ error: any Error, _ phase: RunFile, _ batch: Int, isRamp: Bool
  ) -> any Error {
    guard !(error is ConfigurationError) else { return error }
    return ConfigurationError(
      file: phase.file, keyPath: isRamp ? "batch-ramp" : "plan",
      rule: "phase \(phase.name) at a global batch of \(batch): \(error)")
  }
}

extension BatchRamp {
  /// How many of the first steps have which batch, in order.
  func batches(inSteps count: Int) -> [(batch: Int, steps: Int)] {
    var result: [(batch: Int, steps: Int)] = []
    func add(_ batch: Int, _ steps: Int) {
      guard steps > 0 else { return }
      if result.last?.batch == batch {
        result[result.count - 1].steps += steps
      } else {
        result.append((batch, steps))
      }
    }
    var seen = 0
    var done = 0
    while done < count, seen < sequences {
      let batch = batch(after: seen)
      add(batch, 1)
      seen += batch
      done += 1
    }
    add(final, count - done)
    return result
  }
}
