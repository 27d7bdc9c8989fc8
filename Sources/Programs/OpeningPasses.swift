import Schedules

/// Parameters of ZeRO stages 1 and 2 that are gathered ahead of the forward: a step begins with the gathers
/// behind the update of the step before, a bucket at a time, and the first forward of a stage waits for each
/// in front of the first operation that reads what it brings (Megatron-Core's `--overlap-param-gather`,
/// core/distributed/param_and_grad_buffer.py).
///
/// There a bucket's gather starts when the one before is waited for; here all of a stage's start at once,
/// which is the same for equal buckets, as a stream carries one after the other.
extension StageProgram {
  /// Moves the gathers from behind the update in front of the next step's forward.
  mutating func gatherAheadOfForward() {
    let reads = firstReads
    func place(_ transfer: Transfer) -> Int {
      segments[transfer.segment].parameters.compactMap { reads[parameters[$0].buffer] }.min()
        ?? forward.steps.count
    }
    let order = update.transfers.indices.sorted { first, second in
      let (one, other) = (place(update.transfers[first]), place(update.transfers[second]))
      return one == other ? first < second : one < other
    }
    let acquired = update.steps.compactMap { step in
      if case .acquire(let buffer) = step { buffer } else { nil }
    }
    for index in order {
      let transfer = update.transfers[index]
      gather.steps += transfer.operands[..<transfer.outputCount].filter(acquired.contains)
        .map { .acquire($0) }
      gather.steps.append(.start(Int32(gather.transfers.count)))
      gather.transfers.append(transfer)
    }
    update.steps.removeAll { step in
      switch step {
      case .start, .acquire: true
      default: false
      }
    }
    update.transfers = []
    settle.transfers = gather.transfers
    openingForward = opening(places: gather.transfers.map(place), reads)
  }

  /// By buffer: the first step of the forward that reads it.
  private var firstReads: [BufferID: Int] {
    var reads: [BufferID: Int] = [:]
    for (place, step) in forward.steps.enumerated() {
      guard case .compute(let index) = step else { continue }
      for operand in forward.operations[Int(index)].inputs where reads[operand] == nil {
        reads[operand] = place
      }
    }
    return reads
  }

  /// The forward with a wait for every gather, and behind it what is made of what has arrived.
  ///
  /// Gathers are numbered behind the forward's own transfers, conversions behind its operations.
  private func opening(places: [Int], _ reads: [BufferID: Int]) -> Program {
    var placeOf: [BufferID: Int] = reads
    var inserted: [Int: [Step]] = [:]
    for (number, transfer) in gather.transfers.enumerated() {
      let place = places[number]
      inserted[place, default: []].append(.wait(Int32(forward.transfers.count + number)))
      for index in segments[transfer.segment].parameters {
        placeOf[parameters[index].buffer] = place
      }
    }
    let known = Set(parameters.map(\.buffer))
    var place = forward.steps.count
    for step in settle.steps {
      switch step {
      case .compute(let index):
        // A parameter is made of what has arrived, or a copy of the parameter.
        let made = settle.operations[Int(index)].operands.first(where: known.contains)
        place = made.flatMap { placeOf[$0] } ?? forward.steps.count
        inserted[place, default: []].append(.compute(Int32(forward.operations.count) + index))
      case .release: inserted[place, default: []].append(step)
      default: break
      }
    }
    var opening = forward
    opening.operations += settle.operations
    opening.transfers += gather.transfers
    opening.steps = []
    for (place, step) in forward.steps.enumerated() {
      opening.steps += inserted[place] ?? []
      opening.steps.append(step)
    }
    opening.steps += inserted[forward.steps.count] ?? []
    return opening
  }
}

extension RankProgram {
  /// Begins the step with the gathers of what the one before has updated, which the first forward of each
  /// stage waits for as it reads it; one that is half of a pair waits for all of its stage's.
  public mutating func gatherAheadOfForwards() {
    var made: [Item] = stages.map { .gather(stage: $0) }
    var (opened, closing): (Set<Int>, [Int]) = ([], [])
    let closes = Set(closingItems)
    for (index, item) in items.enumerated() {
      switch item {
      case .settle: continue
      case .run(let action) where action.pass == .forward:
        if opened.insert(action.stage).inserted { openingItems.append(made.count) }
      case .overlapped(let forward, _):
        if opened.insert(forward.stage).inserted { made.append(.settle(stage: forward.stage)) }
      default: break
      }
      if closes.contains(index) { closing.append(made.count) }
      made.append(item)
    }
    (items, closingItems) = (made, closing)
  }
}
