import Programs

/// What a kernel or a transfer of inference is counted as.
enum InferenceClass: Int, CaseIterable, Sendable {
  case products, attention, others, gaps
  case expertExchanges, tensorExchanges
}

/// One step of a program with its price.
struct InferenceItem: Sendable {
  enum Action: Sendable {
    /// Seconds of kernels, and of the gaps in front of them.
    case compute(InferenceClass, seconds: Double, gaps: Double)
    case start(event: Int, InferenceClass, Stream, seconds: Double)
    case wait(event: Int)
  }

  var action: Action
  var phase: Phase
}

/// A stack of units with their prices, of one part of the sequences.
struct InferenceLane: Sendable {
  var items: [InferenceItem] = []
  private var events = 0

  /// Appends a unit's program, `times` in a row.
  mutating func append(_ program: Program, times: Int, _ price: InferenceUnitPrices) {
    for _ in 0..<times {
      for step in program.steps {
        switch step {
        case .compute(let index): items.append(price.operations[Int(index)])
        case .start(let index):
          let (kind, seconds) = price.transfers[Int(index)]
          let transfer = program.transfers[Int(index)]
          items.append(
            InferenceItem(
              action: .start(
                event: events + Int(index), kind, transfer.stream, seconds: seconds),
              phase: transfer.phase))
        case .wait(let index):
          items.append(
            InferenceItem(
              action: .wait(event: events + Int(index)),
              phase: program.transfers[Int(index)].phase))
        case .acquire, .release, .reduce, .gatherAhead: break
        }
      }
      events += program.transfers.count
    }
  }

  /// Appends a transfer that is waited for at once.
  mutating func append(
    waited kind: InferenceClass, seconds: Double, on stream: Stream, in phase: Phase
  ) {
    items.append(
      InferenceItem(
        action: .start(event: events, kind, stream, seconds: seconds), phase: phase))
    items.append(InferenceItem(action: .wait(event: events), phase: phase))
    events += 1
  }

  var eventCount: Int { events }
}

/// The prices of one unit's program.
struct InferenceUnitPrices: Sendable {
  var operations: [InferenceItem]
  var transfers: [(InferenceClass, Double)]
}

/// What a step of inference takes, and of what it consists.
struct InferenceTimes: Hashable, Sendable {
  /// From the first kernel to the last.
  var seconds = 0.0
  /// Of each class: kernels and gaps as they run, exchanges as far as the device waits for them.
  var spent = [Double](repeating: 0, count: InferenceClass.allCases.count)
  /// Seconds that exchanges take, hidden or not.
  var moved = [Double](repeating: 0, count: InferenceClass.allCases.count)
  /// Of each phase of a layer, exchanges as far as they are waited for.
  var phases = [Double](repeating: 0, count: Phase.allCases.count)
}

/// Walks lanes that share one device: a lane goes on until it has to wait, then another does.
///
/// Every device of a deployment does the same at the same time. A stream carries one transfer at a time; a lane that
/// can go on goes before time passes, the one that computed last first.
struct InferenceWalk {
  private struct Lane {
    var items: [InferenceItem]
    var next = 0
    var ends: [Double]
    var classes: [InferenceClass]
  }

  private var lanes: [Lane]
  private var now = 0.0
  private var free = [Double](repeating: 0, count: Stream.allCases.count)
  private var times = InferenceTimes()

  init(_ lanes: [InferenceLane]) {
    self.lanes = lanes.map { lane in
      Lane(
        items: lane.items, ends: Array(repeating: 0, count: lane.eventCount),
        classes: Array(repeating: .expertExchanges, count: lane.eventCount))
    }
  }

  /// The step from its first kernel to its last.
  mutating func run() -> InferenceTimes {
    var current = 0
    while true {
      advance(current)
      let order = lanes.indices.map { (current + $0) % lanes.count }
      if let next = order.first(where: { isReady($0) }) {
        current = next
        continue
      }
      // All that are left wait: for the one whose transfer ends first.
      let waiting = order.compactMap { lane in end(ofWaitOf: lane).map { (lane, $0) } }
      guard let first = waiting.min(by: { $0.1.end < $1.1.end }) else { break }
      let item = lanes[first.0].items[lanes[first.0].next]
      times.spent[first.1.kind.rawValue] += first.1.end - now
      times.phases[Int(item.phase.rawValue)] += first.1.end - now
      now = first.1.end
      current = first.0
    }
    times.seconds = now
    return times
  }

  /// Runs a lane up to its next wait for what is not there yet, or to its end.
  private mutating func advance(_ index: Int) {
    while lanes[index].next < lanes[index].items.count {
      let item = lanes[index].items[lanes[index].next]
      switch item.action {
      case .compute(let kind, let seconds, let gaps):
        now += seconds + gaps
        times.spent[kind.rawValue] += seconds
        times.spent[InferenceClass.gaps.rawValue] += gaps
        times.phases[Int(item.phase.rawValue)] += seconds + gaps
      case .start(let event, let kind, let stream, let seconds):
        let start = max(now, free[Int(stream.rawValue)])
        free[Int(stream.rawValue)] = start + seconds
        lanes[index].ends[event] = start + seconds
        lanes[index].classes[event] = kind
        times.moved[kind.rawValue] += seconds
      case .wait(let event):
        guard lanes[index].ends[event] <= now else { return }
      }
      lanes[index].next += 1
    }
  }

  private func isReady(_ index: Int) -> Bool {
    let lane = lanes[index]
    guard lane.next < lane.items.count else { return false }
    guard case .wait(let event) = lane.items[lane.next].action else { return true }
    return lane.ends[event] <= now
  }

  /// When the transfer that a lane waits for ends; nil for a lane that is through.
  private func end(ofWaitOf index: Int) -> (end: Double, kind: InferenceClass)? {
    let lane = lanes[index]
    guard lane.next < lane.items.count, case .wait(let event) = lane.items[lane.next].action
    else { return nil }
    return (lane.ends[event], lane.classes[event])
  }
}
