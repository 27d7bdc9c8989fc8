import Engines
import Plans
import Programs
import Quantities
import Simulation

extension StepFigures {
  /// Owners of memory, those that do not change over a step first, with the uses that each stands for.
  private static let owners: [(name: String, tone: PageTone, uses: [Buffer.Use])] = [
    ("parameters", .parameters, [.parameter]), ("gradients", .gradients, [.gradient]),
    ("optimizer state", .optimizerState, [.optimizer]),
    ("framework", .workspace, []),
    ("communication", .communication, [.communication]),
    ("activations", .activations, [.activation, .workspace]),
  ]

  /// Memory over time for some positions, and at the peak of every position.
  func memoryBlocks(
    _ timelines: [(position: Int, timeline: Timeline)], duration: Int64
  ) -> [ReportBlock] {
    var kept = StepLanes.spread(timelines.count, most: StepLanes.mostPositions)
    if !kept.contains(where: { timelines[$0].position == fullestPosition }),
      let fullest = timelines.firstIndex(where: { $0.position == fullestPosition })
    {
      kept.append(fullest)
    }
    let options = kept.sorted().map { index in
      let (position, timeline) = timelines[index]
      return (
        name: "position \(position)" + (position == fullestPosition ? ", the fullest" : ""),
        blocks: [ReportBlock.picture(memoryPicture(position, timeline, duration: duration))]
      )
    }
    let first = kept.sorted().firstIndex { timelines[$0].position == fullestPosition } ?? 0
    let bars = BarPicture(
      "At the peak, by position", description: "Bytes at the peak of every position by owner",
      bars: stages.map { stage in
        ("position \(stage.position)", Self.peakParts(stage.memoryBytes))
      }, text: { "\(decimal($0)) GiB" })
    return [.choice(ReportChoice("Position", options, first: first)), .picture(limited(bars))]
  }

  /// What every position needs at its peak.
  var memorySection: ReportPage.Section {
    .init(
      "Memory",
      lead: fits
        ? "The fullest rank, at position \(fullestPosition), stays below what the device has."
        : "The fullest rank, at position \(fullestPosition), needs more than the device has.",
      [.table(memoryTable)])
  }

  private func limited(_ bars: BarPicture) -> BarPicture {
    var bars = bars
    bars.limit = ("limit", Double(memoryBytes.limit) / 0x1p30)
    return bars
  }

  static func peakParts(_ memory: Memory) -> [BarPicture.Part] {
    [
      .init("parameters", Double(memory.parameters) / 0x1p30, .parameters),
      .init("gradients", Double(memory.gradients) / 0x1p30, .gradients),
      .init("optimizer state", Double(memory.optimizer) / 0x1p30, .optimizerState),
      .init("framework", Double(memory.workspace) / 0x1p30, .workspace),
      .init("communication", Double(memory.communication) / 0x1p30, .communication),
      .init("activations", Double(memory.activations) / 0x1p30, .activations),
    ]
  }

  private func memoryPicture(
    _ position: Int, _ timeline: Timeline, duration: Int64
  ) -> AreaPicture {
    let memory = stages[position].memoryBytes
    let samples = timeline.memory.map { sample in
      AreaPicture.Sample(
        time: sample.time,
        bytes: Self.owners.map { owner in
          owner.uses.isEmpty
            ? memory.workspace
            : owner.uses.reduce(0) { $0 + sample.live[Int($1.rawValue)] }
        })
    }
    var picture = AreaPicture(
      title: "Memory of position \(position) over the step",
      description: "Bytes of position \(position) over the step by owner, "
        + "\(fixed(Double(memory.peak) / 0x1p30, decimals: 1)) GiB at most",
      areas: Self.owners.map { ($0.name, $0.tone) }, samples: samples, duration: duration)
    picture.rules = [("limit", memory.limit, false), ("peak", memory.peak, false)]
    if memory.reserve > 0 {
      picture.rules.append(("beside the reserve", memory.limit - memory.reserve, true))
    }
    if let reserved = memory.reserved { picture.rules.append(("reserved", reserved, true)) }
    picture.group = "step"
    return picture
  }

  private var memoryTable: ReportTable {
    var table = ReportTable(
      "Memory at the peak, GiB",
      [
        .init("position"), .init("parameters", short: "params"), .init("gradients", short: "grads"),
        .init("optimizer state", short: "optim."), .init("framework", short: "frame."),
        .init("communication", short: "comm."), .init("activations", short: "activ."),
        .init("peak"), .init("fits", isText: true, isAside: fits), .init("holds", isText: true),
      ])
    table.columns[4].isAside = stages.allSatisfy { $0.memoryBytes.workspace == 0 }
    table.isThinned = true
    for (index, stage) in stages.enumerated() {
      let memory = stage.memoryBytes
      func cell(_ bytes: Int, _ name: String) -> ReportFigure {
        .gibibytes(bytes, key: "stages.\(index).memory_bytes.\(name)")
      }
      table.add([
        ReportFigure("\(stage.position)", Double(stage.position), key: "stages.\(index).position"),
        cell(memory.parameters, "parameters"), cell(memory.gradients, "gradients"),
        cell(memory.optimizer, "optimizer"), cell(memory.workspace, "workspace"),
        cell(memory.communication, "communication"), cell(memory.activations, "activations"),
        cell(memory.peak, "peak"), ReportFigure(stage.fits ? "yes" : "no"),
        ReportFigure(stage.contents),
      ])
      table.rows[index].isKept = stage.position == fullestPosition
    }
    if memoryBytes.reserve > 0 || memoryBytes.reserved != nil {
      table.note =
        "Of \(ByteCount(memoryBytes.limit)) the plan keeps \(ByteCount(memoryBytes.reserve)) in reserve for "
        + "what PyTorch does not allocate"
        + (memoryBytes.reserved.map {
          "; the caching allocator holds \(ByteCount($0)) on the fullest rank"
        } ?? "") + "."
    }
    return table
  }

