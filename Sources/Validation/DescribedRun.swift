import Simulation

/// Why a published run has no prediction yet: what about it no key describes.
///
/// Such a run is listed with its reason, never priced with something near.
package struct NotDescribed: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String

  package init(_ reason: String) { description = "not described yet: \(reason)" }
}

/// A published row with the run that it is of, or the reason why that cannot be described.
package struct DescribedRun: Sendable {
  package var row: PublishedRow
  package var name: String
  package var run: Result<PublishedRun, NotDescribed>

  /// - Parameter describe: the run of the row; all that a publication leaves open is decided in there.
  init(
    _ row: PublishedRow, name: String,
    _ describe: (PublishedRow) throws(NotDescribed) -> PublishedRun
  ) {
    self.row = row
    self.name = name
    do throws(NotDescribed) {
      var described = try describe(row)
      described.name = name
      run = .success(described)
    } catch {
      run = .failure(error)
    }
  }
}

/// A published row with its run simulated, as far as it can be described.
struct ComparedRun: Sendable {
  var row: PublishedRow
  var name: String
  var simulated: Result<SimulatedRun, NotDescribed>
  /// What of the run its price leaves out.
  var leftOut: [String] = []

  /// Simulates what can be described, on all cores; the order is that of the rows.
  static func simulate(
    _ runs: [DescribedRun], from files: PublishedFiles
  ) throws -> [ComparedRun] {
    var simulated = try SimulatedRun.simulate(
      runs.compactMap { try? $0.run.get() }, from: files)[...]
    return runs.map { run in
      ComparedRun(
        row: run.row, name: run.name,
        simulated: run.run.flatMap { _ in
          simulated.popFirst().map { .success($0) }
            ?? .failure(NotDescribed("it was not simulated"))
        }, leftOut: (try? run.run.get().leftOut) ?? [])
    }
  }

  /// A row that compares one figure of the step with the published one.
  func comparison(
    _ publication: Double, unit: String, _ figure: (StepReport) -> Double
  ) -> ValidationRow {
    switch simulated {
    case .success(let run):
      var compared = run.row(name, publication, unit: unit, figure)
      if compared.note == nil, !leftOut.isEmpty {
        compared.note = "priced without \(leftOut.joined(separator: ", "))"
      }
      return compared
    case .failure(let reason):
      var missing = ValidationRow(
        name, prediction: nil, publication: publication, unit: unit, note: "\(reason)")
      missing.isUndescribed = true
      return missing
    }
  }
}

/// The published words for a precision in a plan's.
enum PublishedPrecision {
  /// The value of the plan's key `precision`.
  static func recipe(_ published: String) throws(NotDescribed) -> String {
    switch published.lowercased().prefix(while: { $0 != " " && $0 != "," }) {
    case "bf16", "amp_bf16": return "bf16"
    case "fp16": return "float16"
    // Transformer Engine's.
    case "fp8", "amp_fp8": return "fp8-tensor"
    // torchao's: scales of the tensors' own, inputs kept in 16 bits and cast again.
    case "float8" where published.contains("rowwise"): throw NotDescribed("FP8 with a scale a row")
    case "float8":
      return
        "{base: fp8-tensor, fp8-scaling: current, kept-linear-inputs: bf16, tensor-gather: bf16}"
    case "mxfp8", "mxfp8_cublas", "mxfp8_cublas_rceil": return "mxfp8"
    case "nvfp4": throw NotDescribed("NVFP4")
    default: throw NotDescribed("precision '\(published)'")
    }
  }
}

/// The degrees and the batch of a run, as overrides of any plan.
struct RunDegrees {
  var data = 1
  var tensor = 1
  var pipeline = 1
  var context = 1
  var expert = 1
  var expertTensor: Int?
  var stagesPerRank = 1
  var microbatch = 1
  var globalBatch: Int
  var length: Int

  var ranks: Int { data * tensor * pipeline * context }

  /// Each `key=value`; what does not apply is left out of the plan.
  var overrides: [String] {
    let values = [
      ("data-parallel", data), ("tensor-parallel", tensor), ("pipeline-parallel", pipeline),
      ("context-parallel", context), ("expert-parallel", expert),
      ("stages-per-rank", stagesPerRank), ("microbatch-size", microbatch),
      ("global-batch", globalBatch), ("sequence-length", length),
    ]
    return values.map { "\($0)=\($1)" } + [
      "schedule=\(stagesPerRank > 1 ? "interleaved-1f1b" : "1f1b")"
    ] + (expertTensor.map { ["expert-tensor-parallel=\($0)"] } ?? [])
  }
}

extension PublishedRun {
  /// A run on 700 W H100s or on another cluster, on as many nodes of eight as its ranks take.
  init(
    on degrees: RunDegrees, model: String, modelOverrides: [String] = [],
    cluster: String = "h100-2048", plan: String, _ others: [String]
  ) {
    self.init(
      name: model, model: model, modelOverrides: modelOverrides, cluster: cluster,
      clusterOverrides: (degrees.ranks > 2_048 ? [Self.threeLayers] : [])
        + ["nodes=\(max(1, degrees.ranks / 8))"],
      plan: plan, planOverrides: degrees.overrides + others)
  }

  /// More than two layers of 64 ports join: a third of the same switches, with the latency that
  /// `a100-selene` assumes for one.
  private static let threeLayers =
    "network={name: InfiniBand NDR, planes: 1, attachment: rail, "
    + "layers: [{radix: 64, oversubscription: 1}, {radix: 64, oversubscription: 1}, {radix: 64}], "
    + "latency: {same-leaf: 2.8 us, cross-leaf: 3.7 us, cross-pod: 4.6 us}}"

  /// Overlap of gradient reductions and parameter gathers as Megatron-Core's flags have it
  /// (`--overlap-grad-reduce --overlap-param-gather`): the first is what a plan does where it says nothing.
  static func overlappedData(_ degrees: RunDegrees) -> [String] {
    degrees.data * degrees.context > 1 ? ["overlap.parameter-gather=true"] : []
  }

  /// Transformer Engine's default: keys and values go round (`cp_comm_type` p2p).
  static func ringOfKeysAndValues(_ degrees: RunDegrees) -> [String] {
    degrees.context > 1 ? ["context-exchange=ring"] : []
  }
}

extension ValidationTable {
  /// What is fitted behind predictions on H100s.
  static let h100Constants =
    "DeepGEMM's and DeepEP's tables, the published V3 trace kernel by kernel, NCCL's collectives on H100s, data "
    + "sheets; nothing end-to-end"

  /// A table of rows that nobody looked at when what they leave open was fixed.
  static func predicted(
    _ name: String, title: String, source: String, fittedTo: String = h100Constants,
    assumptions: [String], rows: [ValidationRow]
  ) -> ValidationTable {
    ValidationTable(
      name, title: title, source: source, basis: .predicted, fittedTo: fittedTo,
      assumptions: assumptions + [
        "what is left open: docs/validation-choices.md, before the first look"
      ],
      rows: rows)
  }

  /// An axis whose places stand in a column, with the other columns that a series shares.
  static func axis(
    _ name: String, of runs: [ComparedRun], in column: String, sharing columns: [String]
  ) -> ValidationAxis {
    ValidationAxis(
      name, places: runs.map { Double($0.row[column]) },
      series: runs.map { run in columns.map { run.row[$0] }.joined(separator: "|") })
  }
}
