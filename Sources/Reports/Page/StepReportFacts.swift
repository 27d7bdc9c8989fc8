import Quantities

extension StepFigures {
  /// By what plan, and where the time goes.
  var remarks: [String] {
    let bubble = splitSeconds.bubble
    let parts = wholeParts.filter { $0.seconds >= 0.0005 * stepSeconds }
      .sorted { $0.seconds > $1.seconds }
      .map { "\(percent($0.seconds / stepSeconds)) \($0.name)" }
    let between =
      bubble >= 0.0005 * stepSeconds ? "; of this \(percent(bubble / stepSeconds)) bubble" : ""
    return [
      "Plan \(plan): \(degreeText). The step at position 0: "
        + "\(parts.joined(separator: ", "))\(between)."
    ]
  }

  /// What position 0 does all the time: parts that exclude each other and add up to the step.
  ///
  /// The bubble is none of them: between two passes a rank waits for its neighbours, or for their messages.
  var wholeParts: [(name: String, seconds: Double)] {
    let exposed = communicationSeconds.kinds.reduce(0) { $0 + $1.time.exposed }
    let waiting = communicationSeconds.kinds.reduce(0) { $0 + $1.time.waiting }
    return [
      ("kernels", busySeconds), ("exposed communication", exposed), ("waiting for peers", waiting),
      ("between kernels", max(0, stepSeconds - busySeconds - exposed - waiting)),
    ]
  }

  private var degreeText: String {
    var text = "dp \(degrees.dp), pp \(degrees.pp)"
    if degrees.tp > 1 { text += ", tp \(degrees.tp)" }
    if degrees.cp > 1 { text += ", cp \(degrees.cp)" }
    if degrees.ep > 1 { text += ", ep \(degrees.ep)" }
    if degrees.ep > 1 && degrees.tp > 1 || degrees.etp != degrees.tp {
      text += ", etp \(degrees.etp)"
    }
    return text
  }

  /// What everybody asks for first.
  var facts: [ReportPage.Fact] {
    [stepFact, throughputFact, efficiencyFact, costFact] + [budgetFact].compactMap { $0 }
      + [computeFact] + [clockFact].compactMap { $0 } + [memoryFact]
      + [workspaceFact].compactMap { $0 }
  }

  private var stepFact: ReportPage.Fact {
    let spread =
      seeds > 1
      ? ", mean of \(seeds) seeds, deviation \(fixed(stepSecondsDeviation, decimals: 3)) s" : ""
    return .init(
      "Step",
      ReportFigure("\(fixed(stepSeconds, decimals: 3)) s", stepSeconds, key: "step_seconds"),
      note: "\(large(Double(tokensPerStep))) tokens"
        + (paddingTokensPerStep.map { " beside \(large(Double($0))) of padding" } ?? "") + spread)
  }

  private var throughputFact: ReportPage.Fact {
    .init(
      "Throughput", ReportFigure(large(tokensPerDay), tokensPerDay, key: "tokens_per_day"),
      note: "tokens a day, \(large(tokensPerSecond)) a second, "
        + "\(tokenRate(tokensPerSecondPerGpu)) a second and GPU")
  }

  private var efficiencyFact: ReportPage.Fact {
    .init(
      "MFU", .share(mfu.causal, key: "mfu.causal"),
      note: "\(threeFigures(tflopsPerGpu.causal)) TFLOPS per GPU, non-causal "
        + "\(threeFigures(tflopsPerGpu.nonCausal)), \(percent(mfu.nonCausal)); HFU "
        + percent(hfu.causal)
        + (library.map { $0.hasPrefix("fp8") ? "; linear maps in FP8 by \($0)" : "" } ?? ""))
  }

  private var costFact: ReportPage.Fact {
    .init(
      "Cost",
      ReportFigure(
        "\(large(usDollarsPerTrillionTokens)) US$", usDollarsPerTrillionTokens,
        key: "us_dollars_per_trillion_tokens"),
      note: "a trillion tokens, \(large(gpuHoursPerTrillionTokens)) GPU-hours at "
        + "\(fixed(usDollarsPerGpuHour, decimals: 2)) US$")
  }

  private var budgetFact: ReportPage.Fact? {
    budget.map {
      .init(
        "Budget",
        ReportFigure("\(large($0.usDollars)) US$", $0.usDollars, key: "budget.us_dollars"),
        note: "\(large($0.tokens)) tokens in \(threeFigures($0.days)) days and "
          + "\(large($0.gpuHours)) GPU-hours")
    }
  }

  /// How long the compute stream is busy, and with which kernels most; what would be 0 % is not said.
  private var computeFact: ReportPage.Fact {
    let rows = secondsByKernel.rows.filter { $0.total >= 0.005 * busySeconds }
    let parts = rows.sorted { $0.total > $1.total }.prefix(4)
      .map { "\($0.name) \(percent($0.total / busySeconds, decimals: 0))" }
    return .init(
      "Compute",
      ReportFigure("\(fixed(busySeconds, decimals: 3)) s", busySeconds, key: "busy_seconds"),
      note: "of position 0 in kernels: \(parts.joined(separator: ", "))")
  }

  private var clockFact: ReportPage.Fact? {
    guard let clockHertz, let watts else { return nil }
    let cap = powerCapWatts.map { " of the \(fixed($0, decimals: 0)) that it may" } ?? ""
    return .init(
      "Clock",
      ReportFigure(
        "\(fixed(clockHertz / 1e6, decimals: 0)) MHz", clockHertz, key: "clock_hertz"),
      note: "in kernels, where a device draws \(fixed(watts, decimals: 0)) W\(cap)")
  }

  /// What the fullest rank holds of its device, with what its allocator and everything else keep beside.
  private var memoryFact: ReportPage.Fact {
    let memory = memoryBytes
    let reserved = memory.reserved.map { ", \(gibibytes(Double($0))) reserved" } ?? ""
    let beside = memory.reserve > 0 ? " beside \(gibibytes(Double(memory.reserve)))" : ""
    let excess = max(memory.peak, memory.reserved ?? 0) + memory.reserve - memory.limit
    return .init(
      "Memory",
      ReportFigure(
        "\(gibibytes(Double(memory.peak))) GiB", Double(memory.peak), key: "memory_bytes.peak"),
      note: "of \(gibibytes(Double(memory.limit))) at position \(fullestPosition)\(reserved): "
        + (fits ? "fits\(beside)" : "does NOT fit, \(gibibytes(Double(excess))) GiB too much"))
  }

  private var workspaceFact: ReportPage.Fact? {
    guard !workspace.isEmpty else { return nil }
    let parts = workspace.map { "\($0.name) \(gibibytes(Double($0.bytes)))" }
    return .init(
      "Framework",
      ReportFigure(
        "\(gibibytes(Double(memoryBytes.workspace))) GiB", Double(memoryBytes.workspace),
        key: "memory_bytes.workspace"), note: "of these: \(parts.joined(separator: ", "))")
  }
}
