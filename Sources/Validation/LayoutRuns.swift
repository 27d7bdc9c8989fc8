import Simulation

// nanotron's sweep over layouts of 1 Mi tokens a step on Amazon's p5 nodes (scripts/scaling_benchmarks.py,
// examples/config_tiny_llama_bench.yaml at 67c5ebb6, trainer and accumulators of that repository): 1F1B, no
// recomputation, gradients added in 32 bits and reduced by DDP's buckets of 25 MiB beside the last backward, ZeRO-0 or
// 1 with gathers behind the update, tensor exchanges of sequence-parallel maps beside a product, sends that are waited
// for, loss over 32-bit logits, FlashAttention 2, norms and rotation as one kernel each, eager otherwise.

extension DescribedRun {
  /// The run of each row of a file.
  static func layouts(_ measured: MeasuredLayouts) -> [DescribedRun] {
    measured.rows.map { row in
      let name =
        "\(row["model"]) \(row["gpus"]) GPUs, tp \(row["tp"]), pp \(row["pp"]), dp \(row["dp"]), "
        + "\(row["fsdp_zero"]), \(row["microbatch"]) x \(row["grad_accum"])"
      return DescribedRun(row, name: name, layoutRun)
    }
  }

  private static func layoutRun(_ row: PublishedRow) throws(NotDescribed) -> PublishedRun {
    guard let model = LayoutModel(rawValue: row["model"]) else {
      throw NotDescribed("the model \(row["model"])")
    }
    let (tensor, pipeline) = (row.integer("tp"), row.integer("pp"))
    let (data, microbatch) = (row.integer("dp"), row.integer("microbatch"))
    let degrees = RunDegrees(
      data: data, tensor: tensor, pipeline: pipeline, microbatch: microbatch,
      globalBatch: data * microbatch * row.integer("grad_accum"), length: 4_096)
    guard let layers = model.layersPerStage(pipeline) else {
      throw NotDescribed("the last stages have neither a layer nor the head")
    }
    var run = PublishedRun(
      on: degrees, model: "llama-3.2-3b", modelOverrides: model.overrides, cluster: "aws-p5",
      plan: "llm-foundry-mpt-7b",
      ["framework=nanotron", "loss=native", "attention-library=flash-2"]
        + (data > 1
          ? ["zero-stage=\(row["fsdp_zero"].dropFirst(4))", "gradient-bucket=13107200"]
          : ["zero-stage=0"])
        + (pipeline > 1 ? ["layers-per-stage=\(layers)", "overlap.pipeline-sends=false"] : [])
        + (tensor > 1 ? ["overlap.tensor-exchange=bulk"] : []))
    run.clusterOverrides.append(eagerHost)
    run.replaysAllocator = true
    return run
  }

  /// A kernel of a layer that eager PyTorch issues (`device.launch.eager` of `h100-2048`).
  private static let eagerHost = "device.launch.host=21 us"
}

extension ValidationTable {
  private static let layoutSource =
    "a file of one's own; nanotron's sweep on Amazon's p5 (Ultra-Scale Playbook) has this form"

  /// Throughput and memory of layouts that went through, and whether those that failed are said to.
  static func layouts(_ runs: [ComparedRun]) -> [ValidationTable] {
    func table(
      _ name: String, _ title: String, _ own: [ComparedRun], _ row: (ComparedRun) -> ValidationRow
    ) -> ValidationTable {
      var table = predicted(
        name, title: title, source: layoutSource,
        fittedTo: "\(h100Constants); on EFA: collectives of 1 to 64 nodes",
        assumptions: ["a run that failed crashed or ran out of memory: one label for both"],
        rows: own.map(row))
      let shared = ["model", "tp", "pp", "microbatch", "fsdp_zero"]
      table.axes = [
        axis("ranks", of: own, in: "gpus", sharing: shared),
        axis("tensor ranks", of: own, in: "tp", sharing: ["model", "gpus", "pp", "microbatch"]),
        axis("pipeline ranks", of: own, in: "pp", sharing: ["model", "gpus", "tp", "microbatch"]),
        axis("microbatch", of: own, in: "microbatch", sharing: ["model", "gpus", "tp", "pp"]),
      ]
      return table
    }
    func fails(_ run: ComparedRun, _ published: Double) -> ValidationRow {
      var row = run.comparison(published, unit: "fails") { $0.fits ? 0 : 1 }
      row.measure = .points
      return row
    }
    let (finished, failed) = (runs.filter(\.isFinished), runs.filter { !$0.isFinished })
    return [
      table("layouts", "Tokens of layouts that went through", finished) {
        $0.comparison($0.row.number("value"), unit: "tokens/s/GPU") { $0.tokensPerSecondPerGPU }
      },
      table(
        "layouts-memory", "Peak memory of layouts that went through",
        finished.filter { !$0.row["peak_memory_gib"].isEmpty }
      ) {
        $0.comparison($0.row.number("peak_memory_gib"), unit: "GiB") {
          Double($0.memory.reservation?.reserved ?? $0.memory.peak) / 1_073_741_824
        }
      },
      table("layouts-failed", "Layouts that failed: whether they are said to", failed) {
        fails($0, 1)
      },
      table("layouts-fit", "Layouts that went through: whether they are said to", finished) {
        fails($0, 0)
      },
    ].filter { !$0.rows.isEmpty }
  }
}

extension ChoiceTable {
  /// A cell is a model on so many GPUs with one batch; its first choice is the fastest of those that are predicted to fit.
  init(layouts runs: [ComparedRun], of table: ValidationTable) {
    (name, title) = ("layouts-choices", "The layout that is chosen")
    (source, basis) = (table.source, table.basis)
    var names: [String] = []
    var cells: [String: LayoutSweep] = [:]
    for run in runs {
      guard case .success(let simulated) = run.simulated, case .success(let step) = simulated.report
      else { continue }
      let batch =
        run.row.integer("dp") * run.row.integer("microbatch") * run.row.integer("grad_accum")
      let name = "\(run.row["model"]), \(run.row["gpus"]) GPUs, \(batch) sequences a step"
      if !names.contains(name) { names.append(name) }
      var cell = cells[name] ?? LayoutSweep(predictions: [], measurements: [], isRate: true)
      if run.isFinished {
        cell.predictions.append(step.tokensPerSecondPerGPU)
        cell.measurements.append(run.row.number("value"))
        cell.isRefused.append(!step.fits)
      } else if step.fits {
        cell.failures.append(step.tokensPerSecondPerGPU)
      }
      cells[name] = cell
    }
    rows = names.compactMap { name in
      guard let cell = cells[name], cell.predictions.count > 1 else { return nil }
      return Row(name, [cell])
    }
  }
}

extension ComparedRun {
  fileprivate var isFinished: Bool { row["status"] == "ok" }
}

extension Validation {
  /// The tables of a file of measured layouts.
  static func layouts(_ files: PublishedFiles) throws -> Figures {
    let runs = try ComparedRun.simulate(DescribedRun.layouts(files.measuredLayouts()), from: files)
    let tables = ValidationTable.layouts(runs)
    return Figures(
      tables: tables, choices: tables.prefix(1).map { ChoiceTable(layouts: runs, of: $0) })
  }
}
