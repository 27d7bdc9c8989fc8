#if MPI
  import Engines
  import MessagePassing
  import Models
  import Plans
  import Programs
  import Reports
  import Simulation
  import Training

  /// A real step held against the simulation of the same plan, rank by rank and message by message: the
  /// four equalities of FLOPs, messages, peak memory and order.
  ///
  /// With experts the simulation is given the row counts that the step recorded. It takes consecutive
  /// ranks to fill one host after the other.
  public struct SimulationCheck: Sendable {
    /// The tables of all ranks and kinds of messages; empty but on rank 0.
    public var text = ""
    public var isEqual = true
    /// By rank, FLOPs of attention that programs have for keys which caches do not hold yet.
    private var surplus: [Int] = []

    /// Compares a step that was recorded with its order; a collective.
    ///
    /// - Throws: `PlanError`, `ScheduleError`, `MPIError`.
    public init(
      _ ledger: Ledger, _ architecture: Architecture, _ plan: Plan,
      objective: Objective = .crossEntropy, _ communicator: any Communicator
    ) throws {
      let recorded = try RecordedStep(ledger, communicator)
      guard communicator.rank == 0 else { return }
      let placed = try plan.validated(for: architecture, on: .ranks(plan.worldSize))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank, objective: objective)
      compare(input, recorded, with: "this step")
    }

    /// Compares a forward that nothing is learnt from, recorded with its order; a collective.
    ///
    /// Programs know caches as full as they may be: FLOPs of attention are counted by the keys that are in
    /// them.
    public init(_ forward: RecordedForward, _ communicator: any Communicator) throws {
      let recorded = try RecordedStep(forward.ledger, communicator)
      let keys = try communicator.allGather(forward.keys)
      guard communicator.rank == 0 else { return }
      let plan = forward.plan
      let placed = try plan.validated(for: forward.architecture, on: .ranks(plan.worldSize))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank, purpose: forward.purpose)
      let count = forward.keys.count
      if count > 0 {
        surplus = input.ranks.indices.flatMap { position in
          (0..<plan.worldSize / input.ranks.count).map { replica in
            let rank = position * (plan.worldSize / input.ranks.count) + replica
            return input.cacheSurplus(
              position, keys: Array(keys[rank * count..<(rank + 1) * count]))
          }
        }
      }
      compare(input, recorded, with: forward.name)
    }

    private mutating func compare(_ input: StepInput, _ recorded: RecordedStep, with name: String) {
      var input = input
      input.rankRows = recorded.rows(input)
      input.routes = recorded.routes
      var simulation = StepSimulation(input, pricing: NoTime())
      simulation.isExplicit = true
      simulation.keepsLog = true
      let result = simulation.run()
      guard let log = result.log else { preconditionFailure("The log was asked for.") }
      let comparison = MessageComparison(simulated: log.messages, measured: recorded.messages)
      let tables =
        rankTable(result.ranks, log, recorded) + "\n" + messageTable(log.messages, recorded)
      var messages = "every message is equal"
      if let difference = comparison.firstDifference {
        isEqual = false
        messages = "messages differ, first \(difference)"
      }
      let verdict = isEqual ? "equal in all of it" : "NOT equal: simulated ≠ measured"
      text = "simulation against \(name), by rank: \(verdict)\n\(tables)\(messages)\n"
    }

    private mutating func rankTable(
      _ ranks: [RankResult], _ log: StepLog, _ recorded: RecordedStep
    ) -> String {
      var table = TextTable([.left])
      table.add(["rank", "FLOPs", "messages", "bytes", "peak memory", "operations", "order"])
      for (rank, simulated) in ranks.enumerated() {
        var expected = RankFigures(
          simulated, log, number: rank, sent: log.messages.filter { $0.source == rank }
        ).numbers
        if !surplus.isEmpty { expected[0] -= surplus[rank] }
        var cells = cells(expected, recorded.figures[rank])
        cells[cells.count - 1] = expected.last == recorded.figures[rank].last ? "=" : "≠"
        table.add(["\(rank)"] + cells)
      }
      return table.text()
    }

    /// Messages and their bytes by what they are for, and by what they travel over.
    private mutating func messageTable(
      _ simulated: [StepMessage], _ recorded: RecordedStep
    ) -> String {
      let perNode = recorded.nodes.count { $0 == 0 }
      let nodes = recorded.nodes.indices.map { $0 / perNode }
      var table = TextTable([.left])
      table.add(["messages", "number", "bytes in a rank", "in a node", "over the network"])
      for kind in StepMessage.Kind.allCases {
        let expected = MessageSums(simulated, of: kind, nodes: nodes)
        let found = MessageSums(recorded.messages, of: kind, nodes: recorded.nodes)
        if expected.count == 0, found.count == 0 { continue }
        table.add([spelledOut("\(kind)")] + cells(expected.numbers, found.numbers))
      }
      return table.text()
    }

    private mutating func cells(_ expected: [Int], _ found: [Int]) -> [String] {
      isEqual = isEqual && expected == found
      return zip(expected, found).map { expected, found in
        expected == found ? "= \(grouped(found))" : "\(grouped(expected)) ≠ \(grouped(found))"
      }
    }
  }

  extension StepInput {
    /// FLOPs of a rank's attention among cached keys beyond those of `keys`, which has for each microbatch
    /// how many its rows meet together.
    fileprivate func cacheSurplus(_ position: Int, keys: [Int]) -> Int {
      var surplus = 0
      for item in ranks[position].items {
        guard case .run(let action) = item else { continue }
        for operation in stages[action.stage].forward.operations {
          guard case .attention(let shape, _, _) = operation.kernel, shape.isCached else {
            continue
          }
          let whole = Int(shape.forwardFLOPs)
          let ofAKey = whole / (shape.sequences * shape.keys)
          surplus += whole - ofAKey * keys[action.microbatch]
        }
      }
      return surplus
    }
  }

  /// `dispatchBackward` as `dispatch backward`.
  private func spelledOut(_ name: String) -> String {
    name.reduce(into: "") { text, letter in
      text += letter.isUppercase ? " \(letter.lowercased())" : "\(letter)"
    }
  }
#endif
