import Foundation
import Kernels

/// Runs kernels over and over and prints one line for each: parameters, rate, share of a limit, hash.
struct Bench {
  /// Whether sizes and repetitions are small, for a test that everything runs.
  let isSmoke: Bool
  /// Two buffers for the plain stream over memory that other kernels are held against.
  private var stream: ([Float], [Float])
  /// The highest rate of a matrix product in this sitting, in FLOPs per second.
  var products = 0.0

  init(isSmoke: Bool) {
    self.isSmoke = isSmoke
    let count = isSmoke ? 10_000 : 16 << 20
    stream = ([Float](repeating: 1, count: count), [Float](repeating: 1, count: count))
  }

  enum Work {
    case bytes(Double)
    case flops(Double)
    case elements(Double)
  }

  /// A buffer of seeded numbers between -1 and 1.
  static func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / 8_388_608 - 1
    }
  }

  /// Processor time of this thread, in seconds: what others run on the machine is left out.
  private func processorTime(_ body: () -> Void) -> Double {
    func now() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    let start = now()
    body()
    return now() - start
  }

  /// The shortest time of several runs, in seconds; and the stream's best rate between those runs.
  private mutating func shortest(
    _ repeats: Int, besideStream: Bool, _ body: () -> Void
  ) -> (seconds: Double, streaming: Double) {
    body()
    var best = Double.infinity
    var streaming = 0.0
    for _ in 0..<(isSmoke ? 1 : repeats) {
      best = min(best, processorTime(body))
      if besideStream {
        let count = stream.0.count
        let time = processorTime { addScaled(&stream.0, stream.1, by: 1e-3, count: count) }
        streaming = max(streaming, Double(12 * count) / time)
      }
    }
    return (best, streaming)
  }

  /// Runs `body` and prints its rate, against the sitting's own limit where it has one.
  @discardableResult
  mutating func run(
    _ name: String, _ parameters: String, _ work: Work, repeats: Int = 9,
    hash: () -> [Float], _ body: () -> Void
  ) -> Double {
    var besideStream = false
    if case .bytes = work { besideStream = true }
    let (seconds, streaming) = shortest(repeats, besideStream: besideStream, body)
    let bits = Bench.hash(hash())
    let rate: Double
    var line = name.padded(22) + parameters.padded(40)
    switch work {
    case .bytes(let bytes):
      rate = bytes / seconds
      line += fixed(rate / 1e9, 2).padded(9) + "GB/s     "
      line += percent(rate / streaming) + " of stream  "
    case .flops(let flops):
      rate = flops / seconds
      line += fixed(rate / 1e9, 1).padded(9) + "GFLOP/s  "
      line += products > 0 ? percent(rate / products) + " of sgemm   " : "              "
    case .elements(let elements):
      rate = elements / seconds
      line += fixed(1e9 / rate, 3).padded(9) + "ns each  " + "                 "
    }
    print(line + fixed(seconds * 1e3, 3).padded(11) + "ms  " + String(bits, radix: 16))
    return rate
  }

  /// FNV-1a over the bits of some floats (32-bit words; offset and prime of the 64-bit variant).
  static func hash(_ values: [Float]) -> UInt64 {
    values.reduce(0xCBF2_9CE4_8422_2325) {
      ($0 ^ UInt64($1.bitPattern)) &* 0x0000_0100_0000_01B3
    }
  }
}

func fixed(_ value: Double, _ digits: Int) -> String {
  if digits == 0 { return String(Int(value.rounded())) }
  var power = 1.0
  for _ in 0..<digits { power *= 10 }
  let scaled = (value * power).rounded()
  let whole = (scaled / power).rounded(.towardZero)
  let rest = String(Int(scaled - whole * power))
  let zeros = String(repeating: "0", count: digits - rest.count)
  return "\(Int(whole)).\(zeros)\(rest)"
}

func percent(_ share: Double) -> String {
  let text = fixed(share * 100, 0)
  return String(repeating: " ", count: max(0, 3 - text.count)) + text + " %"
}

extension String {
  func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}
