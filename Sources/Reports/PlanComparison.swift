import Plans
import Quantities

/// Several plans side by side, and what makes the difference.
public struct PlanComparison: Sendable {
  /// One plan with the figures of its step.
  public struct Entry: Sendable {
    public var plan: Plan
    public var figures: StepFigures

    public init(plan: Plan, figures: StepFigures) {
      self.plan = plan
      self.figures = figures
    }
  }

  public var entries: [Entry]

  /// Compares at least two entries; the first is the one that others are held against.
  public init(_ entries: [Entry]) {
    precondition(entries.count > 1, "A comparison needs two plans.")
    self.entries = entries
  }

  /// A column per plan, and a sentence per plan after the first.
  public var text: String {
    let first = entries[0].figures
    var text = "\(first.model) on \(first.cluster)\n"
    text += figureTable.text() + "\n" + settingTable
    text += "What makes the difference to \(first.plan)\n"
    for entry in entries.dropFirst() {
      let lines = wrapped(difference(of: entry.figures), width: 96)
      text += "  " + lines.joined(separator: "\n    ") + "\n"
    }
    return text
  }

  private var figureTable: TextTable {
    var table = TextTable([.left])
    func add(_ name: String, _ text: (StepFigures) -> String) {
      table.add([name] + entries.map { text($0.figures) })
    }
    add("plan") { $0.plan }
    add("GPUs") { grouped($0.ranks) }
    add("step, s") { fixed($0.stepSeconds, decimals: 3) }
    for index in entries[0].figures.splitSeconds.parts.indices {
      let name = entries[0].figures.splitSeconds.parts[index].name
      add("  \(name)") { fixed($0.splitSeconds.parts[index].seconds, decimals: 3) }
    }
    add("tokens a step") { large(Double($0.tokensPerStep)) }
    add("tokens a day") { large($0.tokensPerDay) }
    add("tokens a second and GPU") { threeFigures($0.tokensPerSecondPerGpu) }
    add("TFLOPS per GPU, causal") { threeFigures($0.tflopsPerGpu.causal) }
    add("MFU, causal") { percent($0.mfu.causal) }
    add("MFU, non-causal") { percent($0.mfu.nonCausal) }
    add("HFU") { percent($0.hfu.causal) }
    add("exposed communication, s") { figures in
      fixed(
        figures.communicationSeconds.kinds.reduce(0) { $0 + $1.time.exposed }, decimals: 3)
    }
    add("waiting for peers, s") { figures in
      fixed(
        figures.communicationSeconds.kinds.reduce(0) { $0 + $1.time.waiting }, decimals: 3)
    }
    add("peak memory, GiB") { figures in
      fixed(Double(figures.memoryBytes.peak) / 0x1p30, decimals: 1)
        + (figures.fits ? "" : " (too much)")
    }
    add("GPU-hours per trillion tokens") { large($0.gpuHoursPerTrillionTokens) }
    add("US$ per trillion tokens") { large($0.usDollarsPerTrillionTokens) }
    return table
  }

  /// The settings in which the plans differ; nothing where they do not.
  private var settingTable: String {
    var table = TextTable([.left])
    for setting in Self.settings {
      let values = entries.map { setting.text($0.plan) }
      if Set(values).count > 1 { table.add([setting.name] + values) }
    }
    return table.rows.isEmpty
      ? "The plans have the same settings.\n\n"
      : "Settings that differ\n" + table.text() + "\n"
  }

