#if MPI
  import Checkpoints
  import Engines
  import Foundation
  import MessagePassing
  import Plans
  import Simulation
  import Training

  /// What all ranks recorded of a step, put together on each of them.
  struct RecordedStep {
    /// By rank.
    var figures: [[Int]] = []
    /// Of all ranks.
    var messages: [StepMessage] = []
    /// The host of each rank, numbered in the order of ranks.
    var nodes: [Int] = []
    /// For each exchange of each rank: rank, stage, microbatch, exchange, rows received and routed, and
    /// then the rows sent to each rank of the expert group.
    private var exchanges: [[Int]] = []

    /// A collective.
    init(_ ledger: Ledger, _ communicator: any Communicator) throws(MPIError) {
      figures = try Self.gather([RankFigures(ledger).numbers], communicator)
      messages = try Self.gather(ledger.messages.map(\.numbers), communicator)
        .map { StepMessage(numbers: $0) }
      exchanges = try Self.gather(
        ledger.exchanges.map { counts in
          [
            communicator.rank, counts.stage, counts.microbatch, counts.exchange,
            counts.received.reduce(0, +), counts.routed.reduce(0, +),
          ] + counts.sent
        }, communicator)
      nodes = try Self.hosts(communicator)
    }

    /// Rows of numbers of all ranks, those of one rank behind those of the one before.
    private static func gather(
      _ rows: [[Int]], _ communicator: any Communicator
    ) throws(MPIError) -> [[Int]] {
      let own = rows.first?.count ?? 0
      let width = try communicator.allReduce(own, .maximum)
      precondition(rows.allSatisfy { $0.count == width }, "rows have the same length")
      let all = try communicator.allGather(Array(rows.joined()))
      return stride(from: 0, to: all.count, by: max(1, width)).map { Array(all[$0..<$0 + width]) }
    }

    /// The host of each rank, numbered in the order of ranks; a collective.
    static func hosts(_ communicator: any Communicator) throws(MPIError) -> [Int] {
      let own = Array(hostName.utf8.prefix(255))
      let name = own + [UInt8](repeating: 0, count: 256 - own.count)
      let all = try communicator.allGather(name)
      var known: [ArraySlice<UInt8>] = []
      return stride(from: 0, to: all.count, by: name.count).map { start in
        let host = all[start..<start + name.count]
        if let number = known.firstIndex(of: host) { return number }
        known.append(host)
        return known.count - 1
      }
    }

    /// The row counts of all exchanges, for the simulation.
    func rows(_ input: StepInput) -> RankRows {
      var recorded = RankRows()
      for numbers in exchanges {
        let (rank, stage, microbatch, exchange) = (numbers[0], numbers[1], numbers[2], numbers[3])
        var rows =
          recorded[rank: rank, stage: stage, microbatch: microbatch] ?? input.balancedRows[stage]
        rows.received[exchange] = numbers[4]
        rows.routed[exchange] = numbers[5]
        rows.sent[exchange] = numbers[6...].reduce(0, +)
        recorded[rank: rank, stage: stage, microbatch: microbatch] = rows
      }
      return recorded
    }

    /// Where the rows went, for the simulation.
    var routes: RecordedRoutes {
      var routes = RecordedRoutes()
      for numbers in exchanges {
        routes[
          rank: numbers[0], stage: numbers[1], microbatch: numbers[2], exchange: numbers[3]] =
          Array(numbers[6...])
      }
      return routes
    }
  }
#endif
