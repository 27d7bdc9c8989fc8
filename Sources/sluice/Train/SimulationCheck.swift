#if MPI
  import Engines
  import MessagePassing
  import Models
  import Plans
  import Programs
  import Reports
  import Schedules
  import Simulation
  import Training

  /// A real step held against the simulation of the same plan, rank by rank: the four equalities of
  /// FLOPs, messages, peak memory and order.
  ///
  /// With experts the simulation is given the row counts that the step recorded.
  struct SimulationCheck {
    /// The figures of one rank, counted by one of the two worlds.
    struct Figures: Equatable {
      var flops = 0
      var pipelineMessages = 0
      var pipelineBytes = 0
      var expertBytes = 0
      var gradientBytes = 0
      var peak = 0
      /// Operations of the pipeline, and a checksum of their order and of the messages'.
      var operations = 0
      var order = 0

      static let count = 8

      var numbers: [Int] {
        [
          flops, pipelineMessages, pipelineBytes, expertBytes, gradientBytes, peak, operations,
          order,
        ]
      }
    }

    /// The table of all ranks; empty but on rank 0.
    var text = ""
    var isEqual = true

    /// Compares a step that was recorded with its order; a collective.
    ///
    /// - Throws: `PlanError`, `ScheduleError`, `MPIError`.
    init(
      _ ledger: Ledger, _ architecture: Architecture, _ plan: Plan,
      _ communicator: any Communicator
    ) throws {
      let own = Self.counts(ledger)
      let all = try communicator.allGather(own.numbers)
      let rows = try communicator.allGather(
        Self.exchanges(
          ledger, rank: communicator.rank,
          place: plan.mesh.expertCoordinate(of: communicator.rank)))
      guard communicator.rank == 0 else { return }
      let placed = try plan.validated(for: architecture, on: .ranks(plan.worldSize))
      var input = try StepInput(placed, rows: (received: 0, routed: 0, sent: 0))
      input.rankRows = Self.recorded(rows, input)
      var simulation = StepSimulation(input, pricing: NoTime())
      simulation.isExplicit = true
      simulation.keepsSpans = true
      let result = simulation.run()
      let gradients = GradientMessages(placed: placed, input: input)
      var table = TextTable([.left])
      table.add([
        "rank", "FLOPs", "messages", "bytes of them", "bytes to experts", "of gradients",
        "peak memory",
        "operations", "order",
      ])
      for (rank, simulated) in result.ranks.enumerated() {
        var figures = Self.counts(simulated, input, rank: rank, rows)
        figures.gradientBytes = gradients.bytes(rank: rank)
        let expected = figures.numbers
        let found = Array(all[rank * Figures.count..<(rank + 1) * Figures.count])
        var cells = zip(expected, found).map { expected, found in
          expected == found
            ? "= \(grouped(found))" : "\(grouped(expected)) ≠ \(grouped(found))"
        }
        cells[cells.count - 1] = expected.last == found.last ? "=" : "≠"
        table.add(["\(rank)"] + cells)
        isEqual = isEqual && expected == found
      }
      let count = isEqual ? "equal in all of it" : "NOT equal: simulated ≠ measured"
      text = "simulation against this step, by rank: \(count)\n" + table.text()
    }
  }

  // MARK: What the step did

  extension SimulationCheck {
    private static func counts(_ ledger: Ledger) -> Figures {
      var figures = Figures()
      figures.flops = ledger.matmulFLOPs + ledger.attentionFLOPs
      figures.peak = ledger.peak.total
      for message in ledger.messages {
        switch message.kind {
        case .pipeline:
          figures.pipelineMessages += 1
          figures.pipelineBytes += message.bytes
        case .dispatch, .combine, .combineBackward, .dispatchBackward:
          figures.expertBytes += message.bytes
        case .reduction, .gather: figures.gradientBytes += message.bytes
        case .counts: break
        }
      }
      var order = OrderSum()
      for entry in ledger.order {
        switch entry {
        case .operation(let instance, let index) where instance.microbatch >= 0:
          figures.operations += 1
          order.add(instance, index)
        case .message(let boundary, let isSend, let stage, let microbatch):
          order.add(boundary, isSend, stage, microbatch)
        default: break
        }
      }
      figures.order = order.value
      return figures
    }

    /// Rank, stage, microbatch, exchange, rows received, routed and sent, and the rows that stay on the
    /// rank: eight numbers an exchange.
    private static func exchanges(_ ledger: Ledger, rank: Int, place: Int) -> [Int] {
      ledger.exchanges.flatMap { counts in
        [
          rank, counts.stage, counts.microbatch, counts.exchange, counts.received.reduce(0, +),
          counts.routed.reduce(0, +), counts.sent.reduce(0, +), counts.sent[place],
        ]
      }
    }

    private static let exchangeNumbers = 8

    private static func recorded(_ numbers: [Int], _ input: StepInput) -> RankRows {
      var recorded = RankRows()
      for start in stride(from: 0, to: numbers.count, by: exchangeNumbers) {
        let part = Array(numbers[start..<start + exchangeNumbers])
        let (rank, stage, microbatch, exchange) = (part[0], part[1], part[2], part[3])
        var rows =
          recorded[rank: rank, stage: stage, microbatch: microbatch] ?? input.balancedRows[stage]
        rows.received[exchange] = part[4]
        rows.routed[exchange] = part[5]
        rows.sent[exchange] = part[6]
        recorded[rank: rank, stage: stage, microbatch: microbatch] = rows
      }
      return recorded
    }
  }

  // MARK: What the simulation did

  extension SimulationCheck {
    private static func counts(
      _ rank: RankResult, _ input: StepInput, rank number: Int, _ rows: [Int]
    ) -> Figures {
      var figures = Figures()
      figures.flops = Int(rank.flops)
      figures.peak = rank.memory.peak
      let program = input.ranks[rank.position]
      for transfer in program.transfers where transfer.isSend {
        let stage = input.stages[transfer.stage]
        let buffer = transfer.boundary == .activation ? stage.output : stage.inputGradient
        guard let buffer else { continue }
        let shape = stage.buffers[Int(buffer.index)]
        figures.pipelineMessages += 1
        figures.pipelineBytes += input.balancedRows[transfer.stage](shape.rows) * shape.bytesPerRow
      }
      var order = OrderSum()
      var spans = rank.items[...]
      for item in program.items {
        if case .start(let index) = item {
          let transfer = program.transfers[index]
          order.add(transfer.boundary, transfer.isSend, transfer.stage, transfer.microbatch)
        }
        guard let span = spans.first, span.item == item else { continue }
        spans.removeFirst()
        figures.operations += add(span, to: &order)
      }
      figures.order = order.value
      figures.expertBytes = expertBytes(program, input, rank: number, rows)
      return figures
    }

    private static func add(_ span: ItemSpan, to order: inout OrderSum) -> Int {
      var count = 0
      for part in span.spans {
        guard case .operation(let index) = part.kind else { continue }
        let action: Action
        switch span.item {
        case .run(let lone): action = lone
        case .overlapped(let forward, let backward):
          action = part.isForward ? forward : backward
        default: continue
        }
        count += 1
        order.add(
          Instance(stage: action.stage, microbatch: action.microbatch, pass: action.pass),
          Int(index))
      }
      return count
    }

    /// What a rank sends to the others of its expert group in a step: each transfer's rows but those
    /// that stay, as wide as the program says.
    private static func expertBytes(
      _ program: RankProgram, _ input: StepInput, rank: Int, _ rows: [Int]
    ) -> Int {
      var leaving: [[Int]: (received: Int, sent: Int)] = [:]
      for start in stride(from: 0, to: rows.count, by: exchangeNumbers) where rows[start] == rank {
        let part = Array(rows[start..<start + exchangeNumbers])
        leaving[[part[1], part[2], part[3]]] = (part[4] - part[7], part[6] - part[7])
      }
      return program.items.reduce(0) { sum, item in
        let actions: [Action]
        switch item {
        case .run(let action): actions = [action]
        case .overlapped(let forward, let backward): actions = [forward, backward]
        default: actions = []
        }
        return sum
          + actions.reduce(0) { sum, action in
            let program = input.stages[action.stage].program(for: action.pass)
            return sum
              + program.steps.reduce(0) { sum, step in
                guard case .start(let index) = step else { return sum }
                return sum
                  + bytes(program.transfers[Int(index)]) {
                    leaving[[action.stage, action.microbatch, $0]]
                  }
              }
          }
      }
    }

    /// The bytes of a transfer that leave the rank.
    private static func bytes(
      _ transfer: Transfer, _ rows: (Int) -> (received: Int, sent: Int)?
    ) -> Int {
      switch transfer.kind {
      case .dispatch(let exchange), .combineBackward(let exchange):
        (rows(exchange)?.sent ?? 0) * transfer.bytesPerRow
      case .combine(let exchange), .dispatchBackward(let exchange):
        (rows(exchange)?.received ?? 0) * transfer.bytesPerRow
      case .counts, .allGather, .reduceScatter, .allReduce: 0
      }
    }
  }

  /// A checksum of a sequence: FNV-1a, 64 bits (draft-eastlake-fnv), over whole numbers.
  private struct OrderSum {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    var value: Int { Int(bitPattern: UInt(state)) }

    private mutating func add(_ number: Int) {
      state = (state ^ UInt64(bitPattern: Int64(number))) &* 0x100_0000_01b3
    }

    mutating func add(_ instance: Instance, _ index: Int) {
      for number in [
        1, Int(instance.stage), Int(instance.microbatch),
        Action.Pass.allCases.firstIndex(of: instance.pass) ?? -1,
        index,
      ] { add(number) }
    }

    mutating func add(_ boundary: Boundary, _ isSend: Bool, _ stage: Int, _ microbatch: Int) {
      for number in [boundary == .activation ? 2 : 3, isSend ? 1 : 0, stage, microbatch] {
        add(number)
      }
    }
  }
#endif
