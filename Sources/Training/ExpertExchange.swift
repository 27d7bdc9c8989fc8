import Collectives
import Engines
import Kernels
import MessagePassing
import Models
import Programs

// A routing buffer of n tokens holds n·k expert numbers (Int32), then n·k weights (Float).

extension RankBackend {
  func counts(_ exchange: Int, _ instance: Instance) -> ExchangeCounts {
    let stage = Int(instance.stage)
    let place = exchangeIndex(exchange, instance)
    guard let known = memory[stage]!.exchanges[place] else {
      preconditionFailure("The counts of an exchange are not known yet.")
    }
    return known
  }

  func setCounts(_ counts: ExchangeCounts, _ instance: Instance) {
    memory[Int(instance.stage)]!.exchanges[exchangeIndex(counts.exchange, instance)] = counts
    ledger.exchanges.append(counts)
  }

  private func exchangeIndex(_ exchange: Int, _ instance: Instance) -> Int {
    let count = max(1, assignment.programs[Int(instance.stage)].exchangeCount)
    let slot = instance.microbatch < 0 ? microbatches : Int(instance.microbatch)
    return slot * count + exchange
  }

  func start(_ index: Int, of program: Program, _ instance: Instance) -> TransferHandle {
    guard failure == nil else { return TransferHandle(0) }
    let transfer = program.transfers[index]
    record(.transfer(instance, index: index), transfer.stream)
    var handle = TransferHandle(0)
    attempt {
      let begun = try begin(transfer, instance)
      let place: KeptTransfer.Place =
        instance.microbatch >= 0
        ? .action(instance, index: index)
        : .step(.collective(stage: Int(instance.stage), number: index, transfer.kind))
      handle = keep(
        begun, place, transfer.stream,
        bytes: recording.timeline ? bytes(of: transfer, instance) : 0)
    }
    return handle
  }

  /// What this rank puts into a transfer.
  private func bytes(of transfer: Transfer, _ instance: Instance) -> Int {
    // A row of counts goes to every rank of the expert group.
    if case .counts = transfer.kind {
      return assignment.plan.expertParallel * transfer.bytesPerRow
    }
    return transfer.bytes(
      sent: { counts($0, instance).sentRows }, received: { counts($0, instance).receivedRows },
      rows: { rows($0, instance) })
  }

  private func begin(_ transfer: Transfer, _ instance: Instance) throws -> any PendingTransfer {
    let stage = Int(instance.stage)
    switch transfer.kind {
    case .counts(let exchange): return try exchangeCounts(transfer, exchange, instance)
    case .dispatch(let exchange): return try dispatch(transfer, exchange, instance)
    case .combine(let exchange): return try combine(transfer, exchange, instance)
    case .combineBackward(let exchange):
      return try combineBackward(transfer, exchange, instance)
    case .dispatchBackward(let exchange):
      return try dispatchBackward(transfer, exchange, instance)
    case .reduceScatter: return try startReduction(transfer, stage: stage, isSharded: true)
    case .allReduce: return try startReduction(transfer, stage: stage, isSharded: false)
    case .allGather: return try startGather(transfer, stage: stage)
    case .shift: preconditionFailure("CPU ranks neither share a sequence nor cut exchanges.")
    case .toHost, .fromHost: preconditionFailure("CPU ranks lie in their host's memory.")
    }
  }

  // MARK: Who goes where

  /// For each rank of the expert group, this rank's tokens that chose one of its experts, ascending.
  private func routes(
    _ routing: UnsafePointer<Int32>, tokens: Int, chosen: Int, experts: Int
  ) -> (tokens: [[Int]], rows: [Int]) {
    let ranks = assignment.plan.expertParallel
    let share = experts / ranks
    var routes = [[Int]](repeating: [], count: ranks)
    var rows = [Int](repeating: 0, count: ranks)
    for token in 0..<tokens {
      for slot in token * chosen..<(token + 1) * chosen {
        let rank = Int(routing[slot]) / share
        rows[rank] += 1
        if routes[rank].last != token { routes[rank].append(token) }
      }
    }
    return (routes, rows)
  }

  private func mixture(of transfer: Transfer) -> Mixture { assignment.mixture(transfer.layer) }

