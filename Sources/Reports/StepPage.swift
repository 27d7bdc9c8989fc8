import Documents
import Quantities

extension StepFigures {
  /// The most lines and columns of the page.
  private static let lines = 40
  private static let columns = 100

  /// The figures as a page: what a step costs, where its time goes, what fills memory.
  public var page: String {
    var blocks = [
      heading + inputs.lines(width: Self.columns, most: 2), summary,
      beside(splitTable, communicationTable),
    ]
    blocks.append(assumptionLines)
    let used = blocks.reduce(0) { $0 + $1.count + 1 }
    blocks.insert(memoryTable(lines: Self.lines - used), at: 3)
    return blocks.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") + "\n" }
      .joined(separator: "\n")
  }

  private var heading: [String] {
    var degrees = "dp \(self.degrees.dp), pp \(self.degrees.pp)"
    if self.degrees.tp > 1 { degrees += ", tp \(self.degrees.tp)" }
    if self.degrees.cp > 1 { degrees += ", cp \(self.degrees.cp)" }
    if self.degrees.ep > 1 { degrees += ", ep \(self.degrees.ep)" }
    let areSliced = self.degrees.ep > 1 && self.degrees.tp > 1
    if areSliced || self.degrees.etp != self.degrees.tp {
      degrees += ", etp \(self.degrees.etp)"
    }
    return [
      "\(model) on \(counted(ranks, "GPU")) of \(cluster), plan \(plan): \(degrees)"
    ]
  }

  private var summary: [String] {
    var table = TextTable([.left, .left])
    let spread =
      seeds > 1
      ? ", mean of \(seeds) seeds, deviation \(fixed(stepSecondsDeviation, decimals: 3)) s" : ""
    table.add(
      "step",
      "\(fixed(stepSeconds, decimals: 3)) s for \(large(Double(tokensPerStep))) tokens\(spread)")
    table.add(
      "throughput",
      "\(large(tokensPerDay)) tokens a day, \(large(tokensPerSecond)) a second, "
        + "\(tokenRate(tokensPerSecondPerGpu)) a second and GPU")
    table.add(
      "efficiency",
      "\(threeFigures(tflopsPerGpu.causal)) TFLOPS per GPU, MFU \(percent(mfu.causal)) "
        + "(non-causal \(threeFigures(tflopsPerGpu.nonCausal)), \(percent(mfu.nonCausal))); "
        + "HFU \(percent(hfu.causal))")
    if let library, library.hasPrefix("fp8") {
      table.add("products", "of linear maps in FP8 by \(library)")
    }
    let price = "at \(fixed(usDollarsPerGpuHour, decimals: 2)) US$ an hour"
    table.add(
      "cost",
      "\(large(gpuHoursPerTrillionTokens)) GPU-hours and \(large(usDollarsPerTrillionTokens)) US$ "
        + "per trillion tokens, \(price)")
    if let budget {
      table.add(
        "budget",
        "\(large(budget.tokens)) tokens: \(large(budget.gpuHours)) GPU-hours, "
          + "\(large(budget.usDollars)) US$, \(threeFigures(budget.days)) days")
    }
    table.add("compute", computeText)
    if let clockHertz, let watts {
      let cap = powerCapWatts.map { ", of \(fixed($0, decimals: 0)) W that it may" } ?? ""
      table.add(
        "clock",
        "\(fixed(clockHertz / 1e6, decimals: 0)) MHz in kernels, where a device draws "
          + "\(fixed(watts, decimals: 0)) W\(cap)")
    }
    table.add("memory", memoryText)
    if !workspace.isEmpty {
      let parts = workspace.map { "\($0.name) \(gibibytes($0.bytes))" }
      table.add("workspace", parts.joined(separator: ", ") + " GiB of it")
    }
    return lines(table)
  }

  /// What the fullest rank holds of its device, with what its allocator and everything else keep beside.
  private var memoryText: String {
    let memory = memoryBytes
    let reserved = memory.reserved.map { ", \(gibibytes($0)) reserved" } ?? ""
    let beside = memory.reserve > 0 ? " beside \(gibibytes(memory.reserve))" : ""
    let excess = max(memory.peak, memory.reserved ?? 0) + memory.reserve - memory.limit
    return "\(gibibytes(memory.peak)) of \(gibibytes(memory.limit)) GiB at position "
      + "\(fullestPosition)\(reserved): "
      + (fits ? "fits\(beside)" : "does NOT fit, \(gibibytes(excess)) GiB too much")
  }

  /// How long the compute stream is busy, and with which kernels most.
  private var computeText: String {
    // What would be 0 % is not said.
    let rows = secondsByKernel.rows.filter { $0.total >= 0.005 * busySeconds }
    let most = rows.sorted { $0.total > $1.total }.prefix(4)
    let parts = most.map { "\($0.name) \(percent($0.total / busySeconds, decimals: 0))" }
    return "\(fixed(busySeconds, decimals: 3)) s of position 0 in kernels: "
      + parts.joined(separator: ", ")
  }

