import Costs
import Engines
import Programs
import Schedules

/// Records of actions, simulated once per distinct kind and replayed where the same occurs again.
///
/// An action begins and ends with idle streams but for that of data parallelism, so what it does depends
/// on its programs, its rows, the speed of its ranks, the times at which they come and what that stream
/// still carries, and on nothing else: a replay is exact.
struct ActionCatalog {
  let input: StepInput
  let pricing: any Pricing
  /// Switch off to walk every operation of every action anew.
  var replays = true
  var keepsSpans = false
  var keepsLog = false
  private(set) var simulatedOperations = 0
  private var records: [ActionKey: [ActionRecord]] = [:]
  private var templates: [Kind: ActionTemplate] = [:]
  private let routedPrices: RoutedPrices
  /// Passes of each stage in which ranks exchange something.
  private let transferring: [[Action.Pass]]

  init(_ input: StepInput, _ pricing: any Pricing) {
    self.input = input
    self.pricing = pricing
    routedPrices = RoutedPrices(pricing)
    let passes: [Action.Pass] = [.forward, .backward, .backwardInput, .backwardWeight]
    transferring = input.stages.map { stage in
      passes.filter { !stage.program(for: $0).transfers.isEmpty }
    }
  }

  /// What decides the programs of an action.
  private struct Kind: Hashable {
    /// Shape of the stage, or of the forward's; of the backward's in a pair, else −1.
    var first: Int
    var firstPass: Action.Pass
    var second: Int
    /// The backward starts the reductions of its stage.
    var isClosing: Bool
    /// The forward waits for the parameters that the step gathers.
    var isOpening: Bool
    /// Shape and pass of the action whose first gathers it starts.
    var ahead: Int?
    var aheadPass: Action.Pass?
    var isGatheredAhead: Bool
  }

  /// What one distinct kind of action is.
  private struct ActionKey: Hashable {
    var kind: Kind
    /// Numbers of each rank's rows, a forward's and a backward's, −1 for balanced ones; none where all
    /// are balanced or drawn.
    var rows: [Int]
    var slowness: [Double]
    var linkSlowness: [LinkSlowness]
    var offsets: [Int64]
    var carried: [CarriedStream]
  }

  /// The records of the ranks that meet in an action, in their order.
  ///
  /// - Parameters:
  ///   - place: what it does for the stream that runs on beneath actions.
  ///   - carried: what that stream carries of each rank, counted from the first rank's coming.
  ///   - slowness: of each rank's device; one entry stands for a group of equal ranks.
  ///   - linkSlowness: of each rank's links.
  ///   - offsets: when each comes, after the first.
  ///   - members: their numbers in the world.
  mutating func records(
    of item: Item, _ place: ActionPlace, carried: [CarriedStream], slowness: [Double],
    linkSlowness: [LinkSlowness], offsets: [Int64], members: Range<Int>
  ) -> [ActionRecord] {
    guard let kind = kind(of: item, place) else { return [] }
    let key = ActionKey(
      kind: kind, rows: rowNumbers(of: item, members), slowness: slowness,
      linkSlowness: linkSlowness, offsets: offsets, carried: carried)
    if replays, let known = records[key] { return known }
    let made = simulate(item, place, key)
    if replays { records[key] = made }
    return made
  }

  private func rowNumbers(of item: Item, _ members: Range<Int>) -> [Int] {
    guard let rows = input.rankRows else { return [] }
    var numbers: [Int] = []
    numbers.reserveCapacity(2 * members.count)
    let (forward, backward) = actions(of: item)
    for rank in members {
      for action in [forward, backward] {
        let number = rows.number(
          rank: rank, stage: action.stage, microbatch: action.microbatch)
        numbers.append(number ?? -1)
      }
    }
    return numbers
  }

  /// Whether ranks exchange anything within an action.
  func meets(_ item: Item) -> Bool {
    switch item {
    case .run(let action): transferring[action.stage].contains(action.pass)
    case .overlapped(let forward, let backward):
      transferring[forward.stage].contains(forward.pass)
        || transferring[backward.stage].contains(backward.pass)
    default: false
    }
  }

  private func kind(of item: Item, _ place: ActionPlace) -> Kind? {
    func kind(_ first: Int, _ pass: Action.Pass, _ second: Int) -> Kind {
      Kind(
        first: first, firstPass: pass, second: second, isClosing: place.isClosing,
        isOpening: place.isOpening,
        ahead: place.ahead.map { input.shapes[$0.stage] }, aheadPass: place.ahead?.pass,
        isGatheredAhead: place.isGatheredAhead)
    }
    return switch item {
    case .run(let action): kind(input.shapes[action.stage], action.pass, -1)
    case .overlapped(let forward, let backward):
      kind(input.shapes[forward.stage], .forward, input.shapes[backward.stage])
    default: nil
    }
  }

