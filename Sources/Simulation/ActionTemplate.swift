import Engines
import Plans
import Programs
import Schedules

/// What is the same whenever actions of one kind run: an engine at their start, prices, memory.
final class ActionTemplate {
  let item: Item
  let isPair: Bool
  /// To be copied for each rank.
  let engine: Engine
  let forward: ProgramPrices?
  let backward: ProgramPrices?
  /// Operations of the forward, behind which those of the backward are numbered.
  let forwardCount: Int
  /// What it does to a rank's memory, with equal rows: a buffer's size must be the same when it is
  /// released.
  let memory: MemoryChange
  let input: StepInput
  let pricing: any Pricing
  private let tables: RoutedPrices
  /// Picoseconds of the host to issue each operation, the forward's first, and a transfer.
  let hostDurations: [Int64]
  /// The class and pass of each operation, in the same order.
  let kernelSlots: [KernelTimes.Slot]
  let hostDurationOfTransfer: Int64
  /// Prices beside collectives, by the multiprocessors that those take; worked out when first asked for.
  private var pricesBeside: [Int: (forward: ProgramPrices?, backward: ProgramPrices?)] = [:]

  /// The rows of its exchanges where every rank receives the same, of the forward's stage and of the
  /// backward's.
  let forwardEven: ExchangeRows
  let backwardEven: ExchangeRows
  /// The action whose first gathers it starts.
  let ahead: Instance?
  /// Fused attention, whose kernels skip what lies in other documents.
  private var attention = DocumentAttention()
  /// Taken down when first asked for.
  private var knownScript: ActionScript?
  /// By how slow a device is and the multiprocessors that collectives take of it.
  private var knownPieces: [PieceKey: ScriptPieces] = [:]
  /// By step of the script; taken down when first asked for.
  var knownExchanges: [ExchangeSet]?
  /// Of the script's exchanges with equal rows, by their places in it.
  private var evenPrices: [ExchangePrice?] = []
  /// The program of a lone action.
  private let lone: Program
  /// The forward waits for the parameters that the step gathers.
  let isOpening: Bool
  /// The number of the first transfer that the action waits for and has not started.
  let firstGather: Int

  private struct PieceKey: Hashable {
    var slowness: Double
    var channels: Int
  }

  /// - Parameter order: of the segments of a pair, if not the plan's.
  init(
    _ item: Item, _ place: ActionPlace, _ input: StepInput, _ pricing: any Pricing,
    _ tables: RoutedPrices, order: PairOrder? = nil
  ) {
    ahead = place.ahead.map {
      Instance(stage: $0.stage, microbatch: $0.microbatch, pass: $0.pass)
    }
    self.item = item
    self.input = input
    self.pricing = pricing
    self.tables = tables
    isOpening = place.isOpening
    (lone, firstGather) = Self.lone(item, place, input)
    // Programs are large: an engine has those that it walks.
    let own = [place.ahead?.stage] + Self.stages(of: item)
    let stages = input.stages.indices.map { own.contains($0) ? input.stages[$0] : nil }
    var single = RankProgram(single: item, place)
    single.pairOrder = order ?? input.plan.pairOrder
    engine = Engine(single, stages: stages)
    memory = MemoryBooking.change(of: engine, MemoryBooking(input, rank: nil))
    func prices(_ program: Program, _ isOverlapped: Bool) -> ProgramPrices {
      ProgramPrices(program, pricing: pricing, isOverlapped: isOverlapped, tables: tables)
    }
    hostDurationOfTransfer = picoseconds(pricing.hostSecondsOfTransfer)
    func host(_ program: Program) -> [Int64] { Self.hostDurations(program, pricing) }
    func slots(_ program: Program) -> [KernelTimes.Slot] {
      program.operations.map { KernelTimes.slot(of: $0) }
    }
    switch item {
    case .overlapped(let first, let second):
      isPair = true
      forwardEven = input.balancedRows[first.stage]
      backwardEven = input.balancedRows[second.stage]
      kernelSlots =
        slots(input.stages[first.stage].forward) + slots(input.stages[second.stage].backward)
      hostDurations =
        host(input.stages[first.stage].forward) + host(input.stages[second.stage].backward)
      forward = prices(input.stages[first.stage].forward, true)
      backward = prices(input.stages[second.stage].backward, true)
    case .run(let action):
      isPair = false
      forwardEven = input.balancedRows[action.stage]
      backwardEven = forwardEven
      kernelSlots = slots(lone)
      hostDurations = host(lone)
      let own = prices(lone, false)
      (forward, backward) = action.pass == .forward ? (own, nil) : (nil, own)
    default: preconditionFailure("Only actions have a template.")
    }
    forwardCount = forward?.secondsOf.count ?? 0
    if input.attendsWithinDocuments {
      switch item {
      case .overlapped(let first, let second):
        attention = DocumentAttention(
          forward: input.stages[first.stage].forward,
          backward: input.stages[second.stage].backward)
      case .run(let action):
        attention = DocumentAttention(
          forward: nil, backward: input.stages[action.stage].program(for: action.pass))
      default: break
      }
    }
  }