  /// The parts that some position has.
  private var splitTable: [String] {
    var table = TextTable([.left])
    table.add("seconds of a step", "position 0", "", "mean")
    for (part, mean) in zip(splitSeconds.parts, splitSecondsMean.parts)
    where part.seconds + mean.seconds > 0 {
      table.add(
        part.name, fixed(part.seconds, decimals: 3), percent(part.seconds / stepSeconds),
        fixed(mean.seconds, decimals: 3))
    }
    return lines(table)
  }

  private var communicationTable: [String] {
    var table = TextTable([.left])
    table.indent = 0
    table.add("communication, s", "total", "hidden", "exposed", "waiting")
    for (name, time) in communicationSeconds.kinds where time.total + time.waiting > 0 {
      table.add(
        name, fixed(time.total, decimals: 3), fixed(time.hidden, decimals: 3),
        fixed(time.exposed, decimals: 3), fixed(time.waiting, decimals: 3))
    }
    if table.rows.count == 1 { table.add("none") }
    return lines(table)
  }

  private var assumptionLines: [String] {
    let text = "Assumed: " + assumptions.joined(separator: "; ") + "."
    let broken = wrapped(text, width: Self.columns - 2)
    let shown = Array(broken.prefix(3))
    guard broken.count > shown.count else { return shown }
    return shown.dropLast() + ["… (all of it with --json)"]
  }

  /// A line per position; neighbours that are alike share one, and of many some are shown: the ends,
  /// the fullest and others in between.
  private func memoryTable(lines limit: Int) -> [String] {
    var rows: [(positions: ClosedRange<Int>, cells: [String])] = []
    for stage in stages {
      let cells = cells(of: stage)
      if let last = rows.indices.last, rows[last].cells == cells {
        rows[last].positions = rows[last].positions.lowerBound...stage.position
      } else {
        rows.append((stage.position...stage.position, cells))
      }
    }
    let kept = chosen(of: rows.count, most: min(10, limit - 2)) {
      rows[$0].positions.contains(fullestPosition)
    }
    let hidden = rows.count - kept.count
    rows = kept.map { rows[$0] }
    var table = TextTable([.left, .right, .right, .right, .right, .right, .right, .left])
    table.gap = 1
    table.add(
      "memory, GiB", "params", "grads", "optim.", "activ.", "comm.", "peak", "holds")
    for row in rows {
      let (first, last) = (row.positions.lowerBound, row.positions.upperBound)
      table.add(
        [first == last ? "position \(first)" : "positions \(first)-\(last)"] + row.cells)
    }
    var text = lines(table)
    if hidden > 0 {
      text.append("  and \(counted(hidden, "line")) between them, which --json shows")
    }
    return text
  }

  /// Indices that stand for all: the ends, the ones that must be shown, others evenly in between.
  private func chosen(of count: Int, most: Int, mustShow: (Int) -> Bool) -> [Int] {
    let most = max(3, most)
    guard count > most else { return Array(0..<count) }
    let spread = (0..<most - 1).map { $0 * (count - 1) / (most - 2) }
    return Set(spread + (0..<count).filter(mustShow)).sorted()
  }

  private func cells(of stage: Stage) -> [String] {
    let memory = stage.memoryBytes
    let parts = [
      memory.parameters, memory.gradients, memory.optimizer, memory.activations,
      memory.communication, memory.peak,
    ]
    let mark = stage.fits ? "" : " (too much)"
    return parts.map(gibibytes) + [" " + shortened(stage.units.joined(separator: " + ")) + mark]
  }

  // MARK: - Text

  private func lines(_ table: TextTable) -> [String] {
    table.text().split(separator: "\n").map { $0.count > Self.columns ? cut($0) : String($0) }
  }

  /// The words of the field for parts of a model, which leave room on a line.
  private func shortened(_ units: String) -> String {
    var text = units
    for (long, short) in [("embedding", "embed"), ("mixture", "MoE"), ("1 MTP", "MTP")] {
      text = text.split(separator: long, omittingEmptySubsequences: false).joined(separator: short)
    }
    return text
  }

  private func cut(_ line: Substring) -> String { line.prefix(Self.columns - 1) + "…" }

  /// Two blocks side by side.
  private func beside(_ left: [String], _ right: [String]) -> [String] {
    let width = (left.map(\.count).max() ?? 0) + 2
    return (0..<max(left.count, right.count)).map { row in
      let start = row < left.count ? left[row] : ""
      guard row < right.count else { return start }
      return start + String(repeating: " ", count: width - start.count) + right[row]
    }
  }

  private func gibibytes(_ bytes: Int) -> String { fixed(Double(bytes) / 0x1p30, decimals: 1) }
}

/// A large number in the short form of the field: `14.8 T`, `2.79 M`.
func large(_ value: Double) -> String {
  let units: [(Double, String)] = [(1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")]
  for (size, name) in units where value >= size * 0.9995 {
    return threeFigures(value / size) + name
  }
  return threeFigures(value)
}

/// Tokens a second of one device: in full up to four digits, then in the short form.
func tokenRate(_ value: Double) -> String {
  value < 9999.5 ? threeFigures(value) : large(value)
}
