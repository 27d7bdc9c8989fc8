import Programs
import Schedules

/// The gathers with which a step begins, as its first forwards wait for them.
extension RankBackend {
  /// Whether the gathers are known that an opening forward waits for.
  ///
  /// The first time that they are, those of all stages take their multiprocessors of what the rank
  /// computes.
  func takesUpGathers(of item: Item) -> Bool {
    guard openingGathers(of: rank, item) != nil else { return false }
    guard !rank.hasTakenUpGathers else { return true }
    rank.hasTakenUpGathers = true
    for (stage, numbers) in rank.gathers.sorted(by: { $0.key < $1.key }) {
      for (number, gather) in numbers.enumerated() {
        let count = world.pricing.channels(of: world.input.stages[stage].gather.transfers[number])
        guard count > 0, let (moving, end) = world.collectives.end(of: gather) else { continue }
        rank.carried.channels.append(.init(start: moving, end: end, count: count))
      }
    }
    return true
  }

  /// The gathers that an opening forward waits for; nil until everybody has come to them.
  func openingGathers(
    of rank: SimulatedRank, _ item: Item
  ) -> [(gather: CarriedStream.Gather, number: Int)]? {
    guard case .run(let action) = item else { return nil }
    var ends: [(CarriedStream.Gather, Int)] = []
    for (number, gather) in (rank.gathers[action.stage] ?? []).enumerated() {
      guard let (moving, end) = world.collectives.end(of: gather) else { return nil }
      ends.append((CarriedStream.Gather(moving: moving, end: end), number))
    }
    return ends
  }

  /// Books the gathers that an opening forward has waited for.
  func book(gathersOf item: Item) {
    guard case .run(let action) = item else { return }
    for (gather, number) in openingGathers(of: rank, item) ?? [] {
      rank.data.total += gather.end - gather.moving
      let transfer = world.input.stages[action.stage].gather.transfers[number]
      record(
        .collective(stage: action.stage, number: number, transfer.kind), bytes(of: transfer),
        gather.moving, gather.end)
      // Backwards of ZeRO stage 2 use the same stream.
      if world.input.plan.zeroStage == .gradients {
        rank.carried.end = max(rank.carried.end, gather.end)
      }
    }
  }

  /// What this rank puts into a reduction or a gather of the step.
  func bytes(of transfer: Transfer) -> Int {
    ExchangeRows()(transfer.rows) * transfer.bytesPerRow
  }
}
