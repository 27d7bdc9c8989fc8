import Clusters
import Documents
import Plans
import RealModule
import Runs
import Simulation

/// Updates of a phase of reinforcement learning, in pieces whose completions are about equally long.
///
/// What a rollout takes grows with the mean length about as on a straight line, so that the middle of a piece
/// stands for it.
struct RolloutPieces {
  /// Updates one behind the other.
  struct Piece: Hashable {
    var steps: Int
    /// Mean tokens of a completion.
    var mean: Double
  }

  /// The most by which lengths of a piece may differ.
  private static let growth = 1.25

  let phase: RunFile
  let policy: RunFile.PolicySettings
  let generation: RunFile.GenerationSettings

  /// - Throws: `ConfigurationError` where the file does not say how completions are made.
  init(_ phase: RunFile, _ policy: RunFile.PolicySettings) throws(ConfigurationError) {
    guard let generation = policy.generation else {
      let rule =
        policy.rollouts == nil
        ? "is missing: a forecast needs to know how long completions are, and which plan generates"
        : "cannot stand beside grpo.rollouts: no forecast is made of completions that are given"
      throw ConfigurationError(file: phase.file, keyPath: "grpo.generation", rule: rule)
    }
    for (length, next) in zip(generation.lengths, generation.lengths.dropFirst())
    where length.step >= phase.steps {
      throw ConfigurationError(
        file: phase.file, keyPath: "grpo.generation.lengths", value: "step: \(next.step)",
        rule:
          "has no effect: the phase ends with step \(phase.steps), and \(length.step) lies there already"
      )
    }
    (self.phase, self.policy, self.generation) = (phase, policy, generation)
  }

  /// The pieces in order: cut where a length is given, and between so that each grows by a quarter at most.
  var pieces: [Piece] {
    let inside = generation.lengths.map(\.step).filter { 0 < $0 && $0 < phase.steps }
    let ends = [0] + inside + [phase.steps]
    var pieces: [Piece] = []
    for (first, last) in zip(ends, ends.dropFirst()) {
      let from = generation.meanLength(atStep: Double(first))
      let to = generation.meanLength(atStep: Double(last))
      let ratio = Double.log(max(from, to) / min(from, to)) / Double.log(Self.growth)
      let count = max(1, min(last - first, Int(ratio.rounded(.up))))
      for part in 0..<count {
        let begin = first + (last - first) * part / count
        let end = first + (last - first) * (part + 1) / count
        let mean = generation.meanLength(atStep: Double(begin + end) / 2)
        if pieces.last?.mean == mean {
          pieces[pieces.count - 1].steps += end - begin
        } else {
          pieces.append(Piece(steps: end - begin, mean: mean))
        }
      }
    }
    return pieces
  }

  /// A rollout whose completions have a mean length, all devices generating and then learning.
  ///
  /// - Throws: `ConfigurationError` where no lengths below `max-tokens` have this mean and spread.
  func description(_ mean: Double) throws(ConfigurationError) -> RolloutDescription {
    let (longest, spread) = (policy.maximumTokens, generation.spread)
    guard let lengths = LengthDistribution(mean: mean, longest: longest, spread: spread) else {
      throw ConfigurationError(
        file: phase.file, keyPath: "grpo.generation.lengths", value: "\(mean)",
        rule: "no lengths up to grpo.max-tokens, \(longest), with spread \(spread) have this mean")
    }
    let completions = phase.plan.globalBatch * policy.minibatches
    guard completions <= 1 << 20 else {
      throw ConfigurationError(
        file: phase.file, keyPath: "grpo.minibatches", value: "\(policy.minibatches)",
        rule:
          "times plan.global-batch is \(completions) completions of a rollout: at most 1,048,576")
    }
    var rollout = RolloutDescription(
      questions: completions / policy.group, answers: policy.group, prompt: generation.prompt,
      lengths: lengths)
    rollout.updates = policy.minibatches
    rollout.places = generation.places
    rollout.memoryShare = generation.memoryShare
    rollout.hasReference = policy.loss.beta > 0
    rollout.rewardSeconds = generation.rewardSeconds
    rollout.acceptance = generation.acceptance
    rollout.seed = phase.seed
    return rollout
  }

  /// Seconds of one update with its share of the rollout; every further use of the completions trains again.
  func stepSeconds(_ report: RolloutReport) -> Double {
    let again = Double(policy.updatesPerRollout - 1) * report.parts.training
    return (report.seconds + again) / Double(policy.updatesOfARollout)
  }

  /// What rollouts of each piece take.
  ///
  /// - Throws: `ConfigurationError` or `PlanError`.
  func reports(on cluster: Cluster, threads: Int) throws -> [RolloutReport] {
    let planned = try PlannedRollout(
      architecture: phase.model.architecture, cluster: cluster, training: phase.plan,
      generator: generation.generator, drafting: phase.model.withDrafts)
    return try parallelMap(pieces, threads: threads) { piece in
      Result { try planned.report(description(piece.mean)) }
    }.map { try $0.get() }
  }
}
