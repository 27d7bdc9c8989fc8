import Clusters
import Costs
import Plans
import Quantities
import Simulation

/// The inputs of a simulation that no publication gives.
enum Assumptions {
  /// One short phrase each, in a fixed order.
  static func of(_ step: PlannedStep, _ range: StepFigures.ExchangeRange?) -> [String] {
    let (placed, plan) = (step.placed, step.placed.plan)
    var list = ["layers per stage \(runs(placed.layout.layerCounts))"]
    if plan.expertParallel > 1 {
      switch plan.expertLoad {
      case .balanced: list.append("experts evenly loaded")
      case .deviation(let deviation, let seed, let correlation):
        let draws =
          correlation == Plan.LoadCorrelation()
          ? "anew for every layer and microbatch"
          : "correlation \(correlation.layers) of layers, \(correlation.microbatches) of "
            + "microbatches"
        list.append(
          "expert load scatters by \(percent(deviation)) over ranks (seed \(seed)), \(draws), "
            + "in times alone: memory is that of the mean load")
      case .counts(let file): list.append("expert load from \(file)")
      }
    }
    if let whole = step.wholeDocuments {
      if whole.shortened > 0 {
        list.append(
          "\(percent(whole.shortened)) of the whole documents, longer than a sequence, lose their ends"
        )
      }
      if step.documents == nil { list.append("whole documents: \(percent(whole.padding)) padding") }
    }
    if let documents = step.documents {
      list.append(
        "attention within documents: \(percent(documents.work)) of the pairs of whole sequences, "
          + "\(percent(documents.padding)) padding")
    }
    if let count = plan.computationSMs, count < step.cluster.device.multiprocessors.value {
      list.append(
        "computation on \(count) of \(step.cluster.device.multiprocessors.value) SMs throughout")
    }
    let isFP8 = plan.precision.linearOperands == .e4m3
    if isFP8, plan.library == nil, let library = step.pricing.library {
      list.append("FP8 products by \(library.rawValue), the newest library of the cluster's file")
    }
    if let borrowing = attention32(step) {
      list.append(borrowing)
    } else if plan.fusedAttention, plan.attentionLibrary == nil,
      let usual = step.pricing.device.attention.usual,
      step.pricing.device.attention.known.count > 1
    {
      list.append("attention by \(usual.rawValue), which frameworks take first on such a device")
    }
    list += ofConstants(of: step.cluster, step.pricing.device, sections: ["device", "node"])
    list += step.assumptions
    if let range { list.append(range.phrase) }
    let unpublished = step.cluster.facts.filter { fact in
      if case .assumption = fact.origin { true } else { false }
    }
    if !unpublished.isEmpty {
      list.append(
        "\(counted(unpublished.count, "value")) of the cluster (sluice cluster "
          + "\(step.cluster.name))"
      )
    }
    return list
  }
}

extension Assumptions {
  /// Whose kernels attention in 32 bits is, and as how fast they are taken; nil where it is unfused, or narrower.
  private static func attention32(_ step: PlannedStep) -> String? {
    let plan = step.placed.plan
    guard plan.fusedAttention, plan.precision.has32BitAttention,
      let usual = step.pricing.device.attention.usual
    else { return nil }
    return
      "\(plan.precision.attentionOperands.rawValue) attention by PyTorch's memory-efficient "
      + "kernels, which nobody has measured: as efficient as \(usual.rawValue) in 16 bits"
  }

  /// What the constants of a cluster's cost formulas stand for that were not measured on it.
  ///
  /// - Parameters:
  ///   - device: its kernels; nil where nobody measured them.
  ///   - sections: those that the question is about, `device`, `node.exchange`.
  static func ofConstants(
    of cluster: Cluster, _ device: DeviceModel?, sections: [String]
  ) -> [String] {
    func isAsked(_ section: String) -> Bool {
      sections.contains { section == $0 || section.hasPrefix($0 + ".") }
    }
    var list: [String] = []
    let borrowed = cluster.borrowings.filter { isAsked($0.section) }
    var sources: [String] = []
    for borrowing in borrowed where !sources.contains(borrowing.source) {
      sources.append(borrowing.source)
    }
    if !borrowed.isEmpty {
      let parts = sources.map { source in
        let sections = borrowed.filter { $0.source == source }.map(\.section)
        return "\(source) (\(sections.joined(separator: ", ")))"
      }
      list.append("constants borrowed from \(parts.joined(separator: " and "))")
    }
    if isAsked("device"), cluster.device.kernelsAreScaled {
      list.append(
        "kernels as efficient as those of another device, at the peaks and the memory of "
          + "\(cluster.device.name)"
      )
    }
    if isAsked("device"), let device { list += slowProducts(cluster.device, device) }
    return list
  }

  /// Products whose constants stay below what the device's data sheet says: those of an older chip.
  private static func slowProducts(_ device: Device, _ model: DeviceModel) -> [String] {
    MatmulPrecision.allCases.compactMap { precision in
      guard let library = model.library(for: precision), let peak = device.peak(of: precision),
        let constants = model.matmuls[library]
      else { return nil }
      let reached = FLOPsPerSecond(
        constants.flopsPerClock * Double(model.multiprocessors) * model.boostClock)
      guard reached.value < 0.98 * peak.value else { return nil }
      return "\(library.rawValue) products at up to \(reached) of the device's \(peak)"
    }
  }
}

/// Equal neighbours taken together: `15 x 4, 1`.
func runs(_ counts: [Int]) -> String {
  var parts: [String] = []
  var index = 0
  while index < counts.count {
    let end = counts[index...].firstIndex { $0 != counts[index] } ?? counts.count
    parts.append(end - index > 1 ? "\(end - index) x \(counts[index])" : "\(counts[index])")
    index = end
  }
  return parts.joined(separator: ", ")
}
