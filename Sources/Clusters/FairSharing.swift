import Quantities

/// Flows that share links max-min fairly, followed through time.
///
/// At any moment no flow could be faster without slowing one that is not faster than it: rates come
/// from progressive filling (Bertsekas and Gallager, "Data Networks", section 6.5.2). Whenever a flow
/// begins or ends, the rates of those that it affects are computed anew, and only of those: a link
/// that could carry all its flows at their limits binds none of them and passes no effect on.
///
/// Latency is not part of it: begin a flow when its first byte reaches the first link. The order of
/// completions is total: by time, then by the order in which flows began.
public struct FairSharing {
  /// The identity of a flow: the number of flows that began before it.
  public struct FlowID: Hashable, Sendable, Comparable {
    public let number: Int

    /// The flow that began after `number` others.
    public init(number: Int) { self.number = number }

    public static func < (left: FlowID, right: FlowID) -> Bool { left.number < right.number }
  }

  /// The end of a flow.
  public struct Completion: Hashable, Sendable {
    public let flow: FlowID
    public let time: Instant
  }

  /// The current time; flows begin at it.
  public private(set) var now: Instant = .start
  /// The number of flows under way.
  public private(set) var activeCount = 0

  let capacity: (LinkID) -> BytesPerSecond
  var links: [SharedLink] = []
  var flows: [SharedFlow] = []
  /// By a link's identity, which are consecutive numbers; −1 for links that no flow has used.
  private var denseIndex: [Int32] = []
  private var freeFlows: [Int] = []
  private var begun = 0
  private var ends = EndQueue()
  /// What changed since rates were last computed.
  private var changedFlows: [Int] = []
  private var changedLinks: [Int] = []
  private var filling = ProgressiveFilling()

  /// Links without any flow, whose capacities are asked for when a flow first uses them.
  public init(capacity: @escaping (LinkID) -> BytesPerSecond) { self.capacity = capacity }

  /// The links of a cluster.
  public init(_ cluster: Cluster) { self.init { cluster.capacity(of: $0) } }
}

/// One flow's use of one link.
struct LinkUse {
  let flow: Int
  /// Which of the flow's links it is.
  let ordinal: Int
}

/// A link with the flows that use it.
struct SharedLink {
  /// Bytes per second.
  let capacity: Double
  var uses: [LinkUse] = []
  /// The sum of the limits of its flows.
  var demand = 0.0

  /// Whether it can hold back any of its flows.
  ///
  /// The margin absorbs rounding in `demand`.
  var isBinding: Bool { demand > capacity * (1 + 1e-9) }
}

/// A flow under way, or a free place for one.
struct SharedFlow {
  var id = FairSharing.FlowID(number: -1)
  /// Indices of its links, and its place among the users of each.
  var links: [Int] = []
  var places: [Int] = []
  /// Bytes per second of its narrowest link.
  var limit = 0.0
  var rate = 0.0
  /// Bytes left at `since`.
  var remaining = 0.0
  var since: Instant = .start
}

// MARK: - Time

extension FairSharing {
  /// Begins a flow at the current time; nothing to carry, or no limiting link, ends it at once.
  ///
  /// Links must differ from each other. `advance` first to begin a flow later.
  @discardableResult
  public mutating func begin(bytes: ByteCount, over path: some Sequence<LinkID>) -> FlowID {
    precondition(bytes >= .zero, "a flow of less than nothing")
    let id = FlowID(number: begun)
    begun += 1
    activeCount += 1
    let slot = freeFlows.popLast() ?? flows.count
    if slot == flows.count { flows.append(SharedFlow()) }
    var flow = SharedFlow()
    flow.id = id
    flow.limit = .infinity
    flow.since = now
    flow.remaining = Double(bytes.bytes)
    for id in path {
      let link = dense(id)
      guard links[link].capacity < .infinity else { continue }
      precondition(!flow.links.contains(link), "a flow crosses one link twice")
      flow.links.append(link)
      flow.limit = min(flow.limit, links[link].capacity)
    }
    if bytes == .zero || flow.links.isEmpty {
      flow.links = []
      flows[slot] = flow
      ends.set(now, of: id, in: slot)
      return id
    }
    for (ordinal, link) in flow.links.enumerated() {
      flow.places.append(links[link].uses.count)
      links[link].uses.append(LinkUse(flow: slot, ordinal: ordinal))
      links[link].demand += flow.limit
    }
    flows[slot] = flow
    changedFlows.append(slot)
    return id
  }

