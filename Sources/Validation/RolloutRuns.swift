import Calibration
import Clusters
import Costs
import Documents
import Models
import Plans
import Simulation

// NVIDIA-NeMo/RL docs/about/performance-summary.md: what it leaves open is fixed in docs/validation-choices.md.

extension ValidationTable {
  /// Steps of reinforcement learning, with DeepSeek's online service beside.
  static func reinforcement(_ files: PublishedFiles) throws -> ValidationTable {
    let published = PublishedTable.reinforcement.rows.filter { !$0["step_s"].isEmpty }
    let jobs = try published.map { ($0, try files.cluster("h100-2048").value) }
    let rows = jobs.mapInParallel { row, cluster in Self.step(row, on: cluster) }
    var table = predicted(
      "rl-throughput", title: "Steps of reinforcement learning",
      source: "NVIDIA NeMo RL 0.4; Nature s41586-025-09422-z",
      assumptions: [
        "lengths log-normal with a spread of 0.7, cut at the longest; nothing for schedulers of generation",
        "weights to generators on the same devices as NeMo RL 0.3's authors measured them",
      ],
      rows: rows)
    table.findings = try service(on: files.cluster("h800-2048").value)
    return table
  }

  private static func step(_ row: PublishedRow, on cluster: Cluster) -> ValidationRow {
    let name = "\(row["model"]), \(row["gpus"]) GPUs, \(row["policy"])"
    var compared = ValidationRow(
      name, prediction: nil, publication: row.number("step_s"), unit: "s a step")
    guard row["system"].hasPrefix("NeMo") else {
      compared.note =
        "the layout by which these GPUs trained is not published, and pre-training's takes more sequences "
        + "than an update has"
      compared.isUndescribed = true
      return compared
    }
    do {
      let (planned, description) = try described(row, on: cluster)
      let parts = NemoPhases.completing(
        try planned.report(description).parts, description.placement,
        parameters: planned.architecture.parameterCounts.total)
      compared.prediction = parts.seconds(
        description.placement, stepsBehind: description.stepsBehind)
    } catch {
      compared.note = "\(error)"
    }
    return compared
  }

  /// A row of NeMo RL's table as a step.
  private static func described(
    _ row: PublishedRow, on cluster: Cluster
  ) throws -> (PlannedRollout, RolloutDescription) {
    let devices = row.integer("gpus")
    let isBehind = row["policy"].hasPrefix("1-step")
    let trainers = isBehind ? devices / 2 : devices
    let (tensor, context, expert, pipeline) = degrees(of: row)
    let data = trainers / (tensor * context * pipeline)
    let longest = row.integer("max_len")
    let training = """
      data-parallel: \(data)
      tensor-parallel: \(tensor)
      context-parallel: \(context)
      expert-parallel: \(expert)
      pipeline-parallel: \(pipeline)
      zero-stage: 1
      global-batch: \(data)
      sequence-length: \(longest)
      precision: {base: bf16, gradients: bf16, gradient-reduction: bf16}
      loss: native
      recompute: \(row["model"].hasPrefix("Llama") ? "full" : "none")
      """
    let generator = "tensor-parallel: \(numbers(in: row["gen_layout"])[0])\nprecision: bf16\n"
    let planned = try PlannedRollout(
      architecture: .named(row["model"].lowercased()), cluster: cluster,
      training: .read(
        Document(text: training, name: "training.yaml"), name: "training", world: .unknown),
      generator: .read(
        Document(text: generator, name: "generator.yaml"), name: "generator", world: .unknown,
        serves: true))
    let lengths = LengthDistribution(
      mean: row.number("mean_len"), longest: longest - prompt, spread: 0.7)
    guard let lengths else { throw NotDescribed("no lengths have this mean") }
    let count = row.integer("outputs_per_step")
    // Groups of 32 answers to a question, of which nothing here depends but prompts that are read once.
    var description = RolloutDescription(
      questions: count / 32, answers: 32, prompt: prompt, lengths: lengths,
      placement: isBehind ? .separate(devices: devices / 2) : .colocated)
    description.stepsBehind = isBehind ? 1 : 0
    description.updates = max(1, count / row.integer("train_batch"))
    // vLLM 0.11's defaults: of its synchronous class on these GPUs, and of an asynchronous engine.
    description.places = isBehind ? 128 : 1_024
    description.memoryShare = isBehind ? 0.8 : 0.6
    return (planned, description)
  }

