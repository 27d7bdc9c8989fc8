import Plans
import Simulation

extension PlannedStep {
  /// The step, and what it gains with each of the factors that a system may have.
  ///
  /// - Parameters:
  ///   - hosts: the same step on a cluster whose hosts take `growth` times as long to launch.
  ///   - growth: by how much factors are moved.
  ///
  /// Complexity: three simulations beside the step's own.
  public func sensitivity(hosts: PlannedStep, growth: Double = 1.05) -> StepSensitivity {
    let plain = simulation.run().step
    func gain(_ moved: Int64) -> Double {
      max(0, (Double(moved) / Double(plain) - 1) / (growth - 1))
    }
    let world = placed.plan.worldSize
    var slower = simulation
    slower.slowness = factors(simulation.slowness, world, growth)
    var thinner = simulation
    let links = simulation.linkSlowness
    thinner.linkSlowness = (0..<world).map { rank in
      var own = links.isEmpty ? LinkSlowness() : links[rank]
      own.stretch *= growth
      return own
    }
    return StepSensitivity(
      step: Double(plain) / 1e12,
      elasticities: NuisanceFactor.allCases.map { factor in
        switch factor {
        case .computation: gain(slower.run().step)
        case .collectives: gain(thinner.run().step)
        case .host: gain(hosts.simulation.run().step)
        }
      })
  }

  private func factors(_ known: [Double], _ world: Int, _ growth: Double) -> [Double] {
    (0..<world).map { (known.isEmpty ? 1 : known[$0]) * growth }
  }
}

extension Plan {
  /// Whether another plan lays out the model alike and differs in the number of data ranks alone.
  public func hasLayout(of other: Plan) -> Bool {
    var (own, others) = (self, other)
    for path: WritableKeyPath<Plan, Int> in [\.dataParallel, \.globalBatch] {
      own[keyPath: path] = 1
      others[keyPath: path] = 1
    }
    (own.name, own.source) = (others.name, others.source)
    return own == others
  }
}
