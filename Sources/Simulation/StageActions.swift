import Engines
import Plans
import Programs
import Quantities
import Schedules

extension PlannedStep {
  /// What the passes of every stage take by themselves, in nanoseconds, with balanced loads, and keep, in bytes;
  /// pairs in the plan's order where the plan merges passes.
  ///
  /// What a rank may keep is the device's memory less the reserve, what it holds for its stages and what its
  /// fullest action takes beside what it keeps.
  ///
  /// - Complexity: a simulation of every pass of every kind of stage, and of every pair of kinds.
  public var stageCosts: StageCosts {
    let tables = RoutedPrices(pricing)
    var known: [Int: [Action.Pass: ActionRecord]] = [:]
    let records = input.stages.indices.map { stage -> [Action.Pass: ActionRecord] in
      let shape = input.shapes[stage]
      if let made = known[shape] { return made }
      var made: [Action.Pass: ActionRecord] = [:]
      for pass in Action.Pass.allCases {
        made[pass] = record(.run(Action(pass, stage: stage, microbatch: 0)), tables)
      }
      known[shape] = made
      return made
    }
    func nanoseconds(_ pass: Action.Pass) -> [Int] {
      records.map { max(1, Int(($0[pass]?.duration ?? 0) / 1000)) }
    }
    let kept = records.map { max(0, $0[.forward]?.memory.total ?? 0) }
    var costs = StageCosts(
      forward: nanoseconds(.forward), backwardInput: nanoseconds(.backwardInput),
      backwardWeight: nanoseconds(.backwardWeight), backward: nanoseconds(.backward),
      transfer: transferNanoseconds, kept: kept, limits: limits(records, kept))
    if placed.plan.overlaps(.expertExchange) { costs.merged = merged }
    return costs
  }

  private func record(_ item: Item, _ tables: RoutedPrices) -> ActionRecord {
    let template = ActionTemplate(item, ActionPlace(), input, pricing, tables)
    let rank = ActionRank(forwardRows: template.forwardEven, backwardRows: template.backwardEven)
    return ActionSimulation(template: template, ranks: [rank]).run().records[0]
  }

  /// Pairs of every stage's forward with every stage's backward, nanoseconds.
  private var merged: [[Int]] {
    var known: [[Int]: Int] = [:]
    return input.stages.indices.map { forward in
      input.stages.indices.map { backward in
        let key = [input.shapes[forward], input.shapes[backward]]
        if let time = known[key] { return time }
        let pair = MergedPair(
          forward: forward, backward: backward, count: 1, input: input, pricing: pricing)
        let time = max(1, Int(pair.run(placed.plan.pairOrder).picoseconds / 1000))
        known[key] = time
        return time
      }
    }
  }

  /// The longest message between neighbouring ranks.
  private var transferNanoseconds: Int {
    guard input.ranks.count > 1 else { return 0 }
    let bytes =
      input.stages.indices.compactMap { stage in
        input.stages[stage].output.map { id in
          let buffer = input.stages[stage].buffers[Int(id.index)]
          return input.balancedRows[stage](buffer.rows) * buffer.bytesPerRow
        }
      }.max() ?? 0
    let seconds =
      input.ranks.indices.dropLast().map { rank in
        let price = pricing.price(ofMessage: bytes, from: rank, to: rank + 1, replica: 0)
        return price.latency + price.moving
      }.max() ?? 0
    return Int((seconds * 1e9).rounded())
  }

  private func limits(_ records: [[Action.Pass: ActionRecord]], _ kept: [Int]) -> [Int] {
    let room = Int(cluster.device.memory.size.value.bytes) - Int(placed.plan.memoryReserve.bytes)
    return input.ranks.indices.map { rank in
      var ledger = MemoryLedger()
      ledger.bookStages(input, rank)
      // A pair is as full as both of its passes.
      let fullest =
        input.ranks[rank].stages.map { stage in
          let peaks = records[stage].mapValues(\.memory.peak)
          return (peaks[.forward] ?? 0) - kept[stage]
            + max(peaks[.backward] ?? 0, peaks[.backwardInput] ?? 0)
        }.max() ?? 0
      return max(0, room - ledger.total - fullest)
    }
  }
}