  private func routes(_ transfer: Transfer, _ routing: BufferID, _ instance: Instance)
    -> (tokens: [[Int]], rows: [Int])
  {
    let mixture = mixture(of: transfer)
    return routes(
      integers(routing, instance), tokens: assignment.plan.tokensPerMicrobatch,
      chosen: mixture.expertsPerToken, experts: mixture.routedExperts)
  }

  private func tag(_ exchange: Int, _ instance: Instance, _ kind: Ledger.MessageKind) -> Int {
    let stages = assignment.programs.count
    let place = (Int(instance.microbatch) * stages + Int(instance.stage)) * 64 + exchange
    return (place * 8 + Int(kind.rawValue)) % (maximumTag + 1)
  }

  /// What this rank knows of an exchange of rows of so many floats.
  private func exchange(_ counts: ExchangeCounts, columns: Int) -> ExpertExchange {
    let own = assignment.mesh.expertCoordinate(of: links.rank)
    return ExpertExchange(
      RowCounts(sent: counts.sent, received: counts.received, at: own),
      rowBytes: columns * MemoryLayout<Float>.size,
      on: Collectives.Placement(nodeSizes: [counts.sent.count]))
  }

  /// Starts to send and receive blocks that lie one after the other, by rank of the group; this rank's own
  /// is copied.
  private func start(
    _ rounds: AllToAll, _ kind: Ledger.MessageKind, _ exchange: Int, _ instance: Instance,
    from source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer,
    unpack: @escaping (RankBackend) -> Void = { _ in }
  ) throws -> any PendingTransfer {
    let own = assignment.mesh.expertCoordinate(of: links.rank)
    let kept = rounds.ownBlock(of: own)
    (target + kept.destinationOffset).copyMemory(
      from: source + kept.sourceOffset, byteCount: kept.bytes)
    let tag = tag(exchange, instance, kind)
    let collective = try startCollective(
      rounds,
      CollectiveInFlight.Members(links.experts, ranks: assignment.expertRanks, own: own) {
        _, _ in tag
      }, CollectiveInFlight.Memory(from: source, to: target),
      of: MessageOrigin(
        kind: kind, stage: Int(instance.stage), microbatch: Int(instance.microbatch),
        number: exchange))
    return CollectiveTransfer(kind, collective, unpack: unpack)
  }

  // MARK: The five transfers

  private func exchangeCounts(
    _ transfer: Transfer, _ exchange: Int, _ instance: Instance
  ) throws -> any PendingTransfer {
    let (tokens, rows) = routes(transfer, transfer.operands[1], instance)
    // A pair of numbers for each rank of the group, then a pair from each.
    let table = integers(transfer.operands[0], instance)
    let ranks = assignment.expertRanks.count
    for index in 0..<ranks {
      table[2 * index] = Int32(tokens[index].count)
      table[2 * index + 1] = Int32(rows[index])
    }
    let arrived = table + 2 * ranks
    let pair = 2 * MemoryLayout<Int32>.size
    let rounds = AllToAll(
      [[Int]](repeating: [Int](repeating: pair, count: ranks), count: ranks), inOneRound: true)
    return try start(rounds, .counts, exchange, instance, from: table, to: arrived) { backend in
      let counts = ExchangeCounts(
        stage: Int(instance.stage), microbatch: Int(instance.microbatch), exchange: exchange,
        sent: (0..<ranks).map { Int(table[2 * $0]) },
        received: (0..<ranks).map { Int(arrived[2 * $0]) },
        routed: (0..<ranks).map { Int(arrived[2 * $0 + 1]) })
      backend.setCounts(counts, instance)
    }
  }

