import Simulation

// MooreThreads/SimuMax docs/b200: Megatron with the distributed optimizer, 32-bit gradients, no recomputation, fused
// attention, fused loss ("cef"), sequence parallel, NCCL's all-to-all.

extension DescribedRun {
  /// SimuMax's runs on 8 B200s.
  package static var memoryB200: [DescribedRun] {
    PublishedTable.memoryB200.rows.map { row in
      let name = row["notes"].split(separator: ";").first.map(String.init) ?? row["model"]
      return DescribedRun(row, name: name) { row throws(NotDescribed) in
        let degrees = RunDegrees(
          data: row.integer("dp"), tensor: row.integer("tp"), pipeline: row.integer("pp"),
          context: row.integer("cp"), expert: row.integer("ep"),
          microbatch: row.integer("micro_batch"), globalBatch: row.integer("global_batch"),
          length: row.integer("seq"))
        let isMixture = row["model"].hasPrefix("deepseekv2")
        return PublishedRun(
          name: "", model: isMixture ? "deepseek-v2" : "llama-3.1-405b",
          modelOverrides: ["num_hidden_layers=4"], cluster: "b200-256",
          clusterOverrides: ["nodes=1"], plan: "nemo-gpt-3-175b",
          planOverrides: degrees.overrides + [
            "precision=\(try PublishedPrecision.recipe(row["precision"]))", "fused-loss=true",
            "dropout=false", "loss-average=null", "overlap.tensor-exchange=null",
            "dispatcher=\(isMixture ? "all-to-all" : "null")", "framework=megatron-lm",
          ])
      }
    }
  }
}

extension ValidationTable {
  /// Peak memory of published runs.
  static func memory(_ files: PublishedFiles) throws -> [ValidationTable] {
    let runs = try ComparedRun.simulate(DescribedRun.memoryB200, from: files)
    var table = predicted(
      "memory-b200", title: "Peak memory of four layers of large models on 8 B200s",
      source: "MooreThreads/SimuMax docs/b200 4dcaae5", fittedTo: "nothing: counted",
      assumptions: ["live bytes against what the allocator gave out, on the fullest rank"],
      rows: runs.map { run in
        run.comparison(run.row.number("measured"), unit: "GiB") {
          Double($0.memory.peak) / 1_073_741_824
        }
      })
    table.axes = [
      axis("length", of: runs, in: "seq", sharing: ["model", "tp", "cp"]),
      axis("tensor ranks", of: runs, in: "tp", sharing: ["model", "pp", "cp", "seq"]),
      axis(
        "sequences in a step", of: runs, in: "global_batch", sharing: ["model", "tp", "pp", "seq"]),
    ]
    return [table, try megatronTests(files)]
  }
}
