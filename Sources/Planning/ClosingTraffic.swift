import Plans
import Programs
import Simulation

/// What goes over ranks that hold copies behind the passes that add to gradients: reductions, the agreement on
/// the norm, gathers of what was updated.
struct ClosingTraffic {
  private let plan: Plan
  private let pricing: SharedPricing
  private let copies: (dense: Double, experts: Double)

  init(_ plan: Plan, _ pricing: SharedPricing, copies: (dense: Double, experts: Double)) {
    (self.plan, self.pricing, self.copies) = (plan, pricing, copies)
  }

  /// Whether reductions start in the last pass that adds to the gradients of their stage, or behind it.
  var isBesideBackwards: Bool { plan.overlaps(.gradientReduction) }

  /// Seconds in which all ranks agree on the norm of gradients.
  var agreement: Double { pricing.prices.secondsOfAgreement() }

  /// Seconds to reduce so many gradients at once.
  ///
  /// Buckets of them take no less. From ZeRO stage 2 on every backward reduces its own.
  func reduce(_ dense: Double, _ experts: Double) -> Double {
    guard plan.zeroStage.rawValue < 2 else { return 0 }
    let bits = plan.precision.gradientReduction.bits
    return parts(dense, experts).reduce(0) { sum, part in
      let kind: TransferKind =
        plan.zeroStage == .nothing ? .allReduce(part.group) : .reduceScatter(part.group)
      return sum + seconds(kind, part.elements, bits)
    }
  }

  /// Seconds to gather so many parameters behind the update.
  func gather(_ dense: Double, _ experts: Double) -> Double {
    guard plan.zeroStage == .optimizer || plan.zeroStage == .gradients,
      !plan.gathersAheadOfForward
    else { return 0 }
    return parts(dense, experts).reduce(0) { sum, part in
      sum
        + seconds(
          .allGather(part.group), part.elements / part.copies, plan.precision.leastGatherBits)
    }
  }

  private func parts(
    _ dense: Double, _ experts: Double
  ) -> [(group: TransferKind.Group, elements: Double, copies: Double)] {
    let groups = plan.dividingGroups
    return [(groups.dense, dense, copies.dense), (groups.experts, experts, copies.experts)]
      .filter { $0.2 > 1 && $0.1 >= 1 }
  }

  private func seconds(_ kind: TransferKind, _ elements: Double, _ bits: Int) -> Double {
    guard elements >= 1 else { return 0 }
    return pricing.prices.seconds(
      ofCollective: Transfer(
        kind, outputs: [], inputs: [], stream: .data, bytesPerRow: max(1, bits / 8),
        rows: .fixed(Int(elements)), phase: .optimizer, pass: .backwardWeight, layer: -1),
      stage: 0)
  }
}

/// What decides the gathers behind the passes.
struct ClosingKey: Hashable {
  var kernels: KernelSetting
  var pipeline: Int
  var data: Int
  var zero: Plan.ZeROStage
  var group: Int?
  var isBidirectional: Bool

  init(_ candidate: Candidate) {
    kernels = candidate.kernels.recomputing(.none).communicating(on: nil)
    kernels.dispatcher = nil
    kernels.tensorExchange = nil
    (pipeline, data) = (candidate.pipeline, candidate.data)
    (zero, group) = (candidate.member.zero, candidate.member.shardingGroup)
    isBidirectional = candidate.member.schedule.isBidirectional
  }
}