  /// The mean of R1's mathematical questions.
  private static let prompt = 122

  /// Tensor, context, expert and pipeline degrees of `[TP,CP,EP,PP,VPP]=2,1,8,1,n/a`.
  ///
  /// The Llama's row has two numbers more than its head has names; its recipe says which is the pipeline.
  private static func degrees(of row: PublishedRow) -> (Int, Int, Int, Int) {
    let numbers = numbers(in: row["train_layout"])
    return (numbers[0], numbers[1], numbers[2], numbers[numbers.count == 4 ? 3 : 5])
  }

  /// `[TP,PP]=4,1`: the numbers behind the last sign.
  private static func numbers(in layout: String) -> [Int] {
    let text = layout.split(separator: "=").last ?? ""
    return text.split(separator: ",").compactMap { Int($0) }
  }

  /// The unit of DeepSeek's online service at several batches, beside what it published.
  private static func service(on cluster: Cluster) throws -> [String] {
    let planned = try PlannedInference(
      architecture: .named("deepseek-v3"), cluster: cluster, plan: .named("deepseek-v3-decode"))
    var findings = [
      "service, published: 14.8K decoded tokens a second and node, 20 to 22 a sequence, at 4,989 positions; its "
        + "batch is not"
    ]
    for batch in [32, 64, 96, 128, 192] {
      for acceptance in [nil, 0.85] {
        let report = try planned.report(
          InferenceRequest(.decode(context: 4_989), batch: batch, acceptance: acceptance))
        let node = report.tokensPerSecondPerDevice * Double(cluster.node.devices.value)
        findings.append(
          "service, batch \(batch)\(acceptance == nil ? "" : ", module at 0.85"): "
            + "\(Int(node.rounded())) tokens a second and node, "
            + "\(Int(report.tokensPerSecondPerSequence.rounded())) a sequence")
      }
    }
    let reading = try PlannedInference(
      architecture: .named("deepseek-v3"), cluster: cluster, plan: .named("deepseek-v3-prefill"))
    let report = try reading.report(InferenceRequest(.prefill(length: 4_096), batch: 4))
    let node = report.tokensPerSecondPerDevice * Double(cluster.node.devices.value)
    findings.append(
      "service, prefill: 73.7K tokens a second and node with cache hits (56 %) published, "
        + "\(Int(node.rounded())) without any at 4 sequences of 4,096")
    return findings
  }

  /// DeepEP's own measurements of its kernels for few tokens.
  static func lowLatencyExchanges(_ files: PublishedFiles) throws -> ValidationTable {
    let constants = try LowLatencyConstants(files.cluster("h800-2048").value)
    let published = ComponentTable(PackageResources.deepep_csv).rows.filter {
      $0.text("version") == "v1-ll-nvlink" && $0.text("mode") == "low_latency"
    }
    let rows = published.map { row in
      let ranks = Int(row.text("ep")) ?? 1
      let isDispatch = row.text("op") == "dispatch"
      // 7,168 columns in FP8 with scales of blocks and numbers of experts, or in BF16.
      let seconds = constants.map {
        LowLatencyExchangeCost($0).cost(
          rows: 128 * 8, rowBytes: isDispatch ? 7_456 : 14_336, ranks: ranks, ranksPerNode: 8
        ).seconds
      }
      return ValidationRow(
        "\(isDispatch ? "dispatch" : "combine") over \(ranks) ranks",
        prediction: seconds.map { $0 * 1e6 },
        publication: Double(row.text("latency_us")) ?? 0, unit: "us")
    }
    var table = ValidationTable(
      "low-latency-exchanges", title: "Exchanges of 128 tokens a rank on H800s",
      source: "DeepEP README of 5 June 2025", basis: .chosenAfter,
      fittedTo: "aiconfigurator-core 0.12.0: the same kernels on H100s", rows: rows)
    table.recordedChoices = [
      "the formula's form was written by those who had seen these rows; its four constants are fitted to others"
    ]
    return table
  }
}
