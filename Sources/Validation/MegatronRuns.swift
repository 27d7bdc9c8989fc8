import Models
import Plans
import Simulation

extension ValidationTable {
  /// The constants behind every prediction on an A100.
  static let a100Constants =
    "A100 PCIe products and attention (SimuMax), one 22B layer (arXiv 2205.05198 table 4), "
    + "77 NCCL all-reduces (vTrain); streaming kernels as on the H800"

  private static let megatronAssumptions = [
    "attention as two batched products with dropout, as before FlashAttention",
    "the loss over the split vocabulary operator by operator, as in Megatron's source",
  ]

  /// The eight steps of arXiv 2205.05198 table 5; the clock was fitted to layers of the first two.
  static func megatronTable5(_ files: PublishedFiles) throws -> [ValidationTable] {
    var seen: [String] = []
    var measured: [Double] = []
    // A row for every peer that predicted the same step.
    for row in PublishedTable.megatron.rows {
      let size = row["model"].split(separator: " ")[1].lowercased()
      let name = "megatron-\(size)-\(row["recompute"] == "full" ? "full" : "selective")"
      guard !seen.contains(name) else { continue }
      seen.append(name)
      measured.append(row.number("measured"))
    }
    let variants = Choices.a100 + [Choices.clock]
    let runs = try SimulatedRun.simulate(
      seen.map { name in
        let model = name.split(separator: "-").prefix(2).joined(separator: "-")
        return PublishedRun(name: name, model: model, cluster: "a100-selene", plan: name)
      }, variants: variants, from: files)
    let rows = zip(runs, measured).map { run, seconds in
      run.row(nil, seconds, unit: "s") { $0.stepSeconds }
    }
    let isFitted = { (row: ValidationRow) in row.name.hasPrefix("megatron-22b") }
    func table(_ name: String, _ title: String, _ basis: ValidationTable.Basis, _ fitted: Bool)
      -> ValidationTable
    {
      var table = ValidationTable(
        name, title: title, source: "arXiv 2205.05198 table 5", basis: basis,
        fittedTo: a100Constants, assumptions: megatronAssumptions,
        rows: rows.filter { isFitted($0) == fitted })
      table.columns = variants.map(\.column)
      table.recordedChoices = [Choices.recordedLaunches]
      return table
    }
    return [
      table("megatron-table-5", "Megatron steps on 64 to 512 A100s", .chosenAfter, false),
      table(
        "megatron-22b-steps",
        "Megatron steps of 22B on 8 A100s, whose layers the clock is fitted to",
        .residual, true),
    ]
  }

  /// The weak scaling of arXiv 2104.04473 table 1: FLOPs of the paper's own formula, which counts
  /// recomputation and attention in full.
  static func megatronWeakScaling(_ files: PublishedFiles) throws -> ValidationTable {
    let published = PublishedTable.runs.rows.filter {
      $0["id"].hasPrefix("megatron-sc21-") && $0["quantity"] == "tflops_per_gpu"
    }
    let runs = try SimulatedRun.simulate(
      published.map { row in
        let name = row["id"].lowercased()
        let size = name.split(separator: "-")[2]
        return PublishedRun(
          name: name, model: "megatron-\(size)", cluster: "a100-selene", plan: name)
      }, variants: Choices.a100, from: files)
    var table = ValidationTable(
      "megatron-weak-scaling", title: "Megatron weak scaling on 32 to 3,072 A100s",
      source: "arXiv 2104.04473 table 1", basis: .chosenAfter, fittedTo: a100Constants,
      assumptions: megatronAssumptions,
      rows: zip(runs, published).map { run, row in
        run.row(nil, row.number("value"), unit: "TFLOPS per GPU") { report in
          run.run.hardwareFLOPs / report.stepSeconds / Double(report.ranks) / 1e12
        }
      })
    table.columns = Choices.a100.map(\.column)
    table.recordedChoices = [Choices.recordedLaunches]
    table.axes = [
      ValidationAxis(
        "ranks", places: runs.map { Double($0.run.plan.worldSize) }, series: runs.map { _ in "" })
    ]
    return table
  }
}

extension PlannedRun {
  /// FLOPs of a step with full recomputation: 96 B s l h² (1 + s/6h + V/16lh), equation 3 of
  /// arXiv 2104.04473.
  var hardwareFLOPs: Double {
    let (hidden, layers) = (Double(architecture.hiddenSize), Double(architecture.layerCount))
    let length = Double(plan.sequenceLength)
    let vocabulary = Double(architecture.vocabularySize)
    return 96 * Double(plan.globalBatch) * length * layers * hidden * hidden
      * (1 + length / (6 * hidden) + vocabulary / (16 * layers * hidden))
  }
}
