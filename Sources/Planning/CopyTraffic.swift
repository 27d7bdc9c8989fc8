import Plans
import Programs
import Simulation

/// What is gathered and reduced in the passes over ranks that hold copies of parameters, unit by unit: with
/// ZeRO stage 2 gradients, with stage 3 parameters, too.
struct CopyTraffic {
  private let plan: Plan
  private let pricing: SharedPricing
  private let copies: (dense: Double, experts: Double)
  /// Units that were asked for before, whatever their stage.
  private var known: [Key: (gather: Double, reduce: Double)] = [:]

  init(_ plan: Plan, _ pricing: SharedPricing, copies: (Double, Double)) {
    self.plan = plan
    self.pricing = pricing
    self.copies = copies
  }

  private struct Key: Hashable {
    var dense: Double
    var experts: Double
  }

  /// What goes over copies in the passes of a stage.
  struct Seconds {
    var forward = 0.0
    var backward = 0.0
    /// Of these, what may go beside the action before, or behind this one: the gathers with which it begins,
    /// the reductions with which it ends.
    var aheadOfForward = 0.0
    var aheadOfBackward = 0.0
    var behindBackward = 0.0
    /// What a backward for the weights reduces; one for the input gathers the rest.
    var reduced = 0.0
  }

  /// Seconds of what a stage with some of a model's units gathers and reduces.
  ///
  /// - Parameter beginsModel: the first unit is the embedding, which no backward reads.
  mutating func seconds(
    of units: UnitCosts, _ range: Range<Int>, beginsModel: Bool
  ) -> Seconds {
    let all = range.map { unit -> (gather: Double, reduce: Double) in
      let kind = units.kind(of: unit)
      let key = Key(dense: kind.cost.dense.elements, experts: kind.cost.experts.elements)
      if let own = known[key] { return own }
      let own = self.seconds(of: key)
      known[key] = own
      return own
    }
    // One unit is gathered in the action before, however many are within a pass.
    let ahead = min(1, plan.prefetchedUnits)
    let back = plan.reshardsAfterForward ? all.dropFirst(beginsModel ? 1 : 0) : []
    var seconds = Seconds()
    seconds.reduced = all.reduce(0) { $0 + $1.reduce }
    seconds.forward = all.reduce(0) { $0 + $1.gather }
    seconds.backward = back.reduce(0) { $0 + $1.gather } + seconds.reduced
    seconds.aheadOfForward = all.prefix(ahead).reduce(0) { $0 + $1.gather }
    seconds.aheadOfBackward = back.suffix(ahead).reduce(0) { $0 + $1.gather }
    // Tensors of a unit go in one reduction, or two where it has experts.
    seconds.behindBackward = all.reduce(0) { max($0, $1.reduce) }
    return seconds
  }

  /// Multiprocessors that their channels take, of every group that there may be.
  var channels: Set<Int> {
    let groups = plan.dividingGroups
    var channels: Set<Int> = []
    for (group, copies, equal) in [
      (groups.dense, copies.dense, TransferKind.Group.gradientReplicas),
      (groups.experts, copies.experts, .expertReplicas),
    ] where copies > 1 {
      channels.insert(pricing.prices.channels(of: Self.transfer(.reduceScatter(group), 1, bits: 8)))
      if group == .gradientShards || group == .expertShards {
        channels.insert(pricing.prices.channels(of: Self.transfer(.allReduce(equal), 1, bits: 8)))
      }
    }
    return channels.subtracting([0])
  }

  private func seconds(of unit: Key) -> (gather: Double, reduce: Double) {
    var (gather, reduce) = (0.0, 0.0)
    let groups = plan.dividingGroups
    for (group, elements, copies, equal) in [
      (groups.dense, unit.dense, copies.dense, TransferKind.Group.gradientReplicas),
      (groups.experts, unit.experts, copies.experts, .expertReplicas),
    ] where copies > 1 && elements >= 1 {
      let bits = plan.precision.gradientReduction.bits
      reduce += seconds(.reduceScatter(group), elements, bits)
      // Groups that divide the state add their shards up behind that.
      if group == .gradientShards || group == .expertShards {
        reduce += seconds(.allReduce(equal), elements / copies, bits)
      }
      if plan.zeroStage == .parameters {
        gather += seconds(
          .allGather(group), elements / copies, plan.precision.parameterGather.bits)
      }
    }
    return (gather, reduce)
  }

  private func seconds(_ kind: TransferKind, _ elements: Double, _ bits: Int) -> Double {
    pricing.prices.seconds(
      ofCollective: Self.transfer(kind, elements, bits: bits), stage: 0)
  }

  private static func transfer(_ kind: TransferKind, _ elements: Double, bits: Int) -> Transfer {
    Transfer(
      kind, outputs: [], inputs: [], stream: .data, bytesPerRow: max(1, bits / 8),
      rows: .fixed(Int(elements)), phase: .optimizer, pass: .backwardWeight, layer: -1)
  }
}

extension Plan {
  /// The groups that divide training state: all copies, or some of them.
  var dividingGroups: (dense: TransferKind.Group, experts: TransferKind.Group) {
    shardingRanks == nil
      ? (.gradient, .expertGradient) : (.gradientShards, .expertShards)
  }
}
