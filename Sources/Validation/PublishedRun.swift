import Clusters
import Documents
import Models
import Plans
import Programs
import Simulation

/// A published training run, by the names of what ships and how it differs from them.
package struct PublishedRun: Sendable {
  package var name: String
  var model: String
  var modelOverrides: [String] = []
  var cluster: String
  var clusterOverrides: [String] = []
  var plan: String
  var planOverrides: [String] = []
  /// What of the run no key describes and its price leaves out, since the rest stands without it.
  var leftOut: [String] = []
  /// What the caching allocator reserves is compared, not what it gave out.
  var replaysAllocator = false
}

/// A published run with its files read.
package struct PlannedRun: Sendable {
  package var name: String
  package var architecture: Architecture
  package var cluster: Cluster
  package var plan: Plan
  var inputs: RunInputs
  var replaysAllocator = false

  /// The run ready to be simulated.
  func step() throws -> PlannedStep {
    var lowered = LoweredStages()
    return try step(lowered: &lowered)
  }

  /// The same, with stages that were lowered before where they are the same.
  func step(lowered: inout LoweredStages) throws -> PlannedStep {
    try PlannedStep(architecture: architecture, cluster: cluster, plan: plan, lowered: &lowered)
  }

  /// Runs of which this is equal have the same stages, however many they are in.
  fileprivate var lowering: Lowering {
    var setting = LoweringSetting(plan, target: .device)
    setting.dispatcher = plan.dispatcher(for: architecture, on: cluster)
    return Lowering(architecture: architecture, setting: setting)
  }

  fileprivate struct Lowering: Hashable {
    var architecture: Architecture
    var setting: LoweringSetting
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
    let reports = reports(of: jobs)
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

  /// The steps of runs, each run in its place; runs with the same stages come one after the other and
  /// lower them once.
  private static func reports(of jobs: [PlannedRun?]) -> [Result<StepReport, any Error>?] {
    // So few that all cores have some.
    let most = 8
    var places: [PlannedRun.Lowering: Int] = [:]
    var groups: [[(index: Int, run: PlannedRun)]] = []
    for (index, run) in jobs.enumerated() {
      guard let run else { continue }
      if let place = places[run.lowering], groups[place].count < most {
        groups[place].append((index, run))
      } else {
        places[run.lowering] = groups.count
        groups.append([(index, run)])
      }
    }
    let computed = groups.mapInParallel { group in
      var lowered = LoweredStages()
      return group.map { job in
        (
          index: job.index,
          report: Result {
            try job.run.step(lowered: &lowered).report(replaysAllocator: job.run.replaysAllocator)
          }
        )
      }
    }
    var reports = [Result<StepReport, any Error>?](repeating: nil, count: jobs.count)
    for (index, report) in computed.joined() { reports[index] = report }
    return reports
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
