import Clusters
import Plans
import Quantities
import Simulation

/// The inputs of a simulation that no publication gives.
enum Assumptions {
  /// One short phrase each, in a fixed order.
  static func of(_ step: PlannedStep) -> [String] {
    let (placed, plan) = (step.placed, step.placed.plan)
    var list = ["layers per stage \(runs(placed.layout.layerCounts))"]
    if plan.expertParallel > 1 {
      switch plan.expertLoad {
      case .balanced: list.append("experts evenly loaded")
      case .deviation(let deviation, let seed):
        list.append("expert load scatters by \(percent(deviation)) over ranks (seed \(seed))")
      case .counts(let file): list.append("expert load from \(file)")
      }
    }
    if let count = plan.computationSMs {
      list.append(
        "computation on \(count) of \(step.cluster.device.multiprocessors.value) SMs throughout")
    }
    let isFP8 = plan.precision.linearOperands == .e4m3
    if isFP8, plan.library == nil, let library = step.pricing.library {
      list.append("FP8 products by \(library.rawValue), the newest library of the cluster's file")
    }
    let unpublished = step.cluster.facts.filter { fact in
      if case .assumption = fact.origin { true } else { false }
    }
    if !unpublished.isEmpty {
      list.append(
        "\(counted(unpublished.count, "value")) of the cluster (sluice cluster \(step.cluster.name))"
      )
    }
    return list
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
