import Documents

extension MegatronJob {
  /// The batch and the length of a sequence.
  mutating func readBatch() throws(ConfigurationError) {
    let steps = try given.words("step-batch-size-schedule")?.joined(separator: " ")
    let whole = try given.integer("global-batch-size", in: 1...(1 << 30))
    if let steps, whole != nil {
      throw given.error("step-batch-size-schedule", "excludes --global-batch-size, as \(steps)")
    }
    if let steps {
      // The last step of `0:384 200B:768 400B:1152`.
      guard let last = steps.split(whereSeparator: \.isWhitespace).last,
        let size = last.split(separator: ":").last.flatMap({ Int($0) }), size > 0
      else {
        throw given.error("step-batch-size-schedule", "expected pairs such as 0:384 200B:768")
      }
      globalBatch = size
      given.explain("step-batch-size-schedule", "global-batch: \(size), the last of the schedule")
    } else if let whole {
      globalBatch = whole
      given.explain("global-batch-size", "global-batch: \(whole)")
    } else {
      globalBatch = microbatch * data
      given.imply("--global-batch-size", "\(globalBatch)", "one microbatch a data rank")
    }
    given.explain(
      "rampup-batch-size", as: .costless, "the plan is of the batch behind the ramp")
    guard globalBatch % (data * microbatch) == 0 else {
      throw given.error(
        "global-batch-size",
        "does not divide into microbatches of \(microbatch) on \(data) data ranks")
    }
    let said = try given.integer("seq-length", in: 1...(1 << 24))
    try given.checkLength(settings, said, "seq-length")
    guard let length = said ?? settings.sequenceLength else {
      throw given.error("seq-length", "is not said: give --seq-length N")
    }
    given.explain("seq-length", "sequence-length: \(length)")
    plan.add("microbatch-size", microbatch)
    plan.add("global-batch", globalBatch)
    plan.add("sequence-length", length)
  }

  /// The stages, in one of the ways in which they can be said, and the schedule.
  mutating func readStages(_ facts: ModelFacts) throws(ConfigurationError) {
    let ways = [
      "num-layers-per-virtual-pipeline-stage", "num-virtual-stages-per-pipeline-rank",
      "pipeline-model-parallel-layout",
    ]
    var said: [String] = []
    for name in ways {
      guard let option = given.option(name), !GivenOptions.isNothing(option.text) else { continue }
      said.append(name)
    }
    // Printed arguments and configurations say the number of stages beside the layout that it follows from.
    if said.count == 2, said[0] == ways[1], said[1] == ways[2] { said.removeFirst() }
    if said.count > 1 {
      throw given.error(
        said[1], "excludes \(given.option(said[0])?.spelling ?? said[0]): stages are said twice")
    }
    var layout: (key: String, value: String)?
    if let segments = facts.segments {
      layout = try readSegments(segments)
    } else if said.first == ways[2] {
      layout = try readLayout(facts)
    } else {
      let layers = try effectiveLayers(facts)
      stagesPerRank = try virtualStages(layers)
      let even = try evenUnits(facts)
      layout = try unevenLayers(facts) ?? even
    }
    let isInterleaved = stagesPerRank > 1
    if isInterleaved, pipeline == 1 {
      throw given.error(said.first ?? ways[1], "several stages a rank need a pipeline")
    }
    if pipeline > 1 {
      plan.add("schedule", isInterleaved ? "interleaved-1f1b" : "1f1b")
      if isInterleaved { plan.add("stages-per-rank", stagesPerRank) }
      if let layout { plan.add(layout.key, layout.value) }
    }
    for name in ways { given.explain(name, "stages-per-rank: \(stagesPerRank)") }
    try readSends(isInterleaved)
  }

  /// Layers on each stage, as the bars of a pattern of hybrid layers say them.
  private mutating func readSegments(
    _ segments: [Int]
  ) throws(ConfigurationError) -> (key: String, value: String) {
    let name =
      given.contains("hybrid-layer-pattern") ? "hybrid-layer-pattern" : "hybrid-override-pattern"
    guard segments.count % pipeline == 0 else {
      throw given.error(
        name, "has \(segments.count) stages, which \(pipeline) pipeline ranks do not divide")
    }
    for end in ["decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers"]
    where try given.integer(end, in: 1...1024) != nil {
      throw given.error(end, "excludes bars in --\(name)")
    }
    stagesPerRank = segments.count / pipeline
    given.imply("stages", "\(segments)", "layers-per-stage, by the bars of --\(name)")
    return ("layers-per-stage", "\(segments)")
  }

  private mutating func readSends(_ isInterleaved: Bool) throws(ConfigurationError) {
    let said = try given.flag("overlap-p2p-comm")
    guard pipeline > 1 else {
      given.explain("overlap-p2p-comm", as: .costless, "there is no pipeline")
      return
    }
    // Without several stages a rank Megatron waits for every send (arguments.py).
    let overlaps = isInterleaved && said ?? true
    overlap.append(("pipeline-sends", "\(overlaps)"))
    given.explain("overlap-p2p-comm", "overlap.pipeline-sends: \(overlaps)")
    if said == nil {
      given.imply(
        "--no-overlap-p2p-communication", isInterleaved ? "not set" : "one stage a rank",
        "overlap.pipeline-sends: \(overlaps)")
    }
  }

  /// Layers, with one more each for embedding and loss where those count as one.
  private func effectiveLayers(_ facts: ModelFacts) throws(ConfigurationError) -> Int {
    var layers = facts.layers
    for name in [
      "account-for-embedding-in-pipeline-split", "account-for-loss-in-pipeline-split",
    ] where try given.flag(name) ?? false {
      layers += 1
      given.explain(name, "counts as a layer on its stage")
    }
    return layers
  }