  private func dispatch(
    _ transfer: Transfer, _ exchange: Int, _ instance: Instance
  ) throws -> any PendingTransfer {
    let operands = transfer.operands
    let (hidden, chosen) = (
      assignment.architecture.hiddenSize, mixture(of: transfer).expertsPerToken
    )
    let tokens = assignment.plan.tokensPerMicrobatch
    let columns = hidden + 2 * chosen
    let counts = counts(exchange, instance)
    let (staging, arrived) = (floats(operands[2], instance), floats(operands[3], instance))
    let (input, routing) = (floats(operands[4], instance), floats(operands[5], instance))
    var row = staging
    for token in routes(transfer, operands[5], instance).tokens.joined() {
      copy(row, input + token * hidden, count: hidden)
      copy(row + hidden, routing + token * chosen, count: chosen)
      copy(row + hidden + chosen, routing + (tokens + token) * chosen, count: chosen)
      row += columns
    }
    let (received, numbers) = (floats(operands[0], instance), floats(operands[1], instance))
    let rows = counts.receivedRows
    return try start(
      self.exchange(counts, columns: columns).directDispatch, .dispatch, exchange, instance,
      from: staging, to: arrived
    ) { _ in
      copyRows(
        received, outStride: hidden, arrived, stride: columns, rows: rows, columns: hidden)
      copyRows(
        numbers, outStride: chosen, arrived + hidden, stride: columns, rows: rows,
        columns: chosen)
      copyRows(
        numbers + rows * chosen, outStride: chosen, arrived + hidden + chosen, stride: columns,
        rows: rows, columns: chosen)
    }
  }

  private func combine(
    _ transfer: Transfer, _ exchange: Int, _ instance: Instance
  ) throws -> any PendingTransfer {
    let operands = transfer.operands
    let hidden = assignment.architecture.hiddenSize
    let counts = counts(exchange, instance)
    let arrived = floats(operands[1], instance)
    let combined = floats(operands[0], instance)
    let route = routes(transfer, operands[3], instance).tokens
    let tokens = assignment.plan.tokensPerMicrobatch
    return try start(
      self.exchange(counts, columns: hidden).directCombine, .combine, exchange, instance,
      from: floats(operands[2], instance), to: arrived
    ) { _ in
      fill(combined, with: 0, count: tokens * hidden)
      var row = arrived
      for token in route.joined() {
        let target = combined + token * hidden
        add(target, target, row, count: hidden)
        row += hidden
      }
    }
  }

  private func combineBackward(
    _ transfer: Transfer, _ exchange: Int, _ instance: Instance
  ) throws -> any PendingTransfer {
    let operands = transfer.operands
    let hidden = assignment.architecture.hiddenSize
    let counts = counts(exchange, instance)
    let (staging, gradient) = (floats(operands[1], instance), floats(operands[2], instance))
    var row = staging
    for token in routes(transfer, operands[3], instance).tokens.joined() {
      copy(row, gradient + token * hidden, count: hidden)
      row += hidden
    }
    return try start(
      self.exchange(counts, columns: hidden).directDispatch, .combineBackward, exchange, instance,
      from: staging, to: floats(operands[0], instance))
  }

  private func dispatchBackward(
    _ transfer: Transfer, _ exchange: Int, _ instance: Instance
  ) throws -> any PendingTransfer {
    let operands = transfer.operands
    let (hidden, chosen) = (
      assignment.architecture.hiddenSize, mixture(of: transfer).expertsPerToken
    )
    let columns = hidden + chosen
    let counts = counts(exchange, instance)
    let (staging, arrived) = (floats(operands[2], instance), floats(operands[3], instance))
    copyRows(
      staging, outStride: columns, floats(operands[4], instance), stride: hidden,
      rows: counts.receivedRows, columns: hidden)
    copyRows(
      staging + hidden, outStride: columns, floats(operands[5], instance), stride: chosen,
      rows: counts.receivedRows, columns: chosen)
    let (gradient, weights) = (floats(operands[0], instance), floats(operands[1], instance))
    let route = routes(transfer, operands[6], instance).tokens
    let tokens = assignment.plan.tokensPerMicrobatch
    return try start(
      self.exchange(counts, columns: columns).directCombine, .dispatchBackward, exchange, instance,
      from: staging, to: arrived
    ) { _ in
      fill(gradient, with: 0, count: tokens * hidden)
      fill(weights, with: 0, count: tokens * chosen)
      var row = arrived
      for token in route.joined() {
        add(gradient + token * hidden, gradient + token * hidden, row, count: hidden)
        add(
          weights + token * chosen, weights + token * chosen, row + hidden, count: chosen)
        row += columns
      }
    }
  }
}

extension RankAssignment {
  /// The mixture of a layer or prediction module.
  func mixture(_ layer: Int) -> Mixture {
    let index = min(layer, architecture.layerCount - 1)
    guard case .mixture(let mixture) = architecture.feedForwards[index] else {
      preconditionFailure("Layer \(layer) has no experts.")
    }
    return mixture
  }
}
