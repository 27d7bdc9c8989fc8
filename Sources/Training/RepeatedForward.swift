import Engines
import Programs

/// A forward of a whole model as it was walked once: its operations with the memory of their operands.
///
/// A rollout runs the same forward some hundred times. Walked anew each of them takes and frees the same
/// blocks in the same order, which of a small model takes as long as some of its kernels.
final class RepeatedForward {
  var operations: [BoundOperation] = []
  /// What was live when most was.
  fileprivate var peak = MemoryUse()
}

extension RankBackend {
  /// Carries an item out as it was walked before, where it is a forward that is known.
  ///
  /// Nothing is known of a step whose order or times are written down: that one is walked.
  func carriesOutAgain(_ item: Item) -> Bool {
    guard repeatsForwards, !recording.order, !recording.timeline, case .run(let action) = item,
      case .logits = mode
    else { return false }
    guard let known = forwards[action.microbatch] else {
      if isTheSameAgain(action.stage) { forwardUnderWay = RepeatedForward() }
      return false
    }
    let start = nanoseconds()
    attempt {
      for operation in known.operations { try carryOut(operation) }
    }
    arena.raisePeak(to: known.peak)
    ledger.computeTime += nanoseconds() - start
    return true
  }

  /// Keeps a forward that has been walked.
  func keepForward(of item: Item) {
    guard let made = forwardUnderWay, case .run(let action) = item else { return }
    forwardUnderWay = nil
    guard failure == nil else { return }
    made.peak = arena.peak
    forwards[action.microbatch] = made
  }

  /// Whether a stage is the whole model, sends nothing, and has as many rows in every forward.
  private func isTheSameAgain(_ stage: Int) -> Bool {
    let program = assignment.programs[stage]
    return assignment.programs.count == 1 && program.forward.transfers.isEmpty
      && program.gather.transfers.isEmpty
      && program.buffers.allSatisfy { if case .fixed = $0.rows { true } else { false } }
  }
}
