import Clusters
import Costs
import Engines
import Programs

/// Runs the scripts of all CPU ranks of a step over one clock.
///
/// Ranks of a machine share its cores, caches and memory: how fast a kernel is depends on how many of them
/// compute at that moment. A message inside a node moves while its receiver waits for it, and takes the
/// receiver's time: a copy out of the sender's memory. Beside kernels messages are only moved along, which takes
/// as much of the kernel's time as the copy would. The sender of one waits until the receiver has posted it and
/// so much time has passed; short ones leave at once. A message between nodes takes its node's adapter, which
/// those under way at the same time share evenly at both ends, beside whatever ranks compute.
///
/// Not modelled: processors of ranks whose kernels are slowed by the system's own work, and messages to a rank
/// that makes no call for a long time.
struct ProcessorClock {
  /// What a message costs.
  struct Links {
    /// Inside a node.
    var node: ProcessorMessageCost
    /// Between nodes; its rate while all other ranks wait is that of a node's adapters together.
    var network = ProcessorMessageCost(start: 0, rate: .infinity)
    /// What leaves without its receiver: the default of Open MPI's shared memory (btl_vader_eager_limit, 4,096),
    /// less the 56 bytes that Open MPI 4.1 keeps of it for its header.
    var eagerBytes = 4096 - 56
  }

  enum Activity {
    /// The next entry is to be taken.
    case ready
    /// A kernel, with the share of it that is left.
    case computing(ProcessorWork, left: Double)
    /// A message is there, but other ranks compute on the cores: seconds until it has its turn.
    case queued(left: Double)
    /// A copy out of another rank's memory, with the seconds that are left of it.
    case copying(left: Double)
    /// It stands still for a peer, a message under way, or the end of the agreement.
    case standing
    case finished
  }

  /// A wait under way.
  struct Waiting {
    var transfer: Int
    var since: Double
    /// What was begun and what is to be done with it.
    var copied: Int?
    var works: [ProcessorWork] = []
    var isUnpacked = false
  }

  struct MessageState {
    var sent: Double?
    var posted: Double?
    var arrived: Double?
    /// The receiver has it.
    var isTaken = false
    /// Between nodes: bytes that are left once both ends have come to it.
    var left: Double
    var bytes: Int
    var source: Int
    var destination: Int
    var reduces: Bool
    /// Other ranks of its receiver's machine that computed when both ends had come to it.
    var computing = 0
  }

  struct Rank {
    var activity = Activity.ready
    var entry = 0
    var waiting: Waiting?
    var round: [Int]
    var started: [Double]
    /// Reductions and gathers of the step that are not over: they go on while it waits for any of them.
    var open: [Int] = []
    var item: ItemSpan?
    var timeline = Timeline()
    var parts = ProcessorParts()
    /// Since when it stands still.
    var since = 0.0
    var span: (start: Double, operation: Int?, isForward: Bool) = (0, nil, true)
  }

  let scripts: [ProcessorScript]
  let cost: ProcessorCost
  let links: Links
  /// The node of each rank.
  let nodes: [Int]
  /// The machine of each rank, whose cores it shares.
  let machines: [Int]
  let agreementSeconds: Double
  var ranks: [Rank]
  var messages: [MessageState] = []
  /// By rank, transfer and round: the numbers of what is sent and received.
  var sent: [[[[Int]]]] = []
  var received: [[[[Int]]]] = []
  var now = 0.0
  var agreed = 0
  var agreementEnd: Double?

  init(
    _ scripts: [ProcessorScript], cost: ProcessorCost, links: Links, nodes: [Int],
    machines: [Int], agreementSeconds: Double
  ) {
    self.scripts = scripts
    self.cost = cost
    self.links = links
    self.nodes = nodes
    self.machines = machines
    self.agreementSeconds = agreementSeconds
    ranks = scripts.map {
      Rank(
        round: Array(repeating: 0, count: $0.transfers.count),
        started: Array(repeating: 0, count: $0.transfers.count))
    }
    number()
  }

  /// Gives every message a number that both of its ends know; equal ones are told apart by their order.
  private mutating func number() {
    struct Key: Hashable {
      var message: ProcessorScript.Message
      var occurrence: Int
    }
    var known: [Key: Int] = [:]
    var occurrences: [[ProcessorScript.Message: Int]] = []
    func number(_ message: ProcessorScript.Message, _ side: Int) -> Int {
      let occurrence = occurrences[side][message, default: 0]
      occurrences[side][message] = occurrence + 1
      let key = Key(message: message, occurrence: occurrence)
      if let found = known[key] { return found }
      known[key] = messages.count
      messages.append(
        MessageState(
          left: Double(message.bytes), bytes: message.bytes, source: message.source,
          destination: message.destination, reduces: message.reduces))
      return messages.count - 1
    }
    for script in scripts {
      occurrences = [[:], [:]]
      sent.append(script.transfers.map { $0.sent.map { $0.map { number($0, 0) } } })
      received.append(script.transfers.map { $0.received.map { $0.map { number($0, 1) } } })
    }
  }

