import Engines
import Programs
import Schedules

/// Records of actions, simulated once per distinct kind and replayed where the same occurs again.
///
/// An action begins with idle streams and ends with idle streams, so what it does depends on its
/// programs, its rows, the speed of its ranks and the times at which they come, and on nothing else:
/// a replay is exact.
struct ActionCatalog<P: Pricing> {
  let input: StepInput
  let pricing: P
  /// Switch off to walk every operation of every action anew.
  var replays = true
  var keepsSpans = false
  private(set) var simulatedOperations = 0
  private var records: [ActionKey: [ActionRecord]] = [:]

  init(_ input: StepInput, _ pricing: P) {
    self.input = input
    self.pricing = pricing
  }

  /// What one distinct kind of action is.
  private struct ActionKey: Hashable {
    var first: Int
    var firstPass: Action.Pass
    var second: Int
    var slowness: [Double]
    var offsets: [Int64]
  }

  /// The records of the ranks that meet in an action, in their order.
  ///
  /// - Parameters:
  ///   - slowness: of each rank; one entry stands for a group of equal ranks.
  ///   - offsets: when each comes, after the first.
  ///   - members: their numbers in the world.
  mutating func records(
    of item: Item, slowness: [Double], offsets: [Int64], members: Range<Int>
  ) -> [ActionRecord] {
    guard let key = key(of: item, slowness, offsets) else { return [] }
    if let recorded = input.recorded { return replay(item, key, recorded, members) }
    if replays, let known = records[key] { return known }
    let made = simulate(item, key)
    if replays { records[key] = made }
    return made
  }

  /// Simulates an action with the rows that a run recorded.
  private mutating func replay(
    _ item: Item, _ key: ActionKey, _ recorded: RecordedRows, _ members: Range<Int>
  ) -> [ActionRecord] {
    let (forward, backward): (Action, Action)
    switch item {
    case .run(let action): (forward, backward) = (action, action)
    case .overlapped(let first, let second): (forward, backward) = (first, second)
    default: return []
    }
    func rows(_ rank: Int, _ action: Action) -> ExchangeRows {
      recorded[rank: rank, stage: action.stage, microbatch: action.microbatch]
        ?? input.balancedRows[action.stage]
    }
    let ranks = members.enumerated().map { index, rank in
      ActionRank(
        forwardRows: rows(rank, forward), backwardRows: rows(rank, backward),
        slowness: key.slowness[index], offset: key.offsets[index])
    }
    let made = ActionSimulation(
      item: item, stages: input.stages.map { Optional($0) }, pricing: pricing, ranks: ranks,
      keepsSpans: keepsSpans
    ).run()
    simulatedOperations += made.reduce(0) { $0 + $1.operations }
    return made
  }

  private func key(of item: Item, _ slowness: [Double], _ offsets: [Int64]) -> ActionKey? {
    switch item {
    case .run(let action):
      ActionKey(
        first: input.shapes[action.stage], firstPass: action.pass, second: -1, slowness: slowness,
        offsets: offsets)
    case .overlapped(let forward, let backward):
      ActionKey(
        first: input.shapes[forward.stage], firstPass: .forward,
        second: input.shapes[backward.stage], slowness: slowness, offsets: offsets)
    default: nil
    }
  }

  private mutating func simulate(_ item: Item, _ key: ActionKey) -> [ActionRecord] {
    let (forward, backward) = stages(of: item)
    let exchanges = input.stages[forward].exchangeCount + input.stages[backward].exchangeCount
    var isSampled = false
    if case .deviation = input.load { isSampled = exchanges > 0 && input.expertRanks > 1 }
    let stages = input.stages.map { Optional($0) }
    var ranks = key.slowness.indices.map { index in
      ActionRank(
        forwardRows: input.balancedRows[forward], backwardRows: input.balancedRows[backward],
        slowness: key.slowness[index], offset: key.offsets[index])
    }
    let balanced = ActionSimulation(
      item: item, stages: stages, pricing: pricing, ranks: [ranks[0]], keepsSpans: keepsSpans
    ).run()
    simulatedOperations += balanced[0].operations
    if !isSampled && ranks.count == 1 { return balanced }
    if isSampled { ranks = sampled(ranks, key) }
    var made = ActionSimulation(
      item: item, stages: stages, pricing: pricing, ranks: ranks, keepsSpans: keepsSpans
    ).run()
    simulatedOperations += made.reduce(0) { $0 + $1.operations }
    // Memory is booked with equal rows: a buffer's size must be the same when it is released.
    for index in made.indices { made[index].memory = balanced[0].memory }
    return key.slowness.count == 1 ? [slowest(made)] : made
  }

  /// One rank stands for its group: the one that ends last.
  private func slowest(_ records: [ActionRecord]) -> ActionRecord {
    var last = records[0]
    for record in records where record.duration > last.duration { last = record }
    return last
  }

  private func stages(of item: Item) -> (forward: Int, backward: Int) {
    switch item {
    case .run(let action): (action.stage, action.stage)
    case .overlapped(let forward, let backward): (forward.stage, backward.stage)
    default: (0, 0)
    }
  }

  /// The ranks of a whole expert group with rows drawn for each exchange.
  private func sampled(_ ranks: [ActionRank], _ key: ActionKey) -> [ActionRank] {
    guard case .deviation(let deviation, let seed) = input.load else { return ranks }
    var seeds = SplitMix64(seed: seed)
    var generator = SplitMix64(
      seed: seeds.next() &+ UInt64(key.first + 1) &* 0x1_0001
        &+ UInt64(key.second + 1) &* 0x10_0000_0003
        &+ UInt64(UInt8(ascii: key.firstPass.rawValue.unicodeScalars.first ?? "F")))
    let group = ranks.count == 1 ? Array(repeating: ranks[0], count: input.expertRanks) : ranks
    return group.map { rank in
      var rank = rank
      rank.forwardRows = scattered(rank.forwardRows, deviation, &generator)
      rank.backwardRows = scattered(rank.backwardRows, deviation, &generator)
      return rank
    }
  }

  private func scattered(
    _ rows: ExchangeRows, _ deviation: Double, _ generator: inout SplitMix64
  ) -> ExchangeRows {
    var rows = rows
    for index in rows.received.indices {
      let factor = max(0, 1 + deviation * generator.nextNormal())
      rows.received[index] = Int((Double(rows.received[index]) * factor).rounded())
      rows.routed[index] = Int((Double(rows.routed[index]) * factor).rounded())
    }
    return rows
  }
}
