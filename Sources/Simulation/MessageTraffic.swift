import HeapModule

/// A time in which an exchange uses a rank's adapter, picoseconds.
package struct AdapterWindow: Hashable, Sendable {
  var start: Int64
  var end: Int64
  /// Share of the adapter's bandwidth that the exchange takes, each way.
  var share: Double

  package init(start: Int64, end: Int64, share: Double) {
    (self.start, self.end, self.share) = (start, end, share)
  }
}

/// Messages under way, and the links of the simulated ranks that they share.
///
/// A rank has an adapter and a link inside its node, each with a way out and a way in. What exchanges
/// take of an adapter is taken off first; the rest is shared max-min fairly: the messages of a way have equal
/// parts of it but for those that their other end holds back further, and what those leave goes to the others.
/// So no more bytes pass an adapter than it carries, and a message beside an exchange ends when the adapter
/// has carried both. Work is counted in picoseconds at full rate.
package struct MessageTraffic {
  /// One message on its way.
  package struct Flow {
    /// Its place in the book of messages.
    var place: Int
    var source: Int
    var destination: Int
    var usesAdapter: Bool
    /// Work that is left at `since`.
    var work: Double
    /// What the links between its ends let through, as a share of healthy ones.
    var limit: Double
    var rate = 0.0
    /// Its part of both of its ways; below 0 while the parts are worked out.
    var share = 0.0
    var since: Int64 = 0
    /// Increases whenever the rate changes, so that an older end is known to be void.
    var version = 0

    package init(
      place: Int, source: Int, destination: Int, usesAdapter: Bool, work: Double, limit: Double
    ) {
      self.place = place
      self.source = source
      self.destination = destination
      self.usesAdapter = usesAdapter
      self.work = work
      self.limit = limit
    }
  }

  private struct Event: Comparable {
    enum Kind { case end, boundary }

    var time: Int64
    var sequence: Int
    var kind: Kind
    /// A flow, or a rank where a window begins or ends.
    var index: Int
    var version: Int

    static func == (left: Event, right: Event) -> Bool { left.sequence == right.sequence }
    static func < (left: Event, right: Event) -> Bool {
      (left.time, left.sequence) < (right.time, right.sequence)
    }
  }

  private struct Windows {
    var list: [AdapterWindow] = []
    var base: Int64 = 0
    var next = 0
    var version = 0
  }

  private var flows: [Flow] = []
  private var free: [Int] = []
  /// Flows by rank, four ways each: out and in of the adapter and of the link inside the node.
  private var ways: [[Int]]
  private var windows: [Windows]
  private var events = Heap<Event>()
  private var sequence = 0
  /// What is left of each way, and how many of its messages have no part yet, where it is reached.
  private var left: [Double]
  private var open: [Int]
  /// The ways and messages that hang together with those whose parts are worked out.
  private var reached: [Int] = []
  private var members: [Int] = []

  package init(ranks: Int) {
    ways = Array(repeating: [], count: 4 * ranks)
    windows = Array(repeating: Windows(), count: ranks)
    left = Array(repeating: 0, count: 4 * ranks)
    open = Array(repeating: 0, count: 4 * ranks)
  }

  private static func ways(_ flow: Flow) -> (Int, Int) {
    let link = flow.usesAdapter ? 0 : 2
    return (4 * flow.source + link, 4 * flow.destination + link + 1)
  }

  // MARK: Beginning

  /// A message begins to move.
  package mutating func begin(_ flow: Flow, at now: Int64) {
    var flow = flow
    flow.since = now
    let index = free.popLast() ?? flows.count
    if index == flows.count {
      flows.append(flow)
    } else {
      flow.version = flows[index].version + 1
      flows[index] = flow
    }
    let (out, into) = Self.ways(flow)
    ways[out].append(index)
    ways[into].append(index)
    share(out, into, at: now)
    if flows[index].rate == 0 { push(.end, index, flows[index].version, endOfNothing(index, now)) }
    if flow.usesAdapter {
      expectBoundary(of: flow.source, at: now)
      expectBoundary(of: flow.destination, at: now)
    }
  }

  /// A message without work ends at once, whatever rate it has.
  private func endOfNothing(_ index: Int, _ now: Int64) -> Int64 {
    flows[index].work == 0 ? now : .max
  }

  /// An action's exchanges use a rank's adapter; times count from `base`.
  package mutating func occupy(
    _ rank: Int, _ list: [AdapterWindow], from base: Int64, at now: Int64
  ) {
    let version = windows[rank].version + 1
    windows[rank] = Windows(list: list, base: base, version: version)
    guard !ways[4 * rank].isEmpty || !ways[4 * rank + 1].isEmpty else { return }
    share(4 * rank, 4 * rank + 1, at: now)
    expectBoundary(of: rank, at: now)
  }

  // MARK: Time

  /// When something happens next; nil if no message is under way.
  package var nextTime: Int64? { events.min?.time }

  /// Takes the next event; gives the place of the message that has arrived with it, if one has.
  package mutating func advance() -> Int? {
    guard let event = events.popMin() else { return nil }
    switch event.kind {
    case .boundary:
      guard windows[event.index].version == event.version else { return nil }
      share(4 * event.index, 4 * event.index + 1, at: event.time)
      expectBoundary(of: event.index, at: event.time)
      return nil
    case .end:
      guard flows[event.index].version == event.version else { return nil }
      return end(event.index, at: event.time)
    }
  }

  private mutating func end(_ index: Int, at now: Int64) -> Int {
    let flow = flows[index]
    let (out, into) = Self.ways(flow)
    flows[index].version += 1
    ways[out].removeAll { $0 == index }
    ways[into].removeAll { $0 == index }
    free.append(index)
    share(out, into, at: now)
    return flow.place
  }

  // MARK: Rates

  /// Sets the rates of the messages that use two ways, and of all that share ways with them.
  private mutating func share(_ first: Int, _ second: Int, at now: Int64) {
    reach(first, at: now)
    reach(second, at: now)
    var position = 0
    while position < reached.count {
      let way = reached[position]
      position += 1
      for index in ways[way] where flows[index].share >= 0 {
        flows[index].share = -1
        members.append(index)
        let (out, into) = Self.ways(flows[index])
        reach(out, at: now)
        reach(into, at: now)
      }
    }
    fill()
    for index in members { setRate(index, at: now) }
    for way in reached { open[way] = 0 }
    reached.removeAll(keepingCapacity: true)
    members.removeAll(keepingCapacity: true)
  }

  private mutating func reach(_ way: Int, at now: Int64) {
    guard open[way] == 0, !ways[way].isEmpty else { return }
    open[way] = ways[way].count
    left[way] = way % 4 < 2 ? 1 - taken(of: way / 4, at: now) : 1
    reached.append(way)
  }

  /// Gives the messages of the fullest way equal parts of it, then those of the next one of what is left.
  private mutating func fill() {
    var count = members.count
    while count > 0 {
      var least = 1.0
      for way in reached where open[way] > 0 { least = min(least, left[way] / Double(open[way])) }
      for way in reached where open[way] > 0 && left[way] / Double(open[way]) <= least {
        for index in ways[way] where flows[index].share < 0 {
          flows[index].share = max(0, least)
          count -= 1
          let (out, into) = Self.ways(flows[index])
          for used in [out, into] {
            left[used] -= least
            open[used] -= 1
          }
        }
      }
    }
  }

  private mutating func setRate(_ index: Int, at now: Int64) {
    let flow = flows[index]
    let rate = flow.limit * flow.share
    // The same parts in another order differ by rounding.
    guard rate == 0 ? flow.rate != 0 : abs(rate - flow.rate) > 1e-12 else { return }
    flows[index].work = max(0, flow.work - flow.rate * Double(now - flow.since))
    flows[index].since = now
    flows[index].rate = rate
    flows[index].version += 1
    guard rate > 0 else { return }
    let time = now + Int64((flows[index].work / rate).rounded(.up))
    push(.end, index, flows[index].version, time)
  }

  /// The share of a rank's adapter that an exchange takes.
  private mutating func taken(of rank: Int, at now: Int64) -> Double {
    passWindows(of: rank, at: now)
    let windows = windows[rank]
    guard windows.next < windows.list.count else { return 0 }
    let window = windows.list[windows.next]
    return windows.base + window.start <= now ? window.share : 0
  }

  private mutating func passWindows(of rank: Int, at now: Int64) {
    while windows[rank].next < windows[rank].list.count,
      windows[rank].base + windows[rank].list[windows[rank].next].end <= now
    {
      windows[rank].next += 1
    }
  }

  /// Enters the time at which the next window of a rank begins or ends, if a message is there to notice.
  private mutating func expectBoundary(of rank: Int, at now: Int64) {
    passWindows(of: rank, at: now)
    let windows = windows[rank]
    guard windows.next < windows.list.count,
      !ways[4 * rank].isEmpty || !ways[4 * rank + 1].isEmpty
    else { return }
    let window = windows.list[windows.next]
    let start = windows.base + window.start
    self.windows[rank].version += 1
    push(
      .boundary, rank, self.windows[rank].version, start > now ? start : windows.base + window.end)
  }

  private mutating func push(_ kind: Event.Kind, _ index: Int, _ version: Int, _ time: Int64) {
    guard time < .max else { return }
    sequence += 1
    events.insert(
      Event(time: time, sequence: sequence, kind: kind, index: index, version: version))
  }
}