  private func virtualStages(_ layers: Int) throws(ConfigurationError) -> Int {
    let count = "num-virtual-stages-per-pipeline-rank"
    if let stages = try given.integer(count, in: 1...1024) { return stages }
    let name = "num-layers-per-virtual-pipeline-stage"
    guard let size = try given.integer(name, in: 1...1024) else {
      if layers % pipeline != 0, !given.contains("decoder-first-pipeline-num-layers"),
        !given.contains("decoder-last-pipeline-num-layers")
      {
        throw given.error(
          "pipeline-model-parallel-size", "does not divide the \(layers) layers of the split")
      }
      return 1
    }
    guard !given.contains("decoder-first-pipeline-num-layers"),
      !given.contains("decoder-last-pipeline-num-layers")
    else {
      throw given.error(name, "excludes uneven stages: --num-virtual-stages-per-pipeline-rank")
    }
    guard layers % pipeline == 0, layers / pipeline % size == 0 else {
      throw given.error(
        name, "does not divide the \(layers) layers over \(pipeline) pipeline ranks")
    }
    return layers / pipeline / size
  }

  /// Layers on each stage where the first or the last rank holds another number.
  private func unevenLayers(
    _ facts: ModelFacts
  ) throws(ConfigurationError) -> (key: String, value: String)? {
    let (firstName, lastName) = (
      "decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers"
    )
    let first = try given.integer(firstName, in: 1...1024)
    let last = try given.integer(lastName, in: 1...1024)
    guard let name = first != nil ? firstName : last != nil ? lastName : nil else { return nil }
    let ends = (first ?? 0) + (last ?? 0)
    let middle = pipeline - (first == nil ? 0 : 1) - (last == nil ? 0 : 1)
    let rest = facts.layers - ends
    guard pipeline > 1, rest >= 0, middle == 0 ? rest == 0 : rest % middle == 0 else {
      throw given.error(name, "leaves \(rest) layers for \(middle) pipeline ranks")
    }
    let counts = (0..<pipeline).map { rank in
      rank == 0
        ? first ?? rest / middle : rank == pipeline - 1 ? last ?? rest / middle : rest / middle
    }
    guard counts.allSatisfy({ $0 % stagesPerRank == 0 }) else {
      throw given.error(name, "does not divide over \(stagesPerRank) stages a rank")
    }
    let stages = (0..<stagesPerRank).flatMap { _ in counts.map { $0 / stagesPerRank } }
    given.explain(firstName, lastName, "layers-per-stage: \(stages)")
    return ("layers-per-stage", "\(stages)")
  }

  /// Units on each stage where embedding or loss count as a layer.
  private func evenUnits(
    _ facts: ModelFacts
  ) throws(ConfigurationError) -> (key: String, value: String)? {
    let embedding = try given.flag("account-for-embedding-in-pipeline-split") ?? false
    let loss = try given.flag("account-for-loss-in-pipeline-split") ?? false
    let layers = facts.layers + (embedding ? 1 : 0) + (loss ? 1 : 0)
    let stages = pipeline * stagesPerRank
    guard embedding || loss, pipeline > 1 else { return nil }
    guard layers % stages == 0 else {
      throw given.error(
        "account-for-loss-in-pipeline-split", "\(stages) stages do not divide \(layers) units")
    }
    var counts = [Int](repeating: layers / stages, count: stages)
    counts[0] -= embedding ? 1 : 0
    counts[stages - 1] -= loss ? 1 : 0
    return ("layers-per-stage", "\(counts)")
  }

  private mutating func readLayout(
    _ facts: ModelFacts
  ) throws(ConfigurationError) -> (key: String, value: String) {
    let name = "pipeline-model-parallel-layout"
    guard let text = given.option(name)?.text, let layout = Self.layout(text) else {
      throw given.error(
        name, "expected stages of E, t, m and L between bars, such as Et|(tt|)*30mL")
    }
    guard layout.stages.count % pipeline == 0 else {
      throw given.error(
        name, "has \(layout.stages.count) stages, which \(pipeline) pipeline ranks do not divide")
    }
    for (letter, what, count) in [
      ("E", "embeddings", 1), ("t", "layers", facts.layers), ("L", "losses", 1),
      ("m", "prediction modules", facts.predictionModules),
    ] where layout.count(Character(letter)) != count {
      throw given.error(
        name, "has \(layout.count(Character(letter))) \(what), and the model \(count)")
    }
    let order = layout.stages.joined().filter { $0 != "m" && $0 != "L" }
    guard order.first == "E", layout.stages.last?.contains("L") == true else {
      throw given.error(name, "the embedding comes first and the loss on the last stage")
    }
    if let own = layout.stages.first(where: { $0.contains("m") }), !own.contains("L") {
      given.imply(
        "prediction module", "ahead of the loss",
        "units-per-stage puts it behind the head: the sizes of the stages are the same")
    }
    stagesPerRank = layout.stages.count / pipeline
    given.explain(name, "units-per-stage: \(layout.unitCounts)")
    return ("units-per-stage", "\(layout.unitCounts)")
  }

  /// A layout string, or a list of lists of names as configurations have it.
  private static func layout(_ text: String) -> PipelineLayout? {
    guard text.contains("[") else { return PipelineLayout(text) }
    let letters = ["embedding": "E", "decoder": "t", "mtp": "m", "loss": "L"]
    var stages: [String] = []
    for part in text.split(separator: "]") {
      guard let start = part.lastIndex(of: "[") else { continue }
      let names = part[part.index(after: start)...]
        .split { ", '\"".contains($0) }.map { $0.lowercased() }
      let own = names.compactMap { letters[$0] }
      guard own.count == names.count else { return nil }
      stages.append(own.joined())
    }
    return stages.isEmpty ? nil : PipelineLayout(stages: stages)
  }
}
