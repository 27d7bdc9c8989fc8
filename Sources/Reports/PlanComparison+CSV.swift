extension PlanComparison {
  /// A line per plan with the figures under the names that they have in JSON, points between levels.
  public var csv: String {
    let columns = Self.columns
    var lines = [(["label"] + columns.map(\.name)).joined(separator: ",")]
    for (label, figures) in zip(labels, figures) {
      lines.append(
        ([label] + columns.map { $0.text(figures) }).map(Self.cell).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Quoted where a comma, a quote or a line's end needs it (RFC 4180).
  static func cell(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  private struct Column {
    var name: String
    var text: (StepFigures) -> String
  }

  private static var columns: [Column] {
    var columns: [Column] = []
    func text(_ name: String, _ value: @escaping (StepFigures) -> String) {
      columns.append(Column(name: name, text: value))
    }
    func number(_ name: String, _ value: @escaping (StepFigures) -> Double) {
      text(name) { "\(value($0))" }
    }
    func count(_ name: String, _ value: @escaping (StepFigures) -> Int) {
      text(name) { "\(value($0))" }
    }
    text("plan") { $0.plan }
    text("inputs.plan.given") { $0.inputs.plan?.given ?? "" }
    text("model") { $0.model }
    text("cluster") { $0.cluster }
    count("ranks") { $0.ranks }
    for (name, degree) in degrees { count("degrees.\(name)") { $0.degrees[keyPath: degree] } }
    number("step_seconds") { $0.stepSeconds }
    for (name, part) in splitParts {
      number("split_seconds.\(name)") { $0.splitSeconds[keyPath: part] }
    }
    number("busy_seconds") { $0.busySeconds }
    for (name, kind) in kinds {
      for (part, path) in times {
        number("communication_seconds.\(name).\(part)") {
          $0.communicationSeconds[keyPath: kind][keyPath: path]
        }
      }
    }
    count("tokens_per_step") { $0.tokensPerStep }
    number("tokens_per_second") { $0.tokensPerSecond }
    number("tokens_per_second_per_gpu") { $0.tokensPerSecondPerGpu }
    number("tokens_per_day") { $0.tokensPerDay }
    number("tflops_per_gpu.causal") { $0.tflopsPerGpu.causal }
    number("tflops_per_gpu.non_causal") { $0.tflopsPerGpu.nonCausal }
    number("mfu.causal") { $0.mfu.causal }
    number("mfu.non_causal") { $0.mfu.nonCausal }
    number("hfu.causal") { $0.hfu.causal }
    count("memory_bytes.peak") { $0.memoryBytes.peak }
    count("memory_bytes.limit") { $0.memoryBytes.limit }
    text("fits") { "\($0.fits)" }
    number("us_dollars_per_gpu_hour") { $0.usDollarsPerGpuHour }
    number("gpu_hours_per_trillion_tokens") { $0.gpuHoursPerTrillionTokens }
    number("us_dollars_per_trillion_tokens") { $0.usDollarsPerTrillionTokens }
    // Empty where no budget was given.
    for (name, path) in budgets {
      text("budget.\(name)") { $0.budget.map { "\($0[keyPath: path])" } ?? "" }
    }
    return columns
  }

  private static var degrees: [(String, KeyPath<StepFigures.Degrees, Int>)] {
    [("dp", \.dp), ("tp", \.tp), ("pp", \.pp), ("cp", \.cp), ("ep", \.ep)]
  }

  private static var splitParts: [(String, KeyPath<StepFigures.Split, Double>)] {
    [
      ("forward", \.forward), ("backward", \.backward), ("backward_input", \.backwardInput),
      ("backward_weight", \.backwardWeight), ("overlapped", \.overlapped), ("bubble", \.bubble),
      ("optimizer", \.optimizer),
    ]
  }

  private static var kinds:
    [(String, KeyPath<StepFigures.Communications, StepFigures.Communication>)]
  {
    [
      ("expert", \.expert), ("pipeline", \.pipeline), ("data", \.data), ("tensor", \.tensor),
      ("context", \.context),
    ]
  }

  private static var times: [(String, KeyPath<StepFigures.Communication, Double>)] {
    [("total", \.total), ("hidden", \.hidden), ("exposed", \.exposed), ("waiting", \.waiting)]
  }

  private static var budgets: [(String, KeyPath<StepFigures.Budget, Double>)] {
    [
      ("tokens", \.tokens), ("gpu_hours", \.gpuHours), ("us_dollars", \.usDollars),
      ("days", \.days),
    ]
  }
}
