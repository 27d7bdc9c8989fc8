import Documents
import Models
import Plans

/// Megatron-LM's options as a plan: what they say, and what its defaults decide.
struct MegatronJob {
  let given: GivenOptions
  let settings: ImportSettings
  var launcher = "Megatron-LM"
  var name: String
  /// The model where it is named and not described.
  var knownModel: (text: String, facts: ModelFacts)?
  var plan = PlanText()
  // Degrees and sizes, once they are read.
  var (tensor, pipeline, context, data) = (1, 1, 1, 1)
  var (expert, expertTensor) = (1, 1)
  var stagesPerRank = 1
  var zero = 0
  var microbatch = 1
  var globalBatch = 1
  var isFused = true
  /// Entries of `overlap`.
  var overlap: [(String, String)] = []

  init(_ given: GivenOptions, _ settings: ImportSettings, name: String) {
    (self.given, self.settings, self.name) = (given, settings, name)
  }

  /// The model and the plan.
  ///
  /// - Throws: `ConfigurationError` where an option cannot be read, two contradict each other, or what they
  ///   ask for has no description.
  mutating func read() throws(ConfigurationError) -> ImportedJob {
    try MegatronProgram.check(given)
    tensor = try degree("tensor-model-parallel-size", "tensor-parallel")
    let model: String
    let facts: ModelFacts
    if let knownModel {
      (model, facts) = knownModel
    } else {
      let description = try MegatronModel(given: given, settings: settings, tensor: tensor)
        .read(name: name)
      (model, facts) = (description.config.json, ModelFacts(description))
    }
    plan.heading = [
      "Imported from \(launcher) by sluice \(Version.current): what each option became, sluice import says."
    ]
    plan.add("name", text: name)
    try readDegrees(facts)
    try readSharding()
    try readBatch()
    try readStages(facts)
    try readPrecision()
    try readRecomputation(facts)
    try readKernels()
    try readExchanges(facts)
    try readOverlap()
    try readMemory(facts)
    explainTheRest()
    plan.add("overlap", table: overlap)
    return ImportedJob(
      launcher: launcher, name: name, model: model, plan: plan.yaml,
      ranks: data * tensor * context * pipeline, options: given.explanations)
  }

  // MARK: - Degrees

  private func degree(_ option: String, _ key: String) throws(ConfigurationError) -> Int {
    let degree = try given.integer(option, in: 1...(1 << 20)) ?? 1
    given.explain(option, "\(key): \(degree)")
    return degree
  }

  private mutating func readDegrees(_ facts: ModelFacts) throws(ConfigurationError) {
    pipeline = try degree("pipeline-model-parallel-size", "pipeline-parallel")
    context = try degree("context-parallel-size", "context-parallel")
    expert = try degree("expert-model-parallel-size", "expert-parallel")
    guard expert == 1 || facts.hasExperts else {
      throw given.error("expert-model-parallel-size", "the model has no experts to spread")
    }
    expertTensor = try given.integer("expert-tensor-parallel-size", in: 1...(1 << 20)) ?? tensor
    if given.contains("expert-tensor-parallel-size") {
      given.explain("expert-tensor-parallel-size", "expert-tensor-parallel: \(expertTensor)")
    } else if facts.hasExperts, tensor > 1 {
      given.imply(
        "--expert-tensor-parallel-size", "\(tensor)", "experts are divided as dense maps are")
    }
    guard [pipeline, context].allSatisfy({ tensor * $0 <= 1 << 20 }),
      tensor * context * pipeline <= 1 << 20
    else {
      throw given.error("tensor-model-parallel-size", "the product of the degrees exceeds 2^20")
    }
    microbatch = try given.integer("micro-batch-size", in: 1...(1 << 20)) ?? 1
    if given.contains("micro-batch-size") {
      given.explain("micro-batch-size", "microbatch-size: \(microbatch)")
    } else {
      given.imply("--micro-batch-size", "1", "microbatch-size: 1, since nothing says it")
    }
    data = try dataRanks()
    plan.add("data-parallel", data)
    plan.add("tensor-parallel", tensor)
    let isSequence = try given.flag("sequence-parallel") ?? false
    if tensor > 1 {
      given.explain("sequence-parallel", "sequence-parallel: \(isSequence)")
      plan.add("sequence-parallel", isSequence)
      if !given.contains("sequence-parallel") {
        given.imply("--sequence-parallel", "not set", "sequence-parallel: false")
      }
    } else {
      given.explain("sequence-parallel", as: .costless, "there is no tensor group")
    }
    if pipeline > 1 { plan.add("pipeline-parallel", pipeline) }
    if context > 1 { plan.add("context-parallel", context) }
    if facts.hasExperts {
      plan.add("expert-parallel", expert)
      plan.add("expert-tensor-parallel", expertTensor)
    }
  }

