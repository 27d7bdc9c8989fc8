#if MPI
  import Engines
  import Programs
  import Schedules
  import Simulation
  import Training

  /// The figures of one rank in a step, counted by one of two worlds.
  struct RankFigures: Equatable {
    var flops = 0
    /// What the rank sent.
    var messages = 0
    var bytes = 0
    var peak = 0
    /// Operations, and a checksum of the order of each stream.
    var operations = 0
    var order = 0

    var numbers: [Int] { [flops, messages, bytes, peak, operations, order] }
  }

  extension RankFigures {
    /// What a step really did.
    init(_ ledger: Ledger) {
      flops = ledger.matmulFLOPs + ledger.attentionFLOPs
      messages = ledger.messages.count
      bytes = ledger.messages.reduce(0) { $0 + $1.bytes }
      peak = ledger.peak.total
      add(ledger.order, ledger.streams)
    }

    /// What a simulated rank did; `sent` are its messages.
    init(_ rank: RankResult, _ log: StepLog, number: Int, sent: [StepMessage]) {
      flops = Int(rank.flops)
      messages = sent.count
      bytes = sent.reduce(0) { $0 + $1.bytes }
      peak = rank.memory.peak
      add(log.order[number], log.streams[number])
    }

    private mutating func add(_ entries: [StepEntry], _ streams: [Programs.Stream]) {
      var sums = Programs.Stream.allCases.map { _ in OrderSum() }
      for (entry, stream) in zip(entries, streams) {
        if case .operation = entry { operations += 1 }
        sums[Int(stream.rawValue)].add(entry)
      }
      order = sums.dropFirst().reduce(into: sums[0]) { $0.add($1.value) }.value
    }
  }

  /// A checksum of a sequence: FNV-1a, 64 bits (draft-eastlake-fnv), over whole numbers.
  private struct OrderSum {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    var value: Int { Int(bitPattern: UInt(state)) }

    mutating func add(_ number: Int) {
      state = (state ^ UInt64(bitPattern: Int64(number))) &* 0x100_0000_01b3
    }

    mutating func add(_ entry: StepEntry) {
      switch entry {
      case .operation(let instance, let index): add(0, instance, index)
      case .transfer(let instance, let index): add(1, instance, index)
      case .message(let boundary, let isSend, let stage, let microbatch):
        for number in [boundary == .activation ? 2 : 3, isSend ? 1 : 0, stage, microbatch] {
          add(number)
        }
      }
    }

    private mutating func add(_ kind: Int, _ instance: Instance, _ index: Int) {
      for number in [
        kind, Int(instance.stage), Int(instance.microbatch),
        Action.Pass.allCases.firstIndex(of: instance.pass) ?? -1, index,
      ] { add(number) }
    }
  }
#endif
