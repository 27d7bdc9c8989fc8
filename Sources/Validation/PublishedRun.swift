import Clusters
import Documents
import Models
import Plans
import Simulation

/// A published training run, by the names of what ships and how it differs from them.
struct PublishedRun: Sendable {
  var name: String
  var model: String
  var modelOverrides: [String] = []
  var cluster: String
  var plan: String
  var planOverrides: [String] = []
}

/// A published run with its files read.
struct PlannedRun: Sendable {
  var name: String
  var architecture: Architecture
  var cluster: Cluster
  var plan: Plan
  var inputs: RunInputs

  /// The run ready to be simulated.
  func step() throws -> PlannedStep {
    try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
  }
}

/// A published run with its step simulated, and simulated again by each variant.
struct SimulatedRun: Sendable {
  var run: PlannedRun
  /// The step, or why it was refused.
  var report: Result<StepReport, any Error>
  /// For each variant, the steps whose mean it is; empty where one of them was refused.
  var variants: [[StepReport]]

  /// Simulates runs, on all cores; the order is theirs.
  static func simulate(
    _ runs: [PublishedRun], variants: [Variant] = [], from files: PublishedFiles
  ) throws -> [SimulatedRun] {
    var jobs: [PlannedRun?] = []
    for run in runs {
      jobs.append(try files.planned(run))
      for setting in variants.flatMap(\.settings) {
        // What a person overrides may leave a variant nothing to undo.
        jobs.append(try? files.planned(run, variant: setting))
      }
    }
    let reports = jobs.mapInParallel { job in job.map { job in Result { try job.step().report() } }
    }
    let stride = jobs.count / max(1, runs.count)
    return runs.indices.compactMap { index in
      var next = index * stride
      guard let run = jobs[next], let report = reports[next] else { return nil }
      let others = variants.map { variant in
        let found = variant.settings.compactMap { _ in
          next += 1
          return try? reports[next]?.get()
        }
        return found.count == variant.settings.count ? found : []
      }
      return SimulatedRun(run: run, report: report, variants: others)
    }
  }

  /// A row that compares one figure of the simulated step with the published one.
  ///
  /// - Parameter readings: the same figure read otherwise, in front of the variants.
  func row(
    _ name: String? = nil, _ publication: Double, unit: String,
    readings: [@Sendable (StepReport) -> Double] = [], _ figure: (StepReport) -> Double
  ) -> ValidationRow {
    var row = ValidationRow(
      name ?? run.name, prediction: nil, publication: publication, unit: unit)
    row.inputs = run.inputs
    switch report {
    case .failure(let error): row.note = "\(error)"
    case .success(let report):
      row.prediction = figure(report)
      row.others = readings.map { $0(report) }
    }
    if row.prediction == nil { row.others = readings.map { _ in nil } }
    row.others += variants.map { reports in
      reports.isEmpty ? nil : reports.reduce(0) { $0 + figure($1) } / Double(reports.count)
    }
    return row
  }
}
