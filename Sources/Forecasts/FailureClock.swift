import Quantities
import RealModule

/// When something fails next, and what: processes laid over one another, with their follow-ups.
struct FailureClock {
  /// When something fails next; infinite where nothing does.
  private(set) var next = Double.infinity
  /// How many have failed so far.
  private(set) var taken = 0

  private let processes: [RunModel.Process]
  private let rate: Double
  private var drawn = Double.infinity
  /// Failures that others bring on.
  private var pending: [(at: Double, process: Int)] = []
  private var given: ArraySlice<Double>
  private var times: SeededGenerator
  private var kinds: SeededGenerator

  init(_ model: RunModel, seed: UInt64) {
    var seeds = SeededGenerator(seed: seed)
    times = SeededGenerator(seed: seeds.next())
    kinds = SeededGenerator(seed: seeds.next())
    given = model.givenTimes[...]
    processes = given.isEmpty ? model.processes : []
    rate = processes.reduce(0) { $0 + $1.rate }
    if rate > 0 { drawn = exponential(1 / rate) }
    look()
  }

  private mutating func exponential(_ mean: Double) -> Double {
    -mean * Double.log((Double(times.next() >> 11) + 0.5) * 0x1p-53)
  }

  private mutating func look() {
    next = min(drawn, given.first ?? .infinity)
    for item in pending { next = min(next, item.at) }
  }

  /// Takes the next failure.
  ///
  /// - Returns: the number of its process; nil for a given one.
  mutating func take() -> Int? {
    let now = next
    taken += 1
    defer { look() }
    if let first = given.first, first <= now {
      given = given.dropFirst()
      return nil
    }
    let index: Int
    if let place = pending.firstIndex(where: { $0.at <= now }) {
      index = pending.remove(at: place).process
    } else {
      index = pick()
      drawn = now + exponential(1 / rate)
    }
    let process = processes[index]
    if process.followUp > 0, uniform() < process.followUp {
      pending.append((now + exponential(process.followUpWithin), index))
    }
    return index
  }

  /// Moves what is drawn behind a time in which nothing runs; given times are the wall's and stay.
  mutating func pause(_ seconds: Double) {
    drawn += seconds
    for index in pending.indices { pending[index].at += seconds }
    look()
  }

  private mutating func uniform() -> Double { Double(kinds.next() >> 11) * 0x1p-53 }

  private mutating func pick() -> Int {
    var left = uniform() * rate
    for (index, process) in processes.enumerated() {
      left -= process.rate
      if left < 0 { return index }
    }
    return processes.lastIndex { $0.rate > 0 } ?? 0
  }
}
