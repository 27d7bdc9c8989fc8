import Engines
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

  /// The action whose first gathers it starts.
  let ahead: Instance?

  init(
    _ item: Item, _ place: ActionPlace, _ input: StepInput, _ pricing: any Pricing,
    _ tables: RoutedPrices
  ) {
    ahead = place.ahead.map {
      Instance(stage: $0.stage, microbatch: $0.microbatch, pass: $0.pass)
    }
    self.item = item
    self.input = input
    self.pricing = pricing
    self.tables = tables
    let stages = input.stages.map { Optional($0) }
    engine = Engine(RankProgram(single: item, place), stages: stages)
    memory = MemoryBooking.change(of: engine, MemoryBooking(input, rank: nil))
    func prices(_ program: Program, _ isOverlapped: Bool) -> ProgramPrices {
      ProgramPrices(program, pricing: pricing, isOverlapped: isOverlapped, tables: tables)
    }
    hostDurationOfTransfer = picoseconds(pricing.hostSecondsOfTransfer)
    func host(_ program: Program) -> [Int64] {
      program.operations.map { picoseconds(pricing.hostSeconds(of: $0)) }
    }
    func slots(_ program: Program) -> [KernelTimes.Slot] {
      program.operations.map { KernelTimes.slot(of: $0) }
    }
    switch item {
    case .overlapped(let first, let second):
      isPair = true
      kernelSlots =
        slots(input.stages[first.stage].forward) + slots(input.stages[second.stage].backward)
      hostDurations =
        host(input.stages[first.stage].forward) + host(input.stages[second.stage].backward)
      forward = prices(input.stages[first.stage].forward, true)
      backward = prices(input.stages[second.stage].backward, true)
    case .run(let action):
      isPair = false
      kernelSlots = slots(input.stages[action.stage].program(for: action.pass))
      hostDurations = host(input.stages[action.stage].program(for: action.pass))
      let own = prices(input.stages[action.stage].program(for: action.pass), false)
      (forward, backward) = action.pass == .forward ? (own, nil) : (nil, own)
    default: preconditionFailure("Only actions have a template.")
    }
    forwardCount = forward?.secondsOf.count ?? 0
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
    return durations
  }

  /// The reductions that a closing action starts.
  private(set) lazy var reductions: [Transfer] = input.stages[backwardStage].reduce.transfers

  /// Multiprocessors that each of them takes, and its seconds once all ranks have come; every bucket of
  /// every rank asks.
  private lazy var reductionPrices: [(channels: Int, seconds: Double)] = reductions.map {
    (pricing.channels(of: $0), pricing.seconds(ofCollective: $0, stage: backwardStage))
  }

  private var backwardStage: Int {
    switch item {
    case .overlapped(_, let second): second.stage
    case .run(let action): action.stage
    default: preconditionFailure("Only actions have a template.")
    }
  }

  /// Multiprocessors that a reduction takes, and its seconds once all ranks have come.
  func reduction(_ number: Int) -> (channels: Int, seconds: Double) { reductionPrices[number] }

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
      let own = prices(input.stages[action.stage].program(for: action.pass))
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
    return (all, causal)
  }
}

/// Books what an action acquires and releases, without a clock.
private struct MemoryBooking: Backend {
  let input: StepInput
  /// Whose rows buffers have; nil for equal rows.
  let rank: ActionRank?
  var change = MemoryChange()

  init(_ input: StepInput, rank: ActionRank?) {
    self.input = input
    self.rank = rank
  }

  static func change(of engine: Engine, _ booking: MemoryBooking) -> MemoryChange {
    var (walker, booking) = (engine, booking)
    while walker.advance(&booking) == .waiting {}
    return booking.change
  }

  private func size(_ id: BufferID, _ instance: Instance) -> (Int, Buffer.Use) {
    let stage = Int(instance.stage)
    let buffer = input.stages[stage].buffers[Int(id.index)]
    let rows =
      rank.map { instance.pass == .forward ? $0.forwardRows : $0.backwardRows }
      ?? input.balancedRows[stage]
    return (rows(buffer.rows) * buffer.bytesPerRow, buffer.use)
  }

  mutating func acquire(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = size(id, instance)
    change.acquire(bytes, use)
  }

  mutating func release(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = size(id, instance)
    change.release(bytes, use)
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
  mutating func end(_ item: Item, index: Int) {}
  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {}
  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  { TransferHandle(-1) }
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle { TransferHandle(-1) }
  mutating func wait(_ handle: TransferHandle) -> Bool { true }
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}
  mutating func agree() -> Bool { true }
}