  private static func stages(of item: Item) -> [Int] {
    switch item {
    case .run(let action): [action.stage]
    case .overlapped(let forward, let backward): [forward.stage, backward.stage]
    default: []
    }
  }

  /// The program of a lone action, and where the gathers begin that an opening one waits for.
  private static func lone(
    _ item: Item, _ place: ActionPlace, _ input: StepInput
  ) -> (Program, Int) {
    guard case .run(let action) = item else { return (Program(), 0) }
    let stage = input.stages[action.stage]
    return place.isOpening
      ? (stage.openingForward, stage.forward.transfers.count)
      : (stage.program(for: action.pass), 0)
  }

  /// Picoseconds of the host to issue each operation.
  ///
  /// Kernels of fixed sizes that follow each other are one graph where they are captured: the first has its
  /// launch.
  private static func hostDurations(_ program: Program, _ pricing: any Pricing) -> [Int64] {
    var isCapturing = false
    return program.operations.map { operation in
      let isFixed = operation.kernel.rows?.exchange == nil
      guard pricing.capturesGraphs, isFixed else {
        isCapturing = false
        return picoseconds(pricing.hostSeconds(of: operation))
      }
      defer { isCapturing = true }
      return isCapturing ? 0 : picoseconds(pricing.hostSecondsOfTransfer)
    }
  }

  /// Picoseconds of the host to issue a transfer: within a tensor or context group it is a part of a graph
  /// where there are graphs.
  func hostDuration(of transfer: Transfer) -> Int64 {
    let isCaptured =
      pricing.capturesGraphs && (transfer.stream == .tensor || transfer.stream == .context)
    return isCaptured ? 0 : hostDurationOfTransfer * Int64(transfer.kind.launchCount)
  }

  /// What it does to the memory of a rank with rows of its own.
  func memory(of rank: ActionRank) -> MemoryChange {
    MemoryBooking.change(of: engine, MemoryBooking(input, rank: rank))
  }

  /// Picoseconds of every operation on one rank, the forward's first, while channels of collectives take
  /// some of its multiprocessors.
  func durations(_ rank: ActionRank, channels: Int = 0) -> [Int64] {
    var durations: [Int64] = []
    durations.reserveCapacity(forwardCount + (backward?.secondsOf.count ?? 0))
    let (forward, backward) = prices(channels: channels)
    if let forward { append(forward, rank.forwardRows, rank.slowness, to: &durations) }
    if let backward { append(backward, rank.backwardRows, rank.slowness, to: &durations) }
    for number in attention.operations.keys {
      if let duration = duration(ofAttention: number, rank, channels: channels) {
        durations[number] = duration
      }
    }
    return durations
  }

  private lazy var documentLengths = DocumentLengths(input.plan)

