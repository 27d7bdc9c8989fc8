import Quantities
import Simulation

extension ReportPage {
  /// A step of serving, without what other batches take.
  public init(serving figures: InferenceFigures) throws {
    try self.init("simulate", verdict: figures.verdict, figures: figures)
    remarks = [figures.deployment]
    facts = figures.facts
    inputs = figures.inputs.lines(assuming: figures.assumptions, isWhole: true)
    sections = [
      Section(
        "Where the time goes",
        lead:
          "What a device of the deployment does, all of which do the same. Of exchanges it counts what "
          + "computation waits for; the parts add up to the step.",
        [
          .picture(figures.splitPicture), .table(figures.splitTable),
          .picture(figures.phasePicture), .table(figures.phaseTable), .table(figures.workTable),
        ]),
      Section(
        "Memory of a GPU", [.picture(figures.memoryPicture), .table(figures.memoryTable)]),
    ]
  }

  /// The same beside steps with other numbers of sequences.
  ///
  /// - Parameter steps: the step itself and others, in the order of their batches (`ServingBatches`).
  public init(serving figures: InferenceFigures, beside steps: [InferenceReport]) throws {
    try self.init(serving: figures)
    guard steps.count > 1 else { return }
    sections.append(ServingBatches.section(steps, asked: figures.batch))
  }
}

extension InferenceFigures {
  private var isDecode: Bool { mode == "decode" }

  private var neededBytes: Int {
    memoryBytes.weights + memoryBytes.caches + memoryBytes.activations + memoryBytes.reserve
  }

  fileprivate var verdict: String {
    let what =
      isDecode
      ? "decodes \(counted(batch, "sequence")) a data rank against \(grouped(context)) positions"
      : "reads \(counted(batch, "sequence")) of \(grouped(context)) tokens a data rank"
    return "A step of \(model) that \(what) takes \(Seconds(stepSeconds)) on "
      + "\(counted(gpus, "GPU")) of \(cluster) and \(fits ? "fits" : "does NOT fit"): "
      + "\(Self.gibibytes(neededBytes)) of \(Self.gibibytes(memoryBytes.limit)) GiB."
  }

  fileprivate var deployment: String {
    "Plan \(plan): \(counted(dataRanks, "data rank")) with sequences of their own"
      + (parts > 1 ? ", which compute and exchange by turns in \(parts) parts." : ".")
  }

  fileprivate var facts: [ReportPage.Fact] {
    let kept =
      acceptance.map {
        ", \(threeFigures(tokensPerSequence)) a sequence with drafts kept at \(percent($0))"
      } ?? ""
    return [
      .init(
        "Step", .init("\(Seconds(stepSeconds))", stepSeconds, key: "step_seconds"),
        note: "for \(large(tokensPerStep)) tokens\(kept)"),
      .init(
        "Throughput", .init(large(tokensPerSecond), tokensPerSecond, key: "tokens_per_second"),
        note:
          "tokens a second, \(tokenRate(tokensPerSecondPerGpu)) a GPU, "
          + "\(tokenRate(tokensPerSecondPerNode)) a node"
          + (isDecode ? "; \(threeFigures(tokensPerSecondPerSequence)) a sequence" : "")),
      .init("Limited by", .init(limitedBy)),
      .init(
        "Cost",
        .init(
          "\(threeFigures(usDollarsPerMillionTokens)) US$", usDollarsPerMillionTokens,
          key: "us_dollars_per_million_tokens"),
        note: "a million tokens, at \(fixed(usDollarsPerGpuHour, decimals: 2)) US$ an hour"),
      .init(
        "Room", .count(mostSequences, key: "most_sequences"),
        note:
          "sequences of this length on a data rank; "
          + "\(ByteCount(Int(memoryBytes.cachesPerToken.rounded()))) of caches a token"),
    ]
  }

  // MARK: Time

  private enum Doing {
    case computing, pausing, waiting

    func part(_ seconds: Double) -> BarPicture.Part {
      switch self {
      case .computing: .init("in kernels", seconds, .accent)
      case .pausing: .init("between kernels", seconds, .bubble)
      case .waiting: .init("waiting", seconds, .waiting)
      }
    }
  }

  /// The parts of the step that there are, with their places in the JSON.
  private var splitParts: [(name: String, seconds: Double, key: String, doing: Doing)] {
    let split = splitSeconds
    return [
      ("products", split.products, "products", Doing.computing),
      ("attention", split.attention, "attention", .computing),
      ("other kernels", split.otherKernels, "other_kernels", .computing),
      ("between kernels", split.betweenKernels, "between_kernels", .pausing),
      ("expert exchanges, waited for", split.expertExchanges, "expert_exchanges", .waiting),
      ("tensor exchanges", split.tensorExchanges, "tensor_exchanges", .waiting),
    ].filter { $0.1 > 0 }
  }

