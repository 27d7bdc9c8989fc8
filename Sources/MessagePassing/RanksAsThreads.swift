import Glibc
import Synchronization

/// Runs the body once per rank, each on a thread of its own, and returns what the ranks returned.
///
/// When the body throws on one rank, the world ends: the waits of all other ranks throw
/// `MPIError.worldEnded`, and the error of the rank that failed first is thrown here.
///
/// - Parameters:
///   - count: how many ranks the world has, at least 1.
///   - timeout: how long a wait may take; nil is for ever.
public func withRanksAsThreads<Value: Sendable>(
  _ count: Int, timeout: Duration? = nil,
  _ body: @escaping @Sendable (ThreadCommunicator) throws -> Value
) throws -> [Value] {
  precondition(count > 0, "a world has at least one rank")
  let world = ThreadWorld(size: count, timeout: timeout)
  let outcomes = Mutex(Outcomes<Value>(count: count))
  withoutActuallyEscaping({ (rank: Int) in
    let communicator = ThreadCommunicator(
      ThreadTransport(world, rank: rank), rank: rank, worldRanks: Array(0..<count), context: 0)
    do {
      let value = try body(communicator)
      outcomes.withLock { $0.values[rank] = value }
    } catch {
      outcomes.withLock { $0.firstError = $0.firstError ?? error }
      world.finish(by: rank, reason: "\(error)")
    }
  }) { run in
    joinThreads(count, run)
  }
  return try outcomes.withLock { outcomes in
    if let error = outcomes.firstError { throw error }
    return outcomes.values.compactMap { $0 }
  }
}

private struct Outcomes<Value> {
  var values: [Value?]
  var firstError: (any Error)?

  init(count: Int) {
    values = [Value?](repeating: nil, count: count)
  }
}

private final class Work {
  let rank: Int
  let run: (Int) -> Void

  init(rank: Int, run: @escaping (Int) -> Void) {
    self.rank = rank
    self.run = run
  }
}

/// Starts the threads and returns when all have ended.
private func joinThreads(_ count: Int, _ run: @escaping (Int) -> Void) {
  let threads = (0..<count).map { rank in
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(rank: rank, run: run))
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
        work.run(work.rank)
        return nil
      }, work.toOpaque())
    precondition(status == 0, "the system gives no more threads")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
