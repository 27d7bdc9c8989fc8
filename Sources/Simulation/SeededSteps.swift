import Clusters
import Foundation
import Plans

extension PlannedStep {
  /// Whether chance has a part in the step, so that seeds give other steps.
  public var isDrawn: Bool {
    if documents != nil, case .distribution(_, let deviation, _)? = placed.plan.documents?.lengths,
      deviation > 0
    {
      return true
    }
    return input.expertDraws() != nil || SlowHostDraws(cluster, seedOffset: 0).isDrawn
  }

  /// Whether it is drawn which nodes are slow.
  public var hasDrawnHosts: Bool { SlowHostDraws(cluster, seedOffset: 0).isDrawn }

  /// Simulates the step with as many draws of slow nodes, the cluster's own and those of the seeds that follow it;
  /// all else that is drawn is the same.
  public func run(hostDraws: Int, threads: Int) -> [StepResult] {
    run(seeds: hostDraws, threads: threads, onlyHosts: true) { _ in }
  }

  /// Simulates the step from as many seeds, the plan's own and those that follow it.
  ///
  /// Programs, templates of actions and prices are worked out once a thread. What comes back does not depend
  /// on how many there are.
  ///
  /// - Parameter adjust: what the simulation of each seed is to be like.
  public func run(
    seeds: Int, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
    adjust: @Sendable (inout StepSimulation<ClusterPricing>) -> Void = { _ in }
  ) -> [StepResult] {
    run(seeds: seeds, threads: threads, onlyHosts: false, adjust)
  }

  private func run(
    seeds: Int, threads: Int, onlyHosts: Bool,
    _ adjust: @Sendable (inout StepSimulation<ClusterPricing>) -> Void
  ) -> [StepResult] {
    precondition(seeds > 0 && threads > 0, "A step has a seed, and somebody simulates it.")
    let threads = min(threads, seeds)
    let parts = parallelMap(Array(0..<threads), threads: threads) { thread in
      var catalog: ActionCatalog?
      return stride(from: thread, to: seeds, by: threads).map { number in
        var simulation = simulation(
          seedOffset: onlyHosts ? 0 : UInt64(number), hostOffset: UInt64(number))
        adjust(&simulation)
        return simulation.run(sharing: &catalog)
      }
    }
    return (0..<seeds).map { parts[$0 % threads][$0 / threads] }
  }

  /// The figures of steps from several seeds: means, and how far the steps lie apart.
  public func report(_ results: [StepResult], replaysAllocator: Bool) -> StepReport {
    let reports = results.enumerated().map { number, result in
      report(result, replaysAllocator: replaysAllocator && number == 0)
    }
    return StepReport(mean: reports)
  }
}

extension StepSimulation {
  /// Runs the step with what an earlier run of the same step has worked out, and leaves it to the next one.
  func run(sharing catalog: inout ActionCatalog?) -> StepResult {
    let world = SimulatedWorld(self, catalog: catalog)
    world.run()
    catalog = world.catalog
    return world.result()
  }
}

extension StepReport {
  /// The mean of the same step from several seeds.
  ///
  /// Seconds and the FLOPs that ranks carry out are means; memory, which no seed changes, and counts are those
  /// of the first.
  init(mean reports: [StepReport]) {
    self = reports[0]
    seeds = reports.count
    guard reports.count > 1 else { return }
    func mean(_ value: (StepReport) -> Double) -> Double {
      reports.reduce(0) { $0 + value($1) } / Double(reports.count)
    }
    stepSeconds = mean(\.stepSeconds)
    let squares = reports.reduce(0.0) { sum, report in
      let difference = report.stepSeconds - stepSeconds
      return sum + difference * difference
    }
    stepSecondsDeviation = (squares / Double(reports.count - 1)).squareRoot()
    split = Split(mean: reports.map(\.split))
    splitMean = Split(mean: reports.map(\.splitMean))
    splitByPosition = splitByPosition.indices.map { position in
      Split(mean: reports.map { $0.splitByPosition[position] })
    }
    for index in stages.indices {
      stages[index].split = Split(mean: reports.map { $0.stages[index].split })
    }
    kernels = KernelTimes(mean: reports.map(\.kernels))
    for path in [
      \StepReport.expert, \StepReport.pipeline, \StepReport.data, \StepReport.tensor,
      \StepReport.context, \StepReport.host,
    ] as [WritableKeyPath<StepReport, Communication>] {
      self[keyPath: path] = Communication(
        total: mean { $0[keyPath: path].total }, hidden: mean { $0[keyPath: path].hidden },
        exposed: mean { $0[keyPath: path].exposed }, waiting: mean { $0[keyPath: path].waiting })
    }
    hardwareFLOPsCausal = mean(\.hardwareFLOPsCausal)
  }
}
