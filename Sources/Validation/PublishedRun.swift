import Clusters
import Models
import Plans
import Schedules
import Simulation

/// A published training run, to be simulated.
struct PublishedRun: Sendable {
  var name: String
  var architecture: Architecture
  var cluster: Cluster
  var plan: Plan

  /// The simulated step, or why the run was refused.
  func report() -> Result<StepReport, any Error> {
    Result {
      try PlannedStep(architecture: architecture, cluster: cluster, plan: plan).report()
    }
  }

  /// A row that compares one figure of the simulated step with the published one.
  func row(
    _ publication: Double, unit: String, _ figure: (StepReport) -> Double
  ) -> ValidationRow {
    row(report(), publication, unit: unit, figure)
  }

  /// The same of a step that was simulated already.
  func row(
    _ report: Result<StepReport, any Error>, _ publication: Double, unit: String,
    _ figure: (StepReport) -> Double
  ) -> ValidationRow {
    switch report {
    case .success(let report):
      ValidationRow(name, prediction: figure(report), publication: publication, unit: unit)
    case .failure(let error):
      ValidationRow(
        name, prediction: nil, publication: publication, unit: unit, note: "\(error)")
    }
  }
}

extension Cluster {
  /// A cluster that ships; it is our mistake if it cannot be read.
  static func published(_ name: String) -> Cluster {
    do {
      return try Cluster.named(name)
    } catch {
      preconditionFailure("\(error)")
    }
  }
}
