import Costs
import Engines
import Programs
import Schedules

/// Records of actions, simulated once per distinct kind and replayed where the same occurs again.
///
/// An action begins and ends with idle streams but for that of data parallelism, so what it does depends
/// on its programs, its rows, the speed of its ranks, the times at which they come and what that stream
/// still carries, and on nothing else: a replay is exact.
///
/// A class, since ranks ask it at every action: it is large to copy.
final class ActionCatalog {
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
  /// What exchanges draw; nil where nothing is drawn.
  private var draws: ExpertDraws?
  /// What attention takes of each microbatch; nil where it takes the same of all.
  private var documents: DocumentLoads?
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
    /// What its exchanges draw, a forward's and then a backward's; none where they draw nothing.
    var loads: [LargestLoad]
  }

  /// Begins a step with draws of its own; what programs, templates and prices are stays known.
  func begin(_ draws: ExpertDraws?, _ documents: DocumentLoads?) {
    self.draws = draws
    self.documents = input.attendsWithinDocuments ? documents : nil
    simulatedOperations = 0
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
  func records(
    of item: Item, _ place: ActionPlace, carried: [CarriedStream], slowness: [Double],
    linkSlowness: [LinkSlowness], offsets: [Int64], members: Range<Int>
  ) -> [ActionRecord] {
    guard let kind = kind(of: item, place) else { return [] }
    let key = ActionKey(
      kind: kind, rows: rowNumbers(of: item, members), slowness: slowness,
      linkSlowness: linkSlowness, offsets: offsets, carried: carried,
      loads: loads(of: item))
    // What every microbatch draws anew does not occur again.
    let repeats =
      replays && documents == nil
      && (key.loads.isEmpty || draws?.repeatsMicrobatches == true)
    if repeats, let known = records[key] { return known }
    let made = simulate(item, place, key)
    if repeats { records[key] = made }
    return made
  }

  /// What the exchanges of an action draw.
  private func loads(of item: Item) -> [LargestLoad] {
    guard let draws else { return [] }
    func loads(_ action: Action) -> [LargestLoad] {
      input.exchangeLayers[action.stage].map {
        draws.load(
          layer: $0, microbatch: action.microbatch, isForward: action.pass == .forward)
      }
    }
    return switch item {
    case .run(let action): loads(action)
    case .overlapped(let forward, let backward): loads(forward) + loads(backward)
    default: []
    }
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

  private func template(
    _ item: Item, _ place: ActionPlace, _ kind: Kind
  ) -> ActionTemplate {
    if let known = templates[kind] { return known }
    let made = ActionTemplate(
      item, place, input, pricing, routedPrices)
    templates[kind] = made
    return made
  }

  private func simulate(
    _ item: Item, _ place: ActionPlace, _ key: ActionKey
  ) -> [ActionRecord] {
    let (forward, backward) = actions(of: item)
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
    if let documents {
      for index in ranks.indices {
        ranks[index].forwardDocuments = documents.shares[forward.microbatch]
        ranks[index].backwardDocuments = documents.shares[backward.microbatch]
        ranks[index].attentionWork = documents.work
      }
    }
    let isDrawn = !key.loads.isEmpty
    let group =
      isDrawn
      ? LoadedGroup(
        ranks, key.loads, input: input, forward: forward.stage,
        isPair: forward != backward
      ).ranks : ranks
    let simulation = ActionSimulation(
      template: template(item, place, key.kind), ranks: group, keepsSpans: keepsSpans,
      keepsLog: keepsLog,
      usesScript: (isDrawn || documents != nil) && replays && !keepsSpans && !keepsLog,
      keepsAllFigures: !isDrawn)
    guard isDrawn else {
      let (made, walked) = simulation.run()
      simulatedOperations += walked
      return made
    }
    let (together, walked) = simulation.runTogether()
    simulatedOperations += walked
    return key.offsets.map { offset in
      var record = together
      record.offset = offset
      return record
    }
  }

  /// The actions of an item: forward and backward of a pair, or the same one twice.
  private func actions(of item: Item) -> (forward: Action, backward: Action) {
    switch item {
    case .run(let action): (action, action)
    case .overlapped(let forward, let backward): (forward, backward)
    default: preconditionFailure("The item is no action.")
    }
  }
}
