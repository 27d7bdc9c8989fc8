#if MPI
  import MessagePassing

  /// Messages of one size to a partner and back, each rank in its call, as while it waits in a step.
  struct RoundTrips {
    var bytes: Int
    var partner: Int
    /// Whether a link lies between that may be slow.
    var isFar: Bool
    var isQuick: Bool
    /// Whether ranks take turns on the cores: the mean counts then, of many, and else the median.
    var isCrowded: Bool
    /// What the other ranks do meanwhile; else they wait.
    var othersCompute: Bool

    private enum Tag { static let (there, back, end) = (1, 2, 3) }

    /// The fewest and the most.
    private var counts: ClosedRange<Int> {
      // A slow link has seconds to spend on the largest message: few of these are enough.
      if isCrowded { return (bytes > 100_000 ? 5 : 21)...201 }
      let count = isFar ? (bytes > 100_000 ? 5 : 21) : (isQuick ? 21 : bytes > 500_000 ? 41 : 201)
      return count...count
    }

    /// For how long more than the fewest are worth their time.
    private var patience: Duration { isQuick ? .milliseconds(200) : .milliseconds(600) }

    /// Half of a round trip on rank 0, in seconds; elsewhere 0.
    ///
    /// A collective.
    func seconds(_ world: any Communicator) throws -> Double {
      try world.barrier()
      switch world.rank {
      case 0: return try lead(world)
      case partner: try follow(world)
      default: if othersCompute { try compute(world) }
      }
      return 0
    }

    private func lead(_ world: any Communicator) throws -> Double {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 1)
      var times: [Double] = []
      let clock = ContinuousClock()
      let begin = clock.now
      // The first opens the connection, and warms up.
      for count in 0...counts.upperBound {
        let isLast =
          count == counts.upperBound
          || (count >= counts.lowerBound && clock.now - begin > patience)
        memory[0] = isLast ? 0 : 1
        let start = clock.now
        try world.send(UnsafeRawBufferPointer(memory), to: partner, tag: Tag.there)
        try world.receive(into: memory, from: partner, tag: Tag.back)
        if count > 0 { times.append((clock.now - start) / .seconds(1) / 2) }
        if isLast { break }
      }
      if othersCompute {
        for rank in 1..<world.size where rank != partner {
          try world.send(
            UnsafeRawBufferPointer(rebasing: memory[..<1]), to: rank, tag: Tag.end)
        }
      }
      return isCrowded
        ? times.reduce(0, +) / Double(times.count) : times.sorted()[times.count / 2]
    }

    private func follow(_ world: any Communicator) throws {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
      defer { memory.deallocate() }
      var goesOn = true
      while goesOn {
        try world.receive(into: memory, from: 0, tag: Tag.there)
        goesOn = memory[0] == 1
        try world.send(UnsafeRawBufferPointer(memory), to: 0, tag: Tag.back)
      }
    }

    /// Trains a small model until rank 0 has seen enough.
    private func compute(_ world: any Communicator) throws {
      let model = try HereModel.all(isQuick: true)[4]
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
      defer { memory.deallocate() }
      let end = try world.startReceive(into: memory, from: 0, tag: Tag.end)
      while try !end.test() {
        _ = try withRanksAsThreads(1) { own in try OperationTimes(model, own, steps: 2...2) }
      }
      try end.wait()
    }
  }
#endif
