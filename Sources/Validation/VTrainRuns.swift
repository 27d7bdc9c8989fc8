import Clusters
import Models
import Plans
import Simulation

extension ValidationTable {
  private static let vTrainAssumptions = [
    "dropout, attention as two batched products and an unfused loss, as Megatron-DeepSpeed had them",
    "50,257 tokens padded to a multiple of 128 times the tensor-parallel degree, as Megatron does",
    "the host's time for a kernel as arXiv 2201.07821 measured it, on another host",
  ]

  /// The multi-node steps of vTrain, on up to 512 A100s.
  static func vTrainMultiNode() throws -> ValidationTable {
    ValidationTable(
      "vtrain-multi-node", title: "Megatron-DeepSpeed steps on 64 to 512 A100s",
      source: "VIA-Research/vTrain data/ground_truth_multi.csv", basis: .predicted,
      fittedTo: a100Constants, assumptions: vTrainAssumptions,
      rows: try rows(of: PublishedTable.vTrainNodes))
  }

  /// The single-node steps of vTrain, on up to 8 A100s.
  static func vTrainSingleNode() throws -> ValidationTable {
    ValidationTable(
      "vtrain-single-node", title: "Megatron-DeepSpeed steps on 1 to 8 A100s",
      source: "VIA-Research/vTrain data/ground_truth_single.csv", basis: .predicted,
      fittedTo: a100Constants, assumptions: vTrainAssumptions,
      rows: try rows(of: PublishedTable.vTrainNode))
  }

  /// How well the predicted order of a model's runs follows the measured one, model by model.
  static func rankCorrelations(of tables: [ValidationTable]) -> ValidationTable {
    var rows: [ValidationRow] = []
    for table in tables {
      var models: [String] = []
      for row in table.rows where !models.contains(row.model) { models.append(row.model) }
      for model in models {
        let runs = table.rows.filter { $0.model == model && $0.prediction != nil }
        guard runs.count > 2 else { continue }
        let correlation = RankCorrelation(
          runs.compactMap(\.prediction), runs.map(\.publication))
        rows.append(
          ValidationRow(
            "\(model), \(runs.count) runs", prediction: correlation.coefficient, publication: 1,
            unit: "Spearman's coefficient"))
      }
    }
    return ValidationTable(
      "vtrain-rank-correlation", title: "Order of the steps of each model, predicted and measured",
      source: "VIA-Research/vTrain data/ground_truth_*.csv", basis: .predicted,
      fittedTo: a100Constants, assumptions: vTrainAssumptions, rows: rows)
  }

  private static func rows(of table: PublishedTable) throws -> [ValidationRow] {
    let cluster = Cluster.published("a100-vtrain-512")
    return try table.rows.map {
      (try PublishedRun(vTrain: $0, on: cluster), $0.number("measured") * 1e-3)
    }
    .mapInParallel { run, seconds in run.row(seconds, unit: "s") { $0.stepSeconds } }
  }
}

extension PublishedRun {
  /// A run of the plan that ships for the 3.6B model, with the degrees and the batch of a published row.
  init(vTrain row: PublishedRow, on cluster: Cluster) throws {
    let tensor = row.integer("tp")
    var overrides = ["tensor-parallel=\(tensor)", "scatter-pipeline-sends=\(tensor > 1)"]
    for (key, column) in [
      ("data-parallel", "dp"), ("pipeline-parallel", "pp"), ("microbatch-size", "micro_batch"),
      ("global-batch", "global_batch"), ("sequence-length", "seq"),
    ] { overrides.append("\(key)=\(row.integer(column))") }
    let plan = try Plan.named("vtrain-3.6b", overrides: overrides)
    self.init(
      name: "\(row["model"]) tp\(tensor) pp\(plan.pipelineParallel) dp\(plan.dataParallel) "
        + "mbs\(plan.microbatchSize) gbs\(plan.globalBatch)",
      architecture: .gpt(
        model: row["model"], positions: plan.sequenceLength, tensorParallel: tensor),
      cluster: cluster, plan: plan)
  }
}

extension Architecture {
  /// The GPT model that a published row names by its sizes: `GPT 3.6B h3072 a32 L30`.
  static func gpt(model: String, positions: Int, tensorParallel: Int) -> Architecture {
    func size(_ letter: Character) -> Int {
      let part = model.split(separator: " ").first { $0.first == letter && $0.count > 1 }
      guard let part, let value = Int(String(part.dropFirst())) else {
        preconditionFailure("A published model lacks its size \(letter).")
      }
      return value
    }
    return .gpt(
      name: model, hidden: size("h"), layers: size("L"), heads: size("a"),
      vocabulary: paddedVocabulary(tensorParallel: tensorParallel), positions: positions)
  }

  /// GPT-2's vocabulary as Megatron pads it: to a multiple of 128 on every tensor rank.
  static func paddedVocabulary(tensorParallel: Int) -> Int {
    let multiple = 128 * tensorParallel
    return (50_257 + multiple - 1) / multiple * multiple
  }
}

extension ValidationRow {
  /// The model of a vTrain row: the name without its plan.
  fileprivate var model: String { name.split(separator: " ").prefix(5).joined(separator: " ") }
}
