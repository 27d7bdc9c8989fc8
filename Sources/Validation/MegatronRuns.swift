import Clusters
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

  /// The eight steps of arXiv 2205.05198 table 5.
  static func megatronTable5() throws -> ValidationTable {
    let cluster = Cluster.published("a100-selene")
    var seen: [String] = []
    var runs: [(PublishedRun, Double)] = []
    for row in PublishedTable.megatron.rows {
      let size = row["model"].split(separator: " ")[1].lowercased()
      let kind = row["recompute"] == "full" ? "full" : "selective"
      let name = "megatron-\(size)-\(kind)"
      guard !seen.contains(name) else { continue }
      seen.append(name)
      let run = PublishedRun(
        name: name, architecture: try .named("megatron-\(size)"), cluster: cluster,
        plan: try .named(name))
      runs.append((run, row.number("measured")))
    }
    return ValidationTable(
      "megatron-table-5", title: "Megatron steps on 8 to 512 A100s",
      source: "arXiv 2205.05198 table 5", basis: .predicted, fittedTo: a100Constants,
      assumptions: megatronAssumptions,
      rows: runs.mapInParallel { $0.0.row($0.1, unit: "s") { $0.stepSeconds } })
  }

  /// The weak scaling of arXiv 2104.04473 table 1: FLOPs of the paper's own formula, which counts
  /// recomputation and attention in full.
  static func megatronWeakScaling() throws -> ValidationTable {
    let cluster = Cluster.published("a100-selene")
    let published = PublishedTable.runs.rows.filter {
      $0["id"].hasPrefix("megatron-sc21-") && $0["quantity"] == "tflops_per_gpu"
    }
    let runs = try published.map { row in
      let name = row["id"].lowercased()
      let size = String(name.split(separator: "-")[2])
      return (
        PublishedRun(
          name: name, architecture: try .named("megatron-\(size)"), cluster: cluster,
          plan: try .named(name)), row.number("value")
      )
    }
    return ValidationTable(
      "megatron-weak-scaling", title: "Megatron weak scaling on 32 to 3,072 A100s",
      source: "arXiv 2104.04473 table 1", basis: .predicted, fittedTo: a100Constants,
      assumptions: megatronAssumptions,
      rows: runs.mapInParallel { run, rate in
        run.row(rate, unit: "TFLOPS per GPU") { report in
          run.hardwareFLOPs / report.stepSeconds / Double(run.plan.worldSize) / 1e12
        }
      })
  }
}

extension PublishedRun {
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