  /// GPUs of the job over the other degrees; where nothing says how many there are, those of one node as far as
  /// the batch divides over them.
  private func dataRanks() throws(ConfigurationError) -> Int {
    let others = tensor * context * pipeline
    if let ranks = try ranks() {
      guard ranks % others == 0, ranks >= others else {
        throw given.error(
          "tensor-model-parallel-size",
          "tensor \(tensor) x context \(context) x pipeline \(pipeline) does not divide \(ranks) GPUs: "
            + "--gpus N says how many there are")
      }
      return ranks / others
    }
    if let data = try given.integer("data-parallel-size", in: 1...(1 << 20)) {
      given.explain("data-parallel-size", "data-parallel: \(data)")
      return data
    }
    let batch = try given.integer("global-batch-size", in: 1...(1 << 30))
    let mesh = expert * expertTensor
    func isAdmitted(_ data: Int) -> Bool {
      (batch.map { $0 % (data * microbatch) == 0 } ?? true) && tensor * context * data % mesh == 0
    }
    let most = max(1, 8 / others)
    let data =
      (1...most).last(where: isAdmitted) ?? (most...max(most, mesh)).first(where: isAdmitted)
      ?? most
    given.imply(
      "--gpus", "\(data * others)",
      "data-parallel: \(data), as many as a node of 8 takes and the batch divides over; nothing says how "
        + "many GPUs there are")
    return data
  }

  private func ranks() throws(ConfigurationError) -> Int? {
    if let ranks = settings.ranks {
      for name in ["nproc-per-node", "nnodes", "world-size", "gpus", "data-parallel-size"] {
        given.explain(name, as: .costless, "--gpus of the import is \(ranks)")
      }
      given.imply("--gpus", "\(ranks)", "given to the import")
      return ranks
    }
    let gpus = try given.integer("gpus", in: 1...(1 << 20))
    if let world = try given.integer("world-size", in: 1...(1 << 20)) ?? gpus {
      for name in ["world-size", "gpus"] { given.explain(name, "\(world) GPUs") }
      for name in ["nproc-per-node", "nnodes", "data-parallel-size"] {
        given.explain(name, as: .costless, "the GPUs are counted already")
      }
      return world
    }
    guard let perNode = try given.integer("nproc-per-node", in: 1...4096) else {
      given.explain("nnodes", as: .costless, "nothing says how many GPUs a node has")
      return nil
    }
    let nodes = try given.integer("nnodes", in: 1...(1 << 20))
    given.explain("nproc-per-node", "\(perNode) GPUs a node")
    given.explain("nnodes", "\(nodes ?? 1) nodes")
    if nodes == nil { given.imply("--nnodes", "1", "one node") }
    return perNode * (nodes ?? 1)
  }

  /// What nobody read: known to be without meaning, known to have one, or not known at all.
  private func explainTheRest() {
    for option in given.unexplained {
      if let (sense, meaning) = MegatronOptions.reason(of: option.name) {
        given.explain(option.name, as: sense, meaning)
      } else if MegatronOptions.read.contains(option.name) {
        given.explain(option.name, as: .costless, "nothing here depends on it")
      } else {
        let near = MegatronOptions.nearest(to: option.name).map { "; did you mean \($0)?" } ?? ""
        given.explain(
          option.name, as: .unknown, "no option of Megatron-LM that is known here\(near)")
      }
    }
  }
}
