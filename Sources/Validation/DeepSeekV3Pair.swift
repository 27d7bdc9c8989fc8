import Clusters
import Costs
import Engines
import Plans
import Programs
import Schedules
import Simulation

/// An overlapped pair of two stages with four mixture layers each, under a balanced load: what the
/// published training trace shows.
struct DeepSeekV3Pair {
  private let step: PlannedStep
  private let stage: StageProgram
  private let stageIndex: Int
  private let span: ItemSpan

  /// - Throws: `PlanError` where the plan has no such pair.
  init(_ run: PlannedRun) throws {
    step = try run.step()
    var simulation = step.simulation
    simulation.keepsSpans = true
    // A trace shows one device, and no wait for slower ones.
    simulation.waits = nil
    // Stages 5 and 10 lie on one position; both hold four mixture layers.
    stageIndex = 5
    let ranks = simulation.run().ranks
    let items = ranks.count > stageIndex ? ranks[stageIndex].items : []
    let found = items.first { if case .overlapped = $0.item { true } else { false } }
    guard let found, step.input.stages.count > stageIndex else {
      throw PlanError.cannotSimulate(
        key: "schedule", value: run.plan.scheduleName, rule: "has no such overlapped pair")
    }
    stage = step.input.stages[stageIndex]
    span = found
  }

  /// From the first kernel to the last, seconds.
  var seconds: Double { Double(span.end - span.start) / 1e12 }

  /// Busy time of each phase over the four layers, by the trace's names.
  private var phaseSeconds: [String: Double] {
    let phases = [true: stage.forward, false: stage.backward].map { isForward, program in
      (isForward, program.tracePhases(isForward: isForward))
    }
    let names = Dictionary(uniqueKeysWithValues: phases)
    return span.spans.reduce(into: [:]) { seconds, span in
      guard case .operation(let index) = span.kind, let name = names[span.isForward]?[Int(index)]
      else { return }
      seconds[name, default: 0] += Double(span.end - span.start) / 1e12
    }
  }

  /// Seconds of the payload kernels of one kind of exchange over the four layers.
  func payload(_ exchange: V3Exchange) -> Double { step.payload(exchange, ofStage: stageIndex) }
}

extension ValidationTable {
  /// The traced pair; beside it its compute phases and its exchanges, whose kernels are rows of the
  /// tables of components.
  static func tracedPair(_ files: PublishedFiles) throws -> ValidationTable {
    let run = try files.planned(V3Layers.run)
    let published = PublishedTable.runs.rows.first { $0["id"] == "dsv3-trace-FB" }
    var row = ValidationRow(
      run.name, prediction: nil, publication: published?.number("value") ?? 0, unit: "ms")
    row.inputs = run.inputs
    var parts: [ValidationRow] = []
    do {
      let pair = try DeepSeekV3Pair(run)
      row.prediction = pair.seconds * 1e3
      parts = pair.parts(measured: V3Trace())
    } catch {
      row.note = "\(error)"
    }
    var table = ValidationTable(
      "v3-traced-pair", title: "One overlapped pair of four-layer stages of DeepSeek-V3",
      source: "DeepSeek profile-data, training trace", basis: .residual,
      fittedTo: "this trace (kernels one by one) and DeepGEMM's and DeepEP's tables",
      assumptions: ["balanced expert load, as in the trace"], rows: [row])
    table.derivedRows = parts
    return table
  }
}

extension DeepSeekV3Pair {
  /// Busy time of the six compute phases and of the four exchanges' payloads.
  fileprivate func parts(measured trace: V3Trace) -> [ValidationRow] {
    func row(_ name: String, _ seconds: Double, measured: Double) -> ValidationRow {
      ValidationRow(name, prediction: seconds * 1e3, publication: measured * 1e3, unit: "ms")
    }
    let seconds = phaseSeconds
    return V3Layers.phases.map {
      row("\($0), four layers", seconds[$0] ?? 0, measured: trace.busySeconds($0))
    }
      + V3Exchange.allCases.map {
        row(
          "\($0.rawValue) payload, four layers", payload($0), measured: trace.payload($0))
      }
  }
}

extension Plan {
  fileprivate var scheduleName: String {
    switch schedule {
    case .named(let name), .file(let name, _): name
    }
  }
}
