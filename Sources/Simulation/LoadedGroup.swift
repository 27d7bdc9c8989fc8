import Engines
import Programs

/// The ranks of an expert group in an action whose exchanges have drawn their loads: those that are loaded
/// most in one of them, and one with the mean load throughout, which all others are like.
struct LoadedGroup {
  /// The one with the mean load first, with the slowest device or links; ranks that are alike once.
  let ranks: [ActionRank]

  /// - Parameters:
  ///   - members: the ranks that meet in the action with balanced rows; one stands for a group of equals.
  ///   - loads: of the forward's exchanges, then of the backward's in a pair; else of the action's.
  ///   - forward: the stage of the forward, or of the action.
  init(
    _ members: [ActionRank], _ loads: [LargestLoad], input: StepInput, forward: Int, isPair: Bool
  ) {
    let split = isPair ? input.stages[forward].exchangeCount : loads.count
    let forwardLoads = Array(loads[..<split])
    let backwardLoads = isPair ? Array(loads[split...]) : forwardLoads
    func loaded(_ rank: ActionRank, at place: Int) -> ActionRank {
      var rank = rank
      rank.forwardRows.load(place, forwardLoads, gathersTokens: input.gathersTokens)
      rank.backwardRows.load(place, backwardLoads, gathersTokens: input.gathersTokens)
      return rank
    }
    func slowness(_ index: Int) -> Double {
      let rank = members[index]
      let links = rank.linkSlowness.exchanges
      return max(rank.slowness, links.network, links.node)
    }
    let slowest = members.indices.max { slowness($0) < slowness($1) } ?? 0
    var group = [members[slowest]]
    if members.count == 1 {
      var places: [Int] = []
      for load in loads where !places.contains(load.place) { places.append(load.place) }
      group += places.map { loaded(members[0], at: $0) }
    } else {
      // Ranks that share an expert have the same place in the expert group; so have those of further expert
      // groups that meet in the action.
      let sharing = input.plan.expertTensorParallel
      var seen: Set<ActionRank> = [group[0]]
      for (index, member) in members.enumerated() {
        let rank = loaded(member, at: index / sharing % input.expertRanks)
        if seen.insert(rank).inserted { group.append(rank) }
      }
    }
    ranks = group
  }

  /// What the group does: it leaves an action together, when the last of its ranks is through, and its
  /// figures are those of a rank with the mean load, which waits for that one.
  static func together(_ records: [ActionRecord]) -> ActionRecord {
    var last = 0
    for index in records.indices where records[index].duration > records[last].duration {
      last = index
    }
    return together(records[0], last: records[last])
  }

  /// The same of the rank with the mean load and of the one that is through last.
  static func together(_ first: ActionRecord, last: ActionRecord) -> ActionRecord {
    var record = first
    record.expert.waiting += last.duration - record.duration
    record.duration = last.duration
    record.carried = last.carried
    record.reductions = last.reductions
    record.delays = last.delays
    return record
  }
}

extension ExchangeRows {
  /// Gives the rank at a place what it gets in the exchanges that load it most.
  fileprivate mutating func load(_ place: Int, _ loads: [LargestLoad], gathersTokens: Bool) {
    for (exchange, load) in loads.enumerated() where load.place == place {
      if !gathersTokens {
        received[exchange] = Int((Double(received[exchange]) * load.factor).rounded())
      }
      routed[exchange] = Int((Double(routed[exchange]) * load.factor).rounded())
    }
  }
}