  /// Picoseconds of an attention core on a rank with documents; nil for what is none, and without any.
  private func duration(
    ofAttention number: Int, _ rank: ActionRank, channels: Int = 0
  ) -> Int64? {
    let shares = number < forwardCount ? rank.forwardDocuments : rank.backwardDocuments
    guard !shares.isEmpty, attention.operations[number] != nil else { return nil }
    let seconds = attention.seconds(
      of: number, shares, documentLengths, channels: channels
    ) { [pricing, isPair] in
      pricing.seconds(
        of: $0, rows: ExchangeRows(), isOverlapped: isPair, channels: channels)
    }
    return picoseconds(seconds * rank.slowness)
  }

  // MARK: By pieces

  /// What its engine does, taken down.
  ///
  /// - Parameter gathers: that are under way when it begins, the same number for all ranks.
  func script(gathers: Int) -> ActionScript {
    if let knownScript { return knownScript }
    let made = ActionScript(
      engine, forwardCount: forwardCount, gathers: gathers, ahead: ahead)
    evenPrices = Array(repeating: nil, count: made.transfers.count)
    knownScript = made
    return made
  }

  /// The script's kernels one behind the other on a device that is so slow, while channels of collectives take
  /// some of its multiprocessors.
  func pieces(
    of script: ActionScript, slowness: Double, channels: Int = 0
  ) -> ScriptPieces {
    let key = PieceKey(slowness: slowness, channels: channels)
    if let known = knownPieces[key] { return known }
    let even = ActionRank(
      forwardRows: forwardEven, backwardRows: backwardEven, slowness: slowness)
    let durations = durations(even, channels: channels)
    let made = ScriptPieces(script) { number in
      let (prices, own) = prices(of: number)
      let fixed = prices.picosecondsOf[own]
      return ScriptPieces.Kernel(
        even: attention.operations[number] == nil
          ? KernelPiece(
            durations[number], host: hostDurations[number], slot: kernelSlots[number]) : nil,
        exchange: fixed >= 0 ? nil : prices.routed[Int(-1 - fixed)].rows.exchange,
        isForward: number < forwardCount)
    }
    knownPieces[key] = made
    return made
  }

  /// Picoseconds of a kernel on one rank, the forward's numbered first, while channels of collectives take some
  /// of its multiprocessors.
  func duration(of index: Int, _ rank: ActionRank, channels: Int = 0) -> Int64 {
    if let duration = duration(ofAttention: index, rank, channels: channels) { return duration }
    let (prices, own) = prices(of: index, channels: channels)
    if prices.picosecondsOf[own] >= 0 {
      return rank.slowness == 1
        ? prices.picosecondsOf[own] : picoseconds(prices.secondsOf[own] * rank.slowness)
    }
    let routed = prices.routed[Int(-1 - prices.picosecondsOf[own])]
    let rows =
      index < forwardCount ? rank.forwardRows(routed.rows) : rank.backwardRows(routed.rows)
    return picoseconds(tables.price(routed.table, rows: rows) * rank.slowness)
  }

  /// The prices that an operation's are among, and its place there.
  private func prices(of index: Int, channels: Int = 0) -> (ProgramPrices, Int) {
    let isForward = index < forwardCount
    let beside = channels > 0 ? prices(channels: channels) : nil
    if isForward, let forward = beside?.forward ?? forward { return (forward, index) }
    guard let backward = beside?.backward ?? backward else {
      preconditionFailure("An action has a forward or a backward.")
    }
    return (backward, index - forwardCount)
  }

