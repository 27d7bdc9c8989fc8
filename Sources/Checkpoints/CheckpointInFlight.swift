import Documents
import Glibc
import Synchronization

/// A checkpoint that is written while the steps behind it run.
///
/// The numbers are copied when it is made; a thread writes them, and on rank 0 waits for what the others
/// write and puts it together. Ranks find each other by the files that they write, so that MPI stays with
/// the thread that trains. A process that is killed meanwhile leaves what it leaves of any other
/// checkpoint that was being written. A class, since it owns a thread.
package final class CheckpointInFlight: Sendable {
  private let thread: pthread_t
  private let work: Work

  /// What the thread does, and what came of it.
  private final class Work: Sendable {
    let outcome = Mutex<Result<Void, CheckpointError>?>(nil)
    let isCancelled = Atomic<Bool>(false)
    /// The rank whose part is waited for, and since when; nil while this one writes.
    let waiting = Mutex<(rank: Int, since: ContinuousClock.Instant)?>(nil)
    /// The numbers, which nobody else has.
    private let body: Mutex<((Work) throws(CheckpointError) -> Void)?>

    init(_ body: sending @escaping (Work) throws(CheckpointError) -> Void) {
      self.body = Mutex(body)
    }

    func run() {
      let body = body.withLock { body in
        defer { body = nil }
        return body
      }
      var result = Result<Void, CheckpointError>.success(())
      do throws(CheckpointError) { try body?(self) } catch { result = .failure(error) }
      outcome.withLock { $0 = result }
    }
  }

  /// Copies a rank's pieces and begins to write them.
  package init(
    _ pieces: CheckpointPieces, _ writer: CheckpointWriter, state: TrainingState, rank: Int,
    ranks: Int
  ) throws(CheckpointError) {
    let copy = pieces.copied()
    let work = Work { work throws(CheckpointError) in
      try writer.writeApart(copy, state: state, rank: rank, ranks: ranks) { other in
        work.waiting.withLock { waiting in
          if waiting?.rank != other { waiting = other.map { ($0, ContinuousClock().now) } }
        }
        return work.isCancelled.load(ordering: .relaxed)
      }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(work)
    let code = pthread_create(
      &thread, nil,
      { box in
        guard let box else { return nil }
        // It takes what the ranks leave of the cores. Linux means the calling thread alone with 0.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        Unmanaged<Work>.fromOpaque(box).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      throw CheckpointError(
        .system, file: writer.folder.path, rule: "gets no thread to be written by")
    }
    (self.thread, self.work) = (thread, work)
  }

  deinit {
    work.isCancelled.store(true, ordering: .relaxed)
    pthread_detach(thread)
  }

  /// Whether this rank has written its part, and rank 0 the checkpoint.
  package var isOver: Bool { work.outcome.withLock { $0 != nil } }

  /// Waits for the end.
  ///
  /// - Parameters:
  ///   - limit: how long another rank's part may be waited for, from this call on; nil is for ever. What this
  ///     rank writes itself takes as long as it takes.
  ///   - progress: called every millisecond.
  /// - Returns: the rank that was waited for in vain; nil where the checkpoint is written.
  /// - Throws: why it was not written, and what `progress` throws.
  package func finish(within limit: Duration? = nil, progress: () throws -> Void = {}) throws
    -> Int?
  {
    let clock = ContinuousClock()
    let start = clock.now
    while !isOver {
      if let limit, let waiting = work.waiting.withLock({ $0 }),
        max(start, waiting.since).duration(to: clock.now) > limit
      {
        work.isCancelled.store(true, ordering: .relaxed)
        return waiting.rank
      }
      try progress()
      usleep(1000)
    }
    try check()
    return nil
  }

  /// Throws why it was not written, if that is known by now.
  package func check() throws(CheckpointError) {
    if case .failure(let error) = work.outcome.withLock({ $0 }) { throw error }
  }
}

extension CheckpointPieces {
  /// The same pieces with numbers of their own, which later steps do not change.
  fileprivate func copied() -> sending CheckpointPieces {
    var weights: [String: [Float]] = [:]
    for tensor in self.weights { weights[tensor.name] = numbers(tensor) }
    var moments: [Shard: [Moment: [Float]]] = [:]
    for shard in shards {
      for moment in Moment.allCases {
        moments[shard, default: [:]][moment] = self.moments(shard, moment)
      }
    }
    let (kept, state) = (weights, moments)
    return CheckpointPieces(
      weights: self.weights, shards: shards, numbers: { kept[$0.name] ?? [] },
      moments: { state[$0]?[$1] ?? [] })
  }
}

extension CheckpointWriter {
  /// Writes one checkpoint as `write` does, where ranks meet in the folder alone.
  ///
  /// - Parameter isCancelled: asked while another rank is waited for, with its number, and with nil once it
  ///   is there.
  fileprivate func writeApart(
    _ pieces: CheckpointPieces, state: TrainingState, rank: Int, ranks: Int,
    isCancelled: (Int?) -> Bool
  ) throws(CheckpointError) {
    let partial = folder.partial(atStep: state.step)
    func wait(for other: Int, until isTrue: () -> Bool) throws(CheckpointError) {
      while !isTrue() {
        guard !isCancelled(other) else {
          throw CheckpointError(.system, file: partial, rule: "was given up")
        }
        usleep(2000)
      }
      _ = isCancelled(nil)
    }
    if rank == 0 {
      try folder.begin(step: state.step)
    } else {
      // What an earlier process left of the same step was cleared away before the first step.
      try wait(for: 0) { access(partial, F_OK) == 0 }
    }
    try contribute(pieces, step: state.step, rank: rank)
    guard rank == 0 else { return }
    for other in 0..<ranks {
      let path = "\(partial)/\(Self.reportName(ofRank: other))"
      // It is whole when its own checksum says so.
      try wait(for: other) {
        guard let file = try? InputFile(path: path), let bytes = try? file.allBytes(limit: 1 << 30)
        else { return false }
        return (try? Manifest(bytes, file: path)) != nil
      }
    }
    try assemble(state: state, ranks: ranks)
    try folder.commit(step: state.step, keep: keep, sparing: spared)
  }
}
