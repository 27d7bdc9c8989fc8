import Clusters
import Costs
import Engines
import Models
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

  init() throws {
    var plan = try Plan.named("deepseek-v3")
    plan.expertLoad = .balanced
    step = try PlannedStep(
      architecture: try .named("deepseek-v3"), cluster: try .named("h800-2048"), plan: plan)
    var simulation = step.simulation
    simulation.keepsSpans = true
    // Stages 5 and 10 lie on one position; both hold four mixture layers.
    stageIndex = 5
    stage = step.input.stages[stageIndex]
    let found = simulation.run().ranks[stageIndex].items.first {
      if case .overlapped = $0.item { true } else { false }
    }
    guard let found else { preconditionFailure("DualPipe has overlapped pairs.") }
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
  /// The traced pair, its compute phases and its exchanges.
  static func tracedPair() throws -> ValidationTable {
    let pair = try DeepSeekV3Pair()
    let measured = try ComponentResiduals.all().filter { $0.name.hasPrefix("V3 trace") }
      .flatMap(\.rows)
    func published(_ row: String) -> Double {
      measured.first { $0.row == row }?.measuredSeconds ?? 0
    }
    let whole = PublishedTable.runs.rows.first { $0["id"] == "dsv3-trace-FB" }
    var rows = [
      ValidationRow(
        "overlapped pair", prediction: pair.seconds * 1e3,
        publication: whole?.number("value") ?? 0, unit: "ms")
    ]
    let phases: [(String, Phase, Bool, Bool)] = [
      ("attn(F)", .attention, true, false), ("mlp(F)", .feedForward, true, false),
      ("attn(B)", .attention, false, false), ("mlp(B)", .feedForward, false, false),
      ("attn(W)", .attention, false, true), ("mlp(W)", .feedForward, false, true),
    ]
    for (name, phase, isForward, isWeight) in phases {
      let seconds = pair.seconds(of: phase, isForward: isForward, isWeight: isWeight)
      rows.append(
        ValidationRow(
          "\(name), four layers", prediction: seconds * 1e3, publication: published(name) * 1e3,
          unit: "ms"))
    }
    let exchanges: [(String, Bool, (TransferKind) -> Bool)] = [
      ("dispatch(F)", true, { if case .dispatch = $0 { true } else { false } }),
      ("combine(F)", true, { if case .combine = $0 { true } else { false } }),
      ("combine(B)", false, { if case .combineBackward = $0 { true } else { false } }),
      ("dispatch(B)", false, { if case .dispatchBackward = $0 { true } else { false } }),
    ]
    for (name, isForward, matches) in exchanges {
      rows.append(
        ValidationRow(
          "\(name) payload, four layers",
          prediction: pair.payload(isForward: isForward, matches) * 1e3,
          publication: published("\(name) payload") * 1e3, unit: "ms"))
    }
    return ValidationTable(
      "v3-traced-pair", title: "One overlapped pair of four-layer stages of DeepSeek-V3",
      source: "DeepSeek profile-data, training trace", basis: .residual,
      fittedTo: "this trace (kernels one by one) and DeepGEMM's and DeepEP's tables",
      assumptions: ["balanced expert load, as in the trace"], rows: rows)
  }
}