  /// Runs all ranks to the end of their scripts.
  mutating func run() -> (seconds: Double, timelines: [Timeline], parts: [ProcessorParts]) {
    var isMoving = true
    while isMoving {
      advanceReady()
      isMoving = step()
    }
    precondition(
      ranks.allSatisfy { if case .finished = $0.activity { true } else { false } },
      "The ranks wait in a circle.")
    return (now, ranks.map(\.timeline), ranks.map(\.parts))
  }

  // MARK: Time

  func crosses(_ message: Int) -> Bool {
    nodes[messages[message].source] != nodes[messages[message].destination]
  }

  /// Ranks of each machine that compute or copy.
  private func active() -> [Int] {
    var counts = Array(repeating: 0, count: (machines.max() ?? 0) + 1)
    for (rank, state) in ranks.enumerated() {
      switch state.activity {
      case .computing, .copying: counts[machines[rank]] += 1
      default: break
      }
    }
    return counts
  }

  /// Bytes a second of the messages between nodes that are under way, by number.
  private func flows() -> [(message: Int, rate: Double)] {
    let moving = messages.indices.filter {
      messages[$0].sent != nil && messages[$0].posted != nil && messages[$0].arrived == nil
        && crosses($0)
    }
    guard !moving.isEmpty else { return [] }
    var (out, into) = ([Int: Int](), [Int: Int]())
    for message in moving {
      out[nodes[messages[message].source], default: 0] += 1
      into[nodes[messages[message].destination], default: 0] += 1
    }
    return moving.map { message in
      let most = max(
        out[nodes[messages[message].source]] ?? 1, into[nodes[messages[message].destination]] ?? 1)
      // A share of the link, or what ranks move that have to wait for their turn.
      let byte = max(
        links.network.secondsPerByte(computing: 0) * Double(most),
        links.network.secondsPerByte(computing: messages[message].computing))
      return (message, 1 / byte)
    }
  }

  /// Lets time pass until something ends; false if nothing is under way.
  private mutating func step() -> Bool {
    let active = active()
    let flows = flows()
    var next = Double.infinity
    for (rank, state) in ranks.enumerated() {
      switch state.activity {
      case .computing(let work, let left):
        next = min(next, left * cost.seconds(work, active: active[machines[rank]]))
      case .copying(let left), .queued(let left): next = min(next, left)
      case .standing: if let end = timer(rank) { next = min(next, max(0, end - now)) }
      case .ready, .finished: break
      }
    }
    for flow in flows { next = min(next, messages[flow.message].left / flow.rate) }
    guard next < .infinity else { return false }
    now += next
    for rank in ranks.indices { pass(next, rank, active[machines[rank]]) }
    for flow in flows {
      messages[flow.message].left -= next * flow.rate
      // What is less than a byte came of rounding.
      if messages[flow.message].left < 1e-3 { messages[flow.message].arrived = now }
    }
    return true
  }

  /// When a rank that stands still may go on without anybody's help; nil where it cannot.
  private func timer(_ rank: Int) -> Double? {
    if ranks[rank].waiting == nil { return agreementEnd }
    var times: [Double] = []
    for transfer in transfersUnderWay(rank) {
      let round = ranks[rank].round[transfer]
      times += sent[rank][transfer][round].compactMap { leaves($0) }
      times += received[rank][transfer][round].compactMap { arrival($0) }
    }
    return times.filter { $0 > now }.min()
  }

  /// When a message between nodes can be read.
  func arrival(_ message: Int) -> Double? {
    guard crosses(message) else { return nil }
    let start = links.network.start(computing: messages[message].computing)
    return messages[message].arrived.map { $0 + start }
  }

  /// When a message has left its sender; nil where that is not known yet.
  func leaves(_ message: Int) -> Double? {
    let state = messages[message]
    guard let begun = state.sent else { return nil }
    if crosses(message) { return state.arrived }
    if state.bytes <= links.eagerBytes { return begun }
    return state.posted.map {
      max($0, begun) + links.node.seconds(state.bytes, computing: state.computing)
    }
  }

  private mutating func pass(_ seconds: Double, _ rank: Int, _ active: Int) {
    switch ranks[rank].activity {
    case .computing(let work, let left):
      let whole = cost.seconds(work, active: active)
      let rest = whole > 0 ? left - seconds / whole : 0
      if rest > 1e-9 {
        ranks[rank].activity = .computing(work, left: rest)
      } else {
        endCompute(work, rank)
      }
    case .queued(let left):
      ranks[rank].activity =
        left - seconds > 1e-13
        ? .queued(left: left - seconds) : .copying(left: copySeconds(rank).copy)
    case .copying(let left):
      if left - seconds > 1e-13 {
        ranks[rank].activity = .copying(left: left - seconds)
      } else {
        endCopy(rank)
      }
    case .ready, .standing, .finished: break
    }
  }
}
