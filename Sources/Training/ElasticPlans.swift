import Documents
import Plans
import Runs

/// What a run that goes on without some of its ranks does with those that are left.
///
/// A choice keeps everything that the numbers depend on (global batch, microbatches, sequence) and has fewer
/// data-parallel ranks; the pipeline and the experts' group stay as they are where any number of data
/// ranks admits that, then experts are spread less, then the pipeline is shorter. Numbers of ranks that admit
/// no plan are passed over: the ranks beyond wait until one is lost.
///
/// Gradients are added up in the same lanes throughout, so many that every choice has whole ones: the bits
/// are those of a run that nothing happened to, in as many lanes.
public struct ElasticPlans: Hashable, Sendable {
  /// A plan for some of the ranks.
  public struct Choice: Hashable, Sendable {
    public var dataParallel: Int
    public var pipelineParallel: Int
    public var expertParallel: Int
    /// nil for as many as the plan has by itself.
    public var gradientLanes: Int?

    /// Ranks that take part.
    public var ranks: Int { dataParallel * pipelineParallel }

    /// What replaces the run file's values, each `key=value`.
    public var overrides: [String] {
      [
        "plan.data-parallel=\(dataParallel)", "plan.pipeline-parallel=\(pipelineParallel)",
        "plan.expert-parallel=\(expertParallel)",
      ] + (gradientLanes.map { ["plan.gradient-lanes=\($0)"] } ?? [])
    }
  }

  /// By the number of ranks that are left, fewest first: from the minimum to all of them.
  private let choices: [Choice?]
  /// The fewest ranks with which the run goes on.
  public let minimum: Int
  /// Whether all choices give the same bits.
  public let keepsBits: Bool

  /// The ranks of the plan as it is.
  public var all: Int { minimum + choices.count - 1 }

  /// Looks for the choices of a run.
  ///
  /// - Parameters:
  ///   - phases: the run's phases, all of which have to admit a choice.
  ///   - minimum: the fewest ranks with which it goes on, at most those of the plan.
  public init(_ phases: [RunFile], minimum: Int) {
    precondition(!phases.isEmpty && minimum >= 1)
    let plan = phases[0].plan
    let whole = plan.worldSize
    precondition(minimum <= whole)
    var found = (minimum...whole).map { Self.choice(for: $0, minimum: minimum, phases) }
    let made = found.compactMap { $0 }
    let isAlike = made.allSatisfy { $0.expertParallel == 1 }
    if plan.gradientLanes == nil, isAlike, made.count > 1 {
      let directions = plan.isBidirectional ? 2 : 1
      let lanes = made.reduce(1) { leastCommonMultiple($0, $1.dataParallel * directions) }
      for index in found.indices { found[index]?.gradientLanes = lanes }
    }
    self.minimum = minimum
    choices = found
    keepsBits = isAlike
  }

  /// What is done with so many ranks; nil where no plan of at least `minimum` ranks is admissible.
  public func choice(for ranks: Int) -> Choice? {
    ranks < minimum ? nil : choices[min(ranks, all) - minimum]
  }

  private static func choice(
    for ranks: Int, minimum: Int, _ phases: [RunFile]
  ) -> Choice? {
    let plan = phases[0].plan
    func divisors(of number: Int) -> [Int] {
      (1...number).reversed().filter { number.isMultiple(of: $0) }
    }
    for pipeline in divisors(of: plan.pipelineParallel) {
      for expert in divisors(of: plan.expertParallel) {
        let most = min(ranks / pipeline, plan.dataParallel)
        let least = (minimum + pipeline - 1) / pipeline
        for data in stride(from: most, through: max(1, least), by: -1)
        where data.isMultiple(of: expert) {
          let choice = Choice(
            dataParallel: data, pipelineParallel: pipeline, expertParallel: expert)
          if phases.allSatisfy({ $0.admits(choice) }) { return choice }
        }
      }
    }
    return nil
  }
}

extension RunFile {
  /// Whether the plan can be carried out so, at every batch of the run.
  fileprivate func admits(_ choice: ElasticPlans.Choice) -> Bool {
    var run = self
    run.plan.dataParallel = choice.dataParallel
    run.plan.pipelineParallel = choice.pipelineParallel
    run.plan.expertParallel = choice.expertParallel
    return (try? run.placed(ranks: choice.ranks)) != nil
  }
}

private func leastCommonMultiple(_ first: Int, _ second: Int) -> Int {
  var (divisor, rest) = (first, second)
  while rest != 0 { (divisor, rest) = (rest, divisor % rest) }
  return first / divisor * second
}