  // MARK: - Ranks

  /// Ranks that did the same, folded; the rows open to show every one.
  func rankSection(_ result: StepResult, _ step: PlannedStep) -> ReportPage.Section {
    let plan = step.placed.plan
    let perPosition = plan.worldSize / step.input.ranks.count
    let places = Dictionary(grouping: result.ranks.indices) { result.ranks[$0].position }
    var table = ReportTable(
      "Classes of ranks, seconds of the step",
      [
        .init("position"), .init("replica", isText: true), .init("ranks"), .init("at work"),
        .init("bubble"), .init("exposed"), .init("waiting"), .init("peak, GiB"),
      ])
    for position in step.input.ranks.indices {
      let ranks = (places[position] ?? []).map { result.ranks[$0] }
      for (rank, members) in Self.folded(ranks) {
        let isFolded = ranks.count == 1
        let isAll = ranks.count == perPosition
        var row = ReportTable.Row(
          [
            ReportFigure("\(position)", Double(position)),
            ReportFigure(
              isFolded
                ? "all"
                : Self.listed(members.map(\.replica)) + (isAll ? "" : " and those like them")),
            isFolded || isAll
              ? .count(isFolded ? perPosition : members.count) : ReportFigure("–"),
          ] + Self.cells(of: rank))
        if isFolded {
          row.ranks = .init(first: position * perPosition, count: perPosition, stride: 1)
        } else if isAll, let first = members.first {
          row.ranks =
            Self.stride(members.map { position * perPosition + $0.replica })
            ?? .init(first: position * perPosition + first.replica, count: 1, stride: 1)
        }
        table.rows.append(row)
      }
    }
    let node = step.cluster.node.devices.value
    table.mesh = .init(
      dp: degrees.dp, cp: degrees.cp, tp: degrees.tp, ep: degrees.ep, etp: degrees.etp, node: node)
    let mesh = "rank = ((position · \(degrees.dp) + dp) · \(degrees.cp) + cp) · \(degrees.tp) + tp"
    table.note =
      "In the world, counted from 0, \(mesh); nodes hold "
      + "\(node) ranks each."
    return .init(
      "Ranks",
      lead: "\(counted(ranks, "rank")), of which \(counted(simulatedRanks, "rank")) "
        + "\(simulatedRanks == 1 ? "was" : "were") simulated: one stands for all that do the same at the "
        + "same times. A row opens to show its ranks.",
      [.table(table)])
  }

  private static func cells(of rank: RankResult) -> [ReportFigure] {
    let kinds = [rank.expert, rank.pipeline, rank.data, rank.tensor, rank.context, rank.host]
    func seconds(_ time: Int64) -> ReportFigure { .seconds(Double(time) / 1e12) }
    return [
      seconds(rank.busy), seconds(rank.split.bubble),
      seconds(kinds.reduce(0) { $0 + $1.exposed }), seconds(kinds.reduce(0) { $0 + $1.waiting }),
      .gibibytes(rank.memory.peak),
    ]
  }

  /// Ranks of one position, those together whose times and memory are the same.
  private static func folded(_ ranks: [RankResult]) -> [(rank: RankResult, members: [RankResult])] {
    struct Key: Hashable {
      var split: StepSplit
      var busy: Int64
      var peak: Int
      var waits: [Exposure]
    }
    var order: [Key] = []
    var groups: [Key: [RankResult]] = [:]
    for rank in ranks {
      let key = Key(
        split: rank.split, busy: rank.busy, peak: rank.memory.peak,
        waits: [rank.expert, rank.pipeline, rank.data, rank.tensor, rank.context, rank.host])
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(rank)
    }
    return order.compactMap { key in groups[key].map { ($0[0], $0) } }
  }

  private static func listed(_ numbers: [Int]) -> String {
    numbers.count > 8
      ? numbers.prefix(6).map(String.init).joined(separator: ", ")
        + ", … \(numbers[numbers.count - 1])"
      : numbers.map(String.init).joined(separator: ", ")
  }

  /// The ranks as a first one and a stride; nil where they lie otherwise.
  private static func stride(_ ranks: [Int]) -> ReportTable.RankList? {
    guard let first = ranks.first else { return nil }
    guard ranks.count > 1 else { return .init(first: first, count: 1, stride: 1) }
    let stride = ranks[1] - first
    let isEven = zip(ranks, ranks.dropFirst()).allSatisfy { $1 - $0 == stride }
    return isEven ? .init(first: first, count: ranks.count, stride: stride) : nil
  }
}
