import Foundation
import Kernels
import Models
import Training

/// The least time of a rollout's forwards, by what memory and kernels give at that moment.
///
/// Of every forward the longer of two times: its bytes (weights once a block, and the caches of its rows,
/// half full in the mean) over the rate at which as many bytes are read again and again; and its FLOPs,
/// those of attention among them, over the rate of its products by themselves, by OpenBLAS or by the
/// kernels of rollouts, whichever are faster, with the exponentials behind them: no forward is without
/// those of gated units, attention and sampling, and they take the vector units that products take. Norms,
/// rotations, additions and the choice of tokens are left out.
struct RolloutLimit: Sendable {
  /// Bytes of a forward.
  var bytes = 0.0
  /// FLOPs of products, and of attention, in a forward.
  var flops = 0.0
  /// Exponentials of a forward.
  var exponentials = 0.0

  /// What memory and kernels gave: bytes, FLOPs and exponentials a second.
  private(set) var bandwidth = 0.0
  private(set) var rate = 0.0
  private(set) var exponentialRate = 0.0
  private(set) var isOwnFaster = false
  /// The rate of products made once, their weights wherever the rollout before has left them.
  private(set) var rateOnce = 0.0

  private var byBytes: Double { bytes / bandwidth }
  private var byKernels: Double { flops / rate + exponentials / exponentialRate }

  /// Seconds of a forward.
  var seconds: Double { max(byBytes, byKernels) }
  var isByBytes: Bool { byBytes > byKernels }
  /// Seconds of a forward without exponentials, by products made once: what was called the limit before.
  var secondsOfProductsOnce: Double { max(byBytes, flops / rateOnce) }

  /// Measures on this thread, in its processor time.
  mutating func measure(_ replay: Replay) {
    let once = (library: processorTime { replay.run() }, own: processorTime { replay.runApart() })
    rateOnce = Double(replay.flops) / min(once.library, once.own)
    let library = best(of: 5) { replay.run() }
    let own = best(of: 5) { replay.runApart() }
    rate = Double(replay.flops) / min(library, own)
    isOwnFaster = own < library
    bandwidth = Self.measuredBandwidth(bytes: bytes)
    exponentialRate = Self.measuredExponentialRate()
  }

  /// Bytes a second of a stream that reads so many bytes again and again: the products of two arrays.
  private static func measuredBandwidth(bytes: Double) -> Double {
    let count = Int(bytes / 8)
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count)
    defer { memory.deallocate() }
    memory.initialize(repeating: 0.5, count: 2 * count)
    var sum: Float = 0
    let seconds = best(of: max(3, (1 << 25) / count)) {
      sum += dot(memory, memory + count, count: count)
    }
    precondition(sum > 0)
    return Double(8 * count) / seconds
  }

  /// Exponentials a second of a row that lies in the first cache.
  private static func measuredExponentialRate() -> Double {
    let count = 2048
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count)
    defer { memory.deallocate() }
    memory.initialize(repeating: -0.5, count: 2 * count)
    let seconds = best(of: 5) {
      for _ in 0..<8 { exponential(memory, memory + count, count: count) }
    }
    precondition(memory[count - 1] < 1)
    return Double(8 * count) / seconds
  }
}

extension Architecture {
  /// Exponentials of a token's forward that meets so many keys: one of every hidden unit of its
  /// feed-forward blocks, and one of every key of each head.
  func exponentials(keys: Double) -> Double {
    layers.reduce(0) { sum, layer in
      let units: Int
      switch layer.feedForward {
      case .dense(let block): units = block.width
      case .mixture(let mixture):
        units = mixture.expertWidth * mixture.expertsPerToken + mixture.sharedWidth
      case .absent: units = 0
      }
      return sum + Double(units) + Double(layer.attention.heads) * keys
    }
  }
}

/// The shortest time of some runs.
private func best(of count: Int, _ body: () -> Void) -> Double {
  (0..<count).reduce(.infinity) { least, _ in min(least, processorTime(body)) }
}

/// Seconds that a piece takes of this thread's processor time.
func processorTime(_ body: () -> Void) -> Double {
  let start = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
  body()
  return processorSeconds(CLOCK_THREAD_CPUTIME_ID) - start
}

/// Seconds of processor time so far, of this process or this thread.
func processorSeconds(_ clock: clockid_t = CLOCK_PROCESS_CPUTIME_ID) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}
