import Plans
import Programs
import Simulation

/// What is gathered and reduced in the passes over ranks that hold copies of parameters, unit by unit: with
/// ZeRO stage 2 gradients, with stage 3 parameters, too.
struct CopyTraffic {
  private let plan: Plan
  private let pricing: ClusterPricing
  private let copies: (dense: Double, experts: Double)

  init(_ plan: Plan, _ pricing: ClusterPricing, copies: (Double, Double)) {
    self.plan = plan
    self.pricing = pricing
    self.copies = copies
  }

  private struct Key: Hashable {
    var dense: Double
    var experts: Double
  }

  /// Seconds to gather the parameters of units, and to reduce their gradients.
  func seconds(of units: ArraySlice<UnitCost>) -> (gather: Double, reduce: Double) {
    var known: [Key: (Double, Double)] = [:]
    var (gather, reduce) = (0.0, 0.0)
    for unit in units {
      let key = Key(dense: unit.dense.elements, experts: unit.experts.elements)
      let own = known[key] ?? seconds(of: key)
      known[key] = own
      gather += own.0
      reduce += own.1
    }
    return (gather, reduce)
  }

  private func seconds(of unit: Key) -> (Double, Double) {
    var (gather, reduce) = (0.0, 0.0)
    for (group, elements, copies) in [
      (TransferKind.Group.gradient, unit.dense, copies.dense),
      (.expertGradient, unit.experts, copies.experts),
    ] where copies > 1 && elements >= 1 {
      reduce += seconds(.reduceScatter(group), elements, plan.precision.gradientReduction.bits)
      if plan.zeroStage == .parameters {
        gather += seconds(
          .allGather(group), elements / copies, plan.precision.parameterGather.bits)
      }
    }
    return (gather, reduce)
  }

  private func seconds(_ kind: TransferKind, _ elements: Double, _ bits: Int) -> Double {
    pricing.seconds(
      ofCollective: Transfer(
        kind, outputs: [], inputs: [], stream: .data, bytesPerRow: max(1, bits / 8),
        rows: .fixed(Int(elements)), phase: .optimizer, pass: .backwardWeight, layer: -1),
      stage: 0)
  }

  /// Bytes of a unit's parameters while they are whole.
  func gathered(_ unit: UnitCost) -> Double {
    guard plan.zeroStage == .parameters else { return 0 }
    let bytes = Double(plan.precision.parameterGather.bits) / 8
    return (copies.dense > 1 ? unit.dense.elements * bytes : 0)
      + (copies.experts > 1 ? unit.experts.elements * bytes : 0)
  }
}