  /// The price of an exchange of the script; where it brings what every rank gets in the mean, it is known.
  func price(
    ofExchange transfer: Transfer, number: Int, rows: ExchangeRows, _ instance: Instance,
    over links: LinkSlowness
  ) -> ExchangePrice {
    let even = input.balancedRows[Int(instance.stage)]
    guard let exchange = transfer.kind.expertExchange, links == LinkSlowness(),
      rows.received[exchange] == even.received[exchange],
      rows.routed[exchange] == even.routed[exchange]
    else {
      return pricing.price(
        ofExchange: transfer, rows: rows, isOverlapped: isPair, over: links)
    }
    if let known = evenPrices[number] { return known }
    let made = pricing.price(ofExchange: transfer, rows: rows, isOverlapped: isPair)
    evenPrices[number] = made
    return made
  }

  /// The reductions that a closing action starts.
  private(set) lazy var reductions: [Transfer] = input.stages[backwardStage].reduce.transfers

  typealias ReductionPrice = (channels: Int, load: LinkLoad, seconds: Double)
  private var reductionPrices: [LinkSlowness: [ReductionPrice]] = [:]

  private var backwardStage: Int {
    switch item {
    case .overlapped(_, let second): second.stage
    case .run(let action): action.stage
    default: preconditionFailure("Only actions have a template.")
    }
  }

  /// What a reduction takes of the device and of its links, and its seconds once all ranks have come.
  func reduction(_ number: Int, over links: LinkSlowness) -> ReductionPrice {
    if let known = reductionPrices[links] { return known[number] }
    let made = reductions.map { reduction in
      (
        pricing.channels(of: reduction),
        pricing.load(ofCollective: reduction, stage: backwardStage, over: links),
        pricing.seconds(ofCollective: reduction, stage: backwardStage, over: links)
      )
    }
    reductionPrices[links] = made
    return made[number]
  }

  private func prices(channels: Int) -> (forward: ProgramPrices?, backward: ProgramPrices?) {
    guard channels > 0 else { return (forward, backward) }
    if let known = pricesBeside[channels] { return known }
    func prices(_ program: Program) -> ProgramPrices {
      ProgramPrices(
        program, pricing: pricing, isOverlapped: isPair, channels: channels, tables: tables)
    }
    let made: (forward: ProgramPrices?, backward: ProgramPrices?)
    switch item {
    case .overlapped(let first, let second):
      made = (
        prices(input.stages[first.stage].forward), prices(input.stages[second.stage].backward)
      )
    case .run(let action):
      let own = prices(lone)
      made = action.pass == .forward ? (own, nil) : (nil, own)
    default: preconditionFailure("Only actions have a template.")
    }
    pricesBeside[channels] = made
    return made
  }

  private func append(
    _ prices: ProgramPrices, _ rows: ExchangeRows, _ slowness: Double,
    to durations: inout [Int64]
  ) {
    for (index, fixed) in prices.picosecondsOf.enumerated() {
      if fixed >= 0 {
        durations.append(
          slowness == 1 ? fixed : picoseconds(prices.secondsOf[index] * slowness))
      } else {
        let routed = prices.routed[Int(-1 - fixed)]
        let seconds = tables.price(routed.table, rows: rows(routed.rows))
        durations.append(picoseconds(seconds * slowness))
      }
    }
  }

  /// FLOPs on one rank, with attention counted in full and on and below the diagonal only.
  func flops(_ rank: ActionRank) -> (all: Double, causal: Double) {
    var (all, causal) = (0.0, 0.0)
    for (prices, rows) in [(forward, rank.forwardRows), (backward, rank.backwardRows)] {
      guard let prices else { continue }
      let routed = prices.routedFLOPs(rows)
      all += prices.flops + routed
      causal += prices.causalFLOPs + routed
    }
    let skipped = 1 - rank.attentionWork
    return (all - skipped * attention.flops.all, causal - skipped * attention.flops.causal)
  }
}

extension TransferKind {
  /// The exchange whose rows a transfer brings; nil for all that brings no rows to experts or back.
  var expertExchange: Int? {
    switch self {
    case .dispatch(let exchange), .combine(let exchange), .combineBackward(let exchange),
      .dispatchBackward(let exchange):
      exchange
    default: nil
    }
  }
}