  /// `b: +1.20 s: bubble +0.90, optimizer +0.30`, the largest part first.
  private func difference(of figures: StepFigures) -> String {
    let first = entries[0].figures
    let total = figures.stepSeconds - first.stepSeconds
    let parts = zip(figures.splitSeconds.parts, first.splitSeconds.parts)
      .map { (name: $0.name, seconds: $0.seconds - $1.seconds) }
      .filter { $0.seconds.magnitude >= 0.0005 }
      .sorted { $0.seconds.magnitude > $1.seconds.magnitude }
      .map { "\($0.name) \(signed($0.seconds))" }
    let perGPU = figures.tokensPerSecondPerGpu / first.tokensPerSecondPerGpu - 1
    return "\(figures.plan): step \(signed(total)) s"
      + (parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))")
      + "; tokens a second and GPU \(perGPU < 0 ? "" : "+")\(percent(perGPU))"
  }

  private func signed(_ value: Double) -> String {
    (value < 0 ? "" : "+") + fixed(value, decimals: 3)
  }

  private struct Setting: Sendable {
    let name: String
    let text: @Sendable (Plan) -> String
  }

  private static let settings: [Setting] = [
    Setting(name: "data-parallel") { "\($0.dataParallel)" },
    Setting(name: "tensor-parallel") { "\($0.tensorParallel)" },
    Setting(name: "sequence-parallel") { "\($0.sequenceParallel)" },
    Setting(name: "pipeline-parallel") { "\($0.pipelineParallel)" },
    Setting(name: "stages-per-rank") { "\($0.stagesPerRank)" },
    Setting(name: "context-parallel") { "\($0.contextParallel)" },
    Setting(name: "expert-parallel") { "\($0.expertParallel)" },
    Setting(name: "expert-tensor-parallel") { "\($0.expertTensorParallel)" },
    Setting(name: "zero-stage") { "\($0.zeroStage.rawValue)" },
    Setting(name: "microbatch-size") { "\($0.microbatchSize)" },
    Setting(name: "global-batch") { "\($0.globalBatch)" },
    Setting(name: "sequence-length") { "\($0.sequenceLength)" },
    Setting(name: "schedule") { plan in
      switch plan.schedule {
      case .named(let name): name
      case .file(let path): path
      }
    },
    Setting(name: "send-mode") { $0.sends.rawValue },
    Setting(name: "precision") { $0.precision.name },
    Setting(name: "recompute") { plan in
      switch plan.recomputation {
      case .none: "none"
      case .full: "full"
      case .selective, .modules:
        plan.recomputation.modules.map(\.rawValue).joined(separator: " ")
      }
    },
    Setting(name: "layout") { plan in
      switch plan.layout {
      case .even: "even"
      case .balanced: "balanced"
      case .layers(let counts): "layers " + runs(counts)
      case .units(let counts): "units " + runs(counts)
      case .evenUnits: "units even"
      }
    },
    Setting(name: "nodes-per-token") { plan in plan.nodesPerToken.map { "\($0)" } ?? "any" },
    Setting(name: "communication-sms") { plan in
      plan.communicationSMs.map { "\($0)" } ?? "none"
    },
    Setting(name: "computation-sms") { plan in plan.computationSMs.map { "\($0)" } ?? "all" },
    Setting(name: "overlap: pipeline sends") { "\($0.overlaps(.pipelineSends))" },
    Setting(name: "overlap: expert exchange") { "\($0.overlaps(.expertExchange))" },
    Setting(name: "overlap: gradient reduction") { "\($0.overlaps(.gradientReduction))" },
    Setting(name: "overlap: parameter gather") { "\($0.overlaps(.parameterGather))" },
    Setting(name: "overlap: tensor exchange") { "\($0.overlaps(.tensorExchange))" },
    Setting(name: "expert-load") { plan in
      switch plan.expertLoad {
      case .balanced: "balanced"
      case .deviation(let deviation, let seed): "\(percent(deviation)), seed \(seed)"
      case .counts(let file): file
      }
    },
    Setting(name: "fused-attention") { "\($0.fusedAttention)" },
    Setting(name: "fused-loss") { "\($0.fusedLoss)" },
    Setting(name: "dropout") { "\($0.dropout)" },
    Setting(name: "collective algorithm") { $0.collectiveAlgorithm?.rawValue ?? "fastest" },
  ]
}
