import Engines
import Programs
import Quantities
import Simulation

extension StepFigures {
  /// What the step comes to, in one sentence.
  var verdict: String {
    let peak =
      "\(fixed(Double(memoryBytes.peak) / 0x1p30, decimals: 1)) of "
      + "\(fixed(Double(memoryBytes.limit) / 0x1p30, decimals: 1)) GiB"
    return "A step of \(model) takes \(fixed(stepSeconds, decimals: 3)) s on "
      + "\(counted(ranks, "GPU")) of \(cluster) and "
      + (fits ? "fits: \(peak)." : "does not fit: \(peak)\(besideReserve).")
  }

  /// What else takes the device's memory, where the peak alone does not exceed it; empty where it does.
  private var besideReserve: String {
    func gibibytes(_ bytes: Int) -> String { fixed(Double(bytes) / 0x1p30, decimals: 1) }
    guard memoryBytes.peak <= memoryBytes.limit else { return "" }
    let reserved = memoryBytes.reserved.flatMap { $0 > memoryBytes.peak ? $0 : nil }
    return (reserved.map { ", \(gibibytes($0)) as the allocator holds it" } ?? "")
      + ", beside a reserve of \(gibibytes(memoryBytes.reserve)) (memory-reserve)"
  }

  /// A row per position: what it holds and where its time goes.
  var positionTable: ReportTable {
    let used =
      stages.first.map { first in
        first.splitSeconds.parts.indices.filter { index in
          stages.contains { $0.splitSeconds.parts[index].seconds > 0 }
        }
      } ?? []
    let names = splitSeconds.parts.map(\.name)
    var table = ReportTable(
      "Stages, seconds of the step",
      [.init("position"), .init("stages", isText: true), .init("holds", isText: true)]
        + used.map { .init(names[$0]) })
    table.isAside = true
    for (index, stage) in stages.enumerated() {
      var cells = [
        ReportFigure("\(stage.position)", Double(stage.position), key: "stages.\(index).position"),
        ReportFigure(stage.stages.map(String.init).joined(separator: ", ")),
        ReportFigure(stage.contents),
      ]
      cells += used.map { part in
        .seconds(
          stage.splitSeconds.parts[part].seconds,
          key: "stages.\(index).split_seconds.\(Self.splitKeys[part])")
      }
      table.add(cells)
    }
    return table
  }

  /// The JSON keys of the split, in the order of `Split.parts`.
  static let splitKeys = [
    "forward", "backward", "backward_input", "backward_weight", "overlapped", "bubble", "optimizer",
  ]

  /// The colours of the split, in the order of `Split.parts`.
  static let splitTones: [[PageTone]] = [
    [.pass(.forward)], [.pass(.backward)], [.pass(.backwardInput)], [.pass(.backwardWeight)],
    [.pass(.forward), .pass(.backward)], [.bubble], [.optimizer],
  ]

  func bar(_ label: String, _ split: Split) -> (label: String, parts: [BarPicture.Part]) {
    let parts = split.parts.enumerated().map { index, part in
      var made = BarPicture.Part(part.name, part.seconds)
      made.tones = Self.splitTones[index]
      return made
    }
    return (label, parts)
  }

  // MARK: - Where time goes

  var timeSection: ReportPage.Section {
    var blocks: [ReportBlock] = [
      .picture(
        BarPicture(
          "By part", description: "Seconds of the step by part, for every position",
          bars: stages.map { bar("position \($0.position)", $0.splitSeconds) }
            + (stages.count > 1 ? [bar("mean", splitSecondsMean)] : []),
          text: { "\(decimal($0)) s" })),
      .table(splitTable),
    ]
    let kinds = communicationSeconds.kinds.filter { $0.time.total + $0.time.waiting > 0 }
    if !kinds.isEmpty {
      blocks.append(
        .picture(
          BarPicture(
            "Communication: hidden against exposed",
            description: "Seconds of communication at position 0 by kind",
            bars: kinds.map { name, time in
              (
                name,
                [
                  .init("hidden", time.hidden, .hidden), .init("exposed", time.exposed, .exposed),
                  .init("waiting for a peer", time.waiting, .waiting),
                ]
              )
            }, text: { "\(decimal($0)) s" })))
      blocks.append(.table(communicationTable))
    }
    blocks.append(.picture(kernelPicture))
    blocks.append(.table(kernelTable))
    return .init(
      "Where the time goes",
      lead: "Read at pipeline position 0 of the slowest replica unless a row says otherwise; "
        + "\(fixed(busySeconds, decimals: 3)) s of the step its compute stream is at work.", blocks)
  }

  private var splitTable: ReportTable {
    var table = ReportTable(
      "Seconds of a step",
      [.init("part", isText: true), .init("position 0"), .init("share"), .init("mean")])
    for (index, part) in splitSeconds.parts.enumerated() {
      let mean = splitSecondsMean.parts[index].seconds
      guard part.seconds + mean > 0 else { continue }
      let key = Self.splitKeys[index]
      table.add(
        [
          ReportFigure(part.name), .seconds(part.seconds, key: "split_seconds.\(key)"),
          .share(part.seconds / stepSeconds), .seconds(mean, key: "split_seconds_mean.\(key)"),
        ], tone: Self.splitTones[index].first)
    }
    return table
  }

  private var communicationTable: ReportTable {
    var table = ReportTable(
      "Communication, s",
      [
        .init("kind", isText: true), .init("total"), .init("hidden"), .init("exposed"),
        .init("waiting"),
      ])
    for (name, time) in communicationSeconds.kinds where time.total + time.waiting > 0 {
      let key = "communication_seconds.\(name)"
      table.add([
        ReportFigure(name), .seconds(time.total, key: key + ".total"),
        .seconds(time.hidden, key: key + ".hidden"),
        .seconds(time.exposed, key: key + ".exposed"),
        .seconds(time.waiting, key: key + ".waiting"),
      ])
    }
    return table
  }

  private static let passTones: [(name: String, tone: PageTone)] = zip(
    KernelTimes.Pass.allCases,
    [
      .pass(.forward), .pass(.forward, tint: 1), .pass(.backwardInput), .pass(.backwardWeight),
      .optimizer,
    ]
  ).map { (words("\($0)", joinedBy: " "), $1) }

  private var kernelPicture: BarPicture {
    BarPicture(
      "Kernels by kind and pass", description: "Seconds of the compute stream by kind of kernel",
      bars: secondsByKernel.rows.sorted { $0.total > $1.total }.map { row in
        (
          row.name,
          zip(row.seconds, Self.passTones).map { .init($1.name, $0, $1.tone) }
        )
      }, text: { "\(decimal($0)) s" })
  }

  private var kernelTable: ReportTable {
    let passes = KernelTimes.Pass.allCases.indices.filter { pass in
      secondsByKernel.rows.contains { $0.seconds[pass] > 0 }
    }
    var table = ReportTable(
      "Seconds of the compute stream",
      [.init("kernels", isText: true)] + passes.map { .init(Self.passTones[$0].name) }
        + [.init("all"), .init("of busy time")])
    table.isAside = true
    for row in secondsByKernel.rows.sorted(by: { $0.total > $1.total }) {
      let key = "seconds_by_kernel.\(words("\(row.kernels)", joinedBy: "_"))"
      table.add(
        [ReportFigure(row.name)]
          + passes.map { pass in
            .seconds(
              row.seconds[pass],
              key: "\(key).\(words("\(KernelTimes.Pass.allCases[pass])", joinedBy: "_"))")
          } + [.seconds(row.total), .share(row.total / busySeconds)])
    }
    return table
  }
}