  fileprivate var splitPicture: BarPicture {
    BarPicture(
      "Time of a step by what a device does", description: "Seconds of a step by kind of work",
      bars: splitParts.map { ($0.name, [$0.doing.part($0.seconds)]) },
      text: { LanePicture.time($0) })
  }

  fileprivate var splitTable: ReportTable {
    var table = ReportTable(
      "Time of a step", [.init("of a step", isText: true), .init("ms"), .init("share", short: "")])
    for part in splitParts {
      table.add([
        ReportFigure(part.name), Self.milliseconds(part.seconds, "split_seconds.\(part.key)"),
        .share(part.seconds / stepSeconds),
      ])
    }
    return table
  }

  /// The parts of the model that take time, in the order in which a layer has them.
  private var phases: [(name: String, seconds: Double, key: String)] {
    [
      ("embedding", "embedding"), ("attention", "attention"), ("rows to experts", "dispatch"),
      ("feed-forward", "feed_forward"), ("rows back from experts", "combine"), ("head", "head"),
    ].compactMap { name, key in
      phaseSeconds[key].map { (name, $0, "phase_seconds.\(key)") }
    }
  }

  fileprivate var phasePicture: BarPicture {
    BarPicture(
      "Time of a step by part of the model",
      description: "Seconds of a step by part of the model, waiting among them",
      bars: phases.map { ($0.name, [.init("of the step", $0.seconds, .accent)]) },
      text: { LanePicture.time($0) })
  }

  fileprivate var phaseTable: ReportTable {
    var table = ReportTable(
      "Parts of the model",
      [.init("part of the model", isText: true), .init("ms"), .init("share")])
    table.isAside = true
    for phase in phases {
      table.add([
        ReportFigure(phase.name), Self.milliseconds(phase.seconds, phase.key),
        .share(phase.seconds / stepSeconds),
      ])
    }
    return table
  }

  fileprivate var workTable: ReportTable {
    var table = ReportTable(
      "Work of a device in the step",
      [.init("work of a device", isText: true), .init("amount"), .init("unit", isText: true)])
    table.isAside = true
    func add(_ name: String, _ value: Double, _ scale: Double, _ unit: String, _ key: String) {
      table.add([
        ReportFigure(name), .init(fixed(value * scale, decimals: 3), value, key: key),
        ReportFigure(unit),
      ])
    }
    add("arithmetic of products", flops.products, 1e-12, "TFLOP", "flops.products")
    add("arithmetic of attention", flops.attention, 1e-12, "TFLOP", "flops.attention")
    add("caches read", cacheBytesRead, 0x1p-30, "GiB", "cache_bytes_read")
    add("exchanges, hidden or not", exchangeSeconds, 1e3, "ms", "exchange_seconds")
    return table
  }

  // MARK: Memory

  private var memoryParts: [(name: String, bytes: Int, key: String, tone: PageTone)] {
    [
      ("weights", memoryBytes.weights, "weights", .parameters),
      ("caches", memoryBytes.caches, "caches", .series(2)),
      ("activations", memoryBytes.activations, "activations", .activations),
      ("left to others", memoryBytes.reserve, "reserve", .pale),
    ]
  }

  fileprivate var memoryPicture: BarPicture {
    var picture = BarPicture(
      "Memory of a GPU", description: "GiB of a device by what they hold, against its limit",
      bars: [
        (
          "a GPU",
          memoryParts.map { .init($0.name, Double($0.bytes) / 0x1p30, $0.tone) }
        )
      ], text: { fixed($0, decimals: 1) + " GiB" })
    picture.limit = ("limit", Double(memoryBytes.limit) / 0x1p30)
    return picture
  }

  fileprivate var memoryTable: ReportTable {
    var table = ReportTable(
      "Memory of a GPU", [.init("memory of a GPU", isText: true), .init("GiB")])
    for part in memoryParts {
      table.add([
        ReportFigure(part.name),
        .init(Self.gibibytes(part.bytes), Double(part.bytes), key: "memory_bytes.\(part.key)"),
      ])
    }
    return table
  }

  private static func gibibytes(_ bytes: Int) -> String {
    fixed(Double(bytes) / 0x1p30, decimals: 2)
  }

  private static func milliseconds(_ seconds: Double, _ key: String) -> ReportFigure {
    ReportFigure(fixed(seconds * 1e3, decimals: 3), seconds, key: key)
  }
}
