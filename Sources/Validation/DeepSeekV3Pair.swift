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

  /// Busy time of a phase over the four layers, by the trace's names.
  func seconds(of phase: Phase, isForward: Bool, isWeight: Bool) -> Double {
    let program = isForward ? stage.forward : stage.backward
    return span.spans.reduce(0) { sum, span in
      guard case .operation(let index) = span.kind, span.isForward == isForward else { return sum }
      let operation = program.operations[Int(index)]
      let isInWeightHalf = operation.pass == .backwardWeight
      guard operation.phase == phase, isForward || isInWeightHalf == isWeight else { return sum }
      return sum + Double(span.end - span.start) / 1e12
    }
  }

  /// Seconds of the payload kernels of one kind of exchange over the four layers.
  func payload(isForward: Bool, _ matches: (TransferKind) -> Bool) -> Double {
    let program = isForward ? stage.forward : stage.backward
    return program.transfers.filter { matches($0.kind) }.reduce(0) { sum, transfer in
      sum
        + step.pricing.price(
          ofExchange: transfer, rows: step.input.balancedRows[stageIndex], isOverlapped: true
        ).payload
    }
  }
}

extension ValidationTable {
  /// The traced pair; beside it its compute phases and its exchanges, whose kernels are rows of the
  /// tables of components.
  static func tracedPair(_ files: PublishedFiles) throws -> ValidationTable {
    let run = try files.planned(
      PublishedRun(
        name: "overlapped pair", model: "deepseek-v3", cluster: "h800-2048", plan: "deepseek-v3",
        planOverrides: ["expert-load=balanced"]))
    let published = PublishedTable.runs.rows.first { $0["id"] == "dsv3-trace-FB" }
    var row = ValidationRow(
      run.name, prediction: nil, publication: published?.number("value") ?? 0, unit: "ms")
    row.inputs = run.inputs
    var parts: [ValidationRow] = []
    do {
      let pair = try DeepSeekV3Pair(run)
      row.prediction = pair.seconds * 1e3
      parts = try pair.parts(measured: files)
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
  fileprivate func parts(measured files: PublishedFiles) throws -> [ValidationRow] {
    let measured = try ComponentResiduals.all { try files.cluster($0).value }
      .filter { $0.name.hasPrefix("V3 trace") }.flatMap(\.rows)
    func row(_ name: String, of published: String, _ seconds: Double) -> ValidationRow {
      let row = measured.first { $0.row == published }
      return ValidationRow(
        name, prediction: seconds * 1e3, publication: (row?.measuredSeconds ?? 0) * 1e3,
        unit: "ms")
    }
    let phases: [(String, Phase, Bool, Bool)] = [
      ("attn(F)", .attention, true, false), ("mlp(F)", .feedForward, true, false),
      ("attn(B)", .attention, false, false), ("mlp(B)", .feedForward, false, false),
      ("attn(W)", .attention, false, true), ("mlp(W)", .feedForward, false, true),
    ]
    let exchanges: [(String, Bool, (TransferKind) -> Bool)] = [
      ("dispatch(F)", true, { if case .dispatch = $0 { true } else { false } }),
      ("combine(F)", true, { if case .combine = $0 { true } else { false } }),
      ("combine(B)", false, { if case .combineBackward = $0 { true } else { false } }),
      ("dispatch(B)", false, { if case .dispatchBackward = $0 { true } else { false } }),
    ]
    return phases.map { name, phase, isForward, isWeight in
      let seconds = seconds(of: phase, isForward: isForward, isWeight: isWeight)
      return row("\(name), four layers", of: name, seconds)
    }
      + exchanges.map { name, isForward, matches in
        row(
          "\(name) payload, four layers", of: "\(name) payload",
          payload(isForward: isForward, matches))
      }
  }
}

extension Plan {
  fileprivate var scheduleName: String {
    switch schedule {
    case .named(let name), .file(let name): name
    }
  }
}
