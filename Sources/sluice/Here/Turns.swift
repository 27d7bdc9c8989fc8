#if MPI
  import Calibration
  import Foundation
  import MessagePassing
  import Training

  /// How long a rank that waits for a message has to wait for its turn on a core, beside ranks that compute.
  ///
  /// A rank that waits looks, and gives its core away at every look; one that computes keeps its own for as long as the
  /// system lets it, which is milliseconds. Rank 0 waits as in a step and notes when it was not on a core. A message may
  /// come at any moment, so that what it has to wait is the mean over time of what was left of such a gap. Round trips
  /// would show the same and need minutes for it, as each has one gap or none.
  struct Turns {
    /// How many of the other ranks compute, the last ones; the rest waits too.
    var computing: Int
    /// For how long rank 0 looks.
    var duration: Duration

    private static let end = 4

    /// The mean time until rank 0 has its turn, in seconds; elsewhere 0.
    ///
    /// A collective.
    func seconds(_ world: any Communicator) throws -> Double {
      try world.barrier()
      let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
      defer { byte.deallocate() }
      byte[0] = 0
      guard world.rank == 0 else {
        let end = try world.startReceive(into: byte, from: 0, tag: Self.end)
        if world.rank >= world.size - computing { try compute(until: end) }
        try end.wait()
        return 0
      }
      let mean = try look(world)
      for rank in 1..<world.size {
        try world.send(UnsafeRawBufferPointer(byte), to: rank, tag: Self.end)
      }
      return mean
    }

    /// Trains a small model until rank 0 has seen enough.
    private func compute(until end: borrowing Request) throws {
      let model = try HereModel.all(isQuick: true)[4]
      while try !end.test() {
        _ = try withRanksAsThreads(1) { own in try OperationTimes(model, own, steps: 2...2) }
      }
    }

    /// Looks for messages as a wait does, with a yield behind each.
    private func look(_ world: any Communicator) throws -> Double {
      let clock = ContinuousClock()
      let start = clock.now
      var last = start
      var gaps = TurnGaps()
      while last - start < duration {
        sched_yield()
        try world.progress()
        let now = clock.now
        gaps.add((now - last) / .seconds(1))
        last = now
      }
      return gaps.meanLeft
    }
  }
#endif