  private mutating func template(
    _ item: Item, _ place: ActionPlace, _ kind: Kind
  ) -> ActionTemplate {
    if let known = templates[kind] { return known }
    let made = ActionTemplate(
      item, place, input, pricing, routedPrices)
    templates[kind] = made
    return made
  }

  private mutating func simulate(
    _ item: Item, _ place: ActionPlace, _ key: ActionKey
  ) -> [ActionRecord] {
    let (forward, backward) = actions(of: item)
    let stages = (input.stages[forward.stage], input.stages[backward.stage])
    var isSampled = false
    if case .deviation = input.load, input.rankRows == nil {
      isSampled =
        stages.0.exchangeCount + stages.1.exchangeCount > 0 && input.expertRanks > 1
    }
    func rows(_ place: Int, _ stage: Int) -> ExchangeRows {
      guard !key.rows.isEmpty, key.rows[place] >= 0, let known = input.rankRows else {
        return input.balancedRows[stage]
      }
      return known[key.rows[place]]
    }
    var ranks = key.slowness.indices.map { index in
      ActionRank(
        forwardRows: rows(2 * index, forward.stage),
        backwardRows: rows(2 * index + 1, backward.stage),
        slowness: key.slowness[index], linkSlowness: key.linkSlowness[index],
        offset: key.offsets[index], carried: key.carried[index],
        booksOwnRows: !key.rows.isEmpty)
    }
    if isSampled { ranks = sampled(ranks, key.kind) }
    let made = ActionSimulation(
      template: template(item, place, key.kind), ranks: ranks, keepsSpans: keepsSpans,
      keepsLog: keepsLog
    ).run()
    simulatedOperations += made.reduce(0) { $0 + $1.operations }
    guard isSampled else { return made }
    // Drawn rows say how uneven a group is, not which of its ranks is loaded: the group leaves an
    // action together, with its slowest rank, whether it is folded or not.
    let last = slowest(made)
    return key.offsets.map { offset in
      var record = last
      record.offset = offset
      return record
    }
  }

  /// One rank stands for its group: the one that ends last.
  private func slowest(_ records: [ActionRecord]) -> ActionRecord {
    var last = records[0]
    for record in records where record.duration > last.duration { last = record }
    return last
  }

  /// The actions of an item: forward and backward of a pair, or the same one twice.
  private func actions(of item: Item) -> (forward: Action, backward: Action) {
    switch item {
    case .run(let action): (action, action)
    case .overlapped(let forward, let backward): (forward, backward)
    default: preconditionFailure("The item is no action.")
    }
  }

  /// The ranks of a whole expert group with rows drawn for each exchange.
  private func sampled(_ ranks: [ActionRank], _ key: Kind) -> [ActionRank] {
    guard case .deviation(let deviation, let seed) = input.load else { return ranks }
    var seeds = SplitMix64(seed: seed)
    var generator = SplitMix64(
      seed: seeds.next() &+ UInt64(key.first + 1) &* 0x1_0001
        &+ UInt64(key.second + 1) &* 0x10_0000_0003
        &+ UInt64(UInt8(ascii: key.firstPass.rawValue.unicodeScalars.first ?? "F")))
    var group = ranks.count == 1 ? Array(repeating: ranks[0], count: input.expertRanks) : ranks
    // Ranks that share an expert have the same place in the expert group, and the same load; so have those
    // of further expert groups that meet in the action.
    let sharing = ranks.count == 1 ? 1 : input.plan.expertTensorParallel
    for place in 0..<input.expertRanks {
      let first = group[place * sharing]
      let forward = scattered(first.forwardRows, deviation, &generator)
      let backward = scattered(first.backwardRows, deviation, &generator)
      for index in group.indices where index / sharing % input.expertRanks == place {
        group[index].forwardRows = forward
        group[index].backwardRows = backward
      }
    }
    return group
  }

  private func scattered(
    _ rows: ExchangeRows, _ deviation: Double, _ generator: inout SplitMix64
  ) -> ExchangeRows {
    var rows = rows
    for index in rows.received.indices {
      let factor = max(0, 1 + deviation * generator.nextNormal())
      if !input.gathersTokens {
        rows.received[index] = Int((Double(rows.received[index]) * factor).rounded())
      }
      rows.routed[index] = Int((Double(rows.routed[index]) * factor).rounded())
    }
    return rows
  }
}
