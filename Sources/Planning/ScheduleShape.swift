import Plans
import Schedules

/// What is known of a schedule without making it.
enum ScheduleShape: Hashable {
  case gpipe, oneForwardOneBackward, looped, loopedSplit, split, vShaped, bidirectional, file

  init(_ source: Plan.ScheduleSource) {
    guard case .named(let text) = source, let name = ScheduleName(rawValue: text) else {
      self = .file
      return
    }
    switch name {
    case .gpipe: self = .gpipe
    case .oneForwardOneBackward: self = .oneForwardOneBackward
    case .interleavedOneForwardOneBackward, .loopedBreadthFirst: self = .looped
    case .interleavedZeroBubble: self = .loopedSplit
    case .zeroBubbleH1, .zeroBubbleH2, .zeroBubble1P, .zeroBubble2P: self = .split
    case .zeroBubbleV, .vHalf, .vMin, .dualPipeV: self = .vShaped
    case .dualPipe: self = .bidirectional
    }
  }

  /// Whether a rank waits for all stages before its number, and these for it where backwards are whole.
  var fills: Bool { self != .bidirectional && self != .file }
  var drains: Bool { [.gpipe, .oneForwardOneBackward, .looped].contains(self) }

  /// Whether backwards may come in halves, one for the input and one for the weights.
  var hasHalves: Bool { ![.gpipe, .oneForwardOneBackward, .looped].contains(self) }

  /// Stages that a rank holds; those of another's half of a bidirectional pipeline count, too.
  func stages(of rank: Int, positions: Int, stages: Int) -> [Int] {
    switch self {
    case .vShaped: return [rank, stages - 1 - rank].filter { $0 >= 0 && $0 < stages }
    case .bidirectional: return [rank, stages - 1 - rank]
    case .file: return []
    default: return Array(stride(from: rank, to: stages, by: positions))
    }
  }
}

extension StageLoad {
  /// Seconds of both passes at least, whole or in halves, beside each other or not.
  func least(inPairs: Bool) -> Double {
    let whole = min(backward, backwardInput + backwardWeight)
    guard inPairs else { return forward + whole }
    let kernels =
      min(forwardKernels + forwardDelay, forward) + min(backwardKernels + backwardDelay, whole)
    return max(kernels, (forwardStreams + backwardStreams).max())
  }
}
