import Simulation

extension ValidationTable {
  private static let vTrainAssumptions = [
    "dropout, attention as two batched products and an unfused loss, as Megatron-DeepSpeed had them",
    "50,257 tokens padded to a multiple of 128 times the tensor-parallel degree, as Megatron does",
    "the host's time for a kernel as arXiv 2201.07821 measured it, on another host",
  ]

  /// The multi-node steps of vTrain, on up to 512 A100s.
  static func vTrainMultiNode(_ files: PublishedFiles) throws -> ValidationTable {
    try table(
      "vtrain-multi-node", "Megatron-DeepSpeed steps on 64 to 512 A100s", "ground_truth_multi.csv",
      of: PublishedTable.vTrainNodes, from: files)
  }

  /// The single-node steps of vTrain, on up to 8 A100s.
  static func vTrainSingleNode(_ files: PublishedFiles) throws -> ValidationTable {
    try table(
      "vtrain-single-node", "Megatron-DeepSpeed steps on 1 to 8 A100s", "ground_truth_single.csv",
      of: PublishedTable.vTrainNode, from: files)
  }

  private static func table(
    _ name: String, _ title: String, _ file: String, of published: PublishedTable,
    from files: PublishedFiles
  ) throws -> ValidationTable {
    let runs = try SimulatedRun.simulate(
      published.rows.map(PublishedRun.init(vTrain:)), variants: Choices.a100, from: files)
    var table = ValidationTable(
      name, title: title, source: "VIA-Research/vTrain data/\(file)", basis: .chosenAfter,
      fittedTo: a100Constants, assumptions: vTrainAssumptions,
      rows: zip(runs, published.rows).map { run, row in
        run.row(nil, row.number("measured") * 1e-3, unit: "s") { $0.stepSeconds }
      })
    table.columns = Choices.a100.map(\.column)
    table.recordedChoices = [Choices.recordedLaunches]
    table.axes = [
      ValidationAxis(
        "ranks", places: runs.map { Double($0.run.plan.worldSize) },
        series: published.rows.map { $0["model"] })
    ]
    return table
  }
}

extension PublishedRun {
  /// A run of the plan and the model that ship for 3.6B, with the sizes, the degrees and the batch of a
  /// published row.
  init(vTrain row: PublishedRow) {
    let tensor = row.integer("tp")
    let scatters = tensor > 1 && row.integer("pp") > 1
    planOverrides = ["tensor-parallel=\(tensor)", "scatter-pipeline-sends=\(scatters)"]
    for (key, column) in [
      ("data-parallel", "dp"), ("pipeline-parallel", "pp"), ("microbatch-size", "micro_batch"),
      ("global-batch", "global_batch"), ("sequence-length", "seq"),
    ] { planOverrides.append("\(key)=\(row.integer(column))") }
    // `GPT 3.6B h3072 a32 L30`.
    func size(_ letter: Character) -> Int {
      let part = row["model"].split(separator: " ").first { $0.first == letter && $0.count > 1 }
      guard let part, let value = Int(String(part.dropFirst())) else {
        preconditionFailure("A published model lacks its size \(letter).")
      }
      return value
    }
    modelOverrides = [
      "n_embd=\(size("h"))", "n_layer=\(size("L"))", "n_head=\(size("a"))",
      "n_positions=\(row.integer("seq"))",
      "vocab_size=\(Self.paddedVocabulary(tensorParallel: tensor))",
    ]
    name =
      "\(row["model"]) tp\(tensor) pp\(row.integer("pp")) dp\(row.integer("dp")) "
      + "mbs\(row.integer("micro_batch")) gbs\(row.integer("global_batch"))"
    (model, cluster, plan) = ("megatron-3.6b", "a100-vtrain-512", "vtrain-3.6b")
  }

  /// GPT-2's vocabulary as Megatron pads it: to a multiple of 128 on every tensor rank.
  private static func paddedVocabulary(tensorParallel: Int) -> Int {
    let multiple = 128 * tensorParallel
    return (50_257 + multiple - 1) / multiple * multiple
  }
}