  /// When the next flow ends if none begins before; nil when none is under way.
  public mutating func nextCompletion() -> Instant? {
    share()
    return ends.first?.time
  }

  /// Moves to a later time and returns the flows that ended on the way, in order.
  public mutating func advance(to time: Instant) -> [Completion] {
    precondition(time >= now, "time does not run backwards")
    var completions: [Completion] = []
    while let next = nextCompletion(), next <= time {
      now = next
      while let end = ends.first, end.time == next {
        ends.removeFirst()
        completions.append(Completion(flow: end.id, time: next))
        remove(end.slot)
      }
    }
    now = time
    return completions
  }

  /// Runs until no flow is under way and returns the flows that ended, in order.
  public mutating func finish() -> [Completion] {
    var completions: [Completion] = []
    while let next = nextCompletion() { completions += advance(to: next) }
    return completions
  }

  /// The rate of a flow under way; nil once it has ended.
  ///
  /// Takes time proportional to the flows.
  public mutating func rate(of id: FlowID) -> BytesPerSecond? {
    share()
    return flows.first { $0.id == id }.map { BytesPerSecond($0.rate) }
  }

  /// The rates of all flows under way, in the order in which they began.
  public mutating func rates() -> [BytesPerSecond] {
    share()
    return flows.filter { $0.id.number >= 0 }.sorted { $0.id < $1.id }
      .map { BytesPerSecond($0.rate) }
  }

  private mutating func dense(_ id: LinkID) -> Int {
    let missing = id.index + 1 - denseIndex.count
    if missing > 0 { denseIndex.append(contentsOf: repeatElement(-1, count: missing)) }
    if denseIndex[id.index] >= 0 { return Int(denseIndex[id.index]) }
    let bandwidth = capacity(id).value
    precondition(bandwidth > 0, "a flow over a link that carries nothing")
    denseIndex[id.index] = Int32(links.count)
    links.append(SharedLink(capacity: bandwidth))
    return links.count - 1
  }

  private mutating func remove(_ slot: Int) {
    let flow = flows[slot]
    for (link, place) in zip(flow.links, flow.places) {
      if links[link].isBinding { changedLinks.append(link) }
      let last = links[link].uses.removeLast()
      if place < links[link].uses.count {
        links[link].uses[place] = last
        flows[last.flow].places[last.ordinal] = place
      }
      // An empty link starts afresh, so that rounding does not build up.
      links[link].demand = links[link].uses.isEmpty ? 0 : links[link].demand - flow.limit
    }
    flows[slot] = SharedFlow()
    freeFlows.append(slot)
    activeCount -= 1
  }
}

// MARK: - Rates

extension FairSharing {
  /// Computes the rates that a change affects.
  private mutating func share() {
    guard !changedFlows.isEmpty || !changedLinks.isEmpty else { return }
    let affected = filling.rates(
      links: links, flows: flows, changedFlows: changedFlows, changedLinks: changedLinks)
    changedFlows.removeAll(keepingCapacity: true)
    changedLinks.removeAll(keepingCapacity: true)
    for (slot, rate) in affected where flows[slot].rate != rate {
      let elapsed = (now - flows[slot].since).seconds.value
      flows[slot].remaining = max(0, flows[slot].remaining - flows[slot].rate * elapsed)
      flows[slot].since = now
      flows[slot].rate = rate
      ends.set(end(ofFlowAt: slot), of: flows[slot].id, in: slot)
    }
  }

  /// The first picosecond at which nothing is left; the end of the clock if it lies beyond.
  private func end(ofFlowAt slot: Int) -> Instant {
    let picoseconds = (flows[slot].remaining / flows[slot].rate * 1e12).rounded(.up)
    let most = Instant.distantFuture - now
    guard picoseconds < Double(most.count) else { return .distantFuture }
    return now + Picoseconds(Int64(picoseconds))
  }
}
