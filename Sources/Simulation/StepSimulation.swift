import Engines
import HeapModule
import Plans
import Programs
import Schedules

/// Simulates one training step of a plan: all pipeline positions, messages, reductions, optimizer.
///
/// A rank of every pipeline position stands for all ranks that do the same on the same hardware (folding),
/// or the replicas that are named stand for those that do as they do, or every rank of the world is simulated
/// by itself.
///
/// Ranks take turns in the order of time, and messages share the adapters of their ends with each other and
/// with expert exchanges, which go first (`MessageTraffic`). Buckets of gradients share adapter and link with
/// exchanges (`LinkSharing`).
///
/// Not modelled: reductions that share an adapter with messages, and other collectives that share one.
public struct StepSimulation<P: Pricing> {
  public let input: StepInput
  public let pricing: P
  /// Replays actions that repeat; off, every operation of every action is walked.
  public var replays = true
  /// Keeps the spans of operations, for traces.
  public var keepsSpans = false
  /// Writes down what ranks do in which order and who sends how many bytes to whom, as CPU ranks do.
  ///
  /// Every rank has to be simulated by itself, and where experts are spread with the rows that a run
  /// recorded.
  public var keepsLog = false
  /// How much slower than the others each rank's device is, by rank of the world; empty if none is.
  public var slowness: [Double] = []
  /// How much slower than described each rank's links are, by rank of the world; empty if none is.
  public var linkSlowness: [LinkSlowness] = []
  /// Simulates every rank of the world by itself.
  public var isExplicit = false
  /// The replicas of the pipeline that stand for all others, in whole groups that meet in actions; nil where
  /// one rank stands for all of its position.
  public var representatives: [Int]?
  /// What ranks wait for because devices of one kind do not take equal times; nil where they do.
  package var waits: ExpectedWaits?
  /// What attention takes of each microbatch, where sequences are packed with documents.
  package var documents: DocumentLoads?
  /// What is drawn comes from the plan's seed and so many more.
  public var seedOffset: UInt64 = 0

  public init(_ input: StepInput, pricing: P) {
    self.input = input
    self.pricing = pricing
  }

  /// Runs the step.
  public func run() -> StepResult {
    var catalog: ActionCatalog?
    return run(sharing: &catalog)
  }
}

/// The state of all simulated ranks, which their backends share.
final class SimulatedWorld {
  let input: StepInput
  let pricing: any Pricing
  /// Simulated ranks of one position: 1 if folded.
  let replicas: Int
  /// Consecutive replicas that meet in the exchanges of an action.
  let groupSize: Int
  let catalog: ActionCatalog
  var ranks: [SimulatedRank]
  var lanes: [RankLane] = []
  var messages: MessageBook
  /// Nil unless it is asked for.
  var log: StepLog?
  var groups: [ActionGroup]
  var collectives: CollectiveBook
  var agreement = (arrived: 0, latest: Int64(0), wait: Int64(0))
  let waits: ExpectedWaits?
  let agreementDuration: Int64
  /// The time of the event in progress: no rank is let past it before its turn.
  private(set) var now: Int64 = 0
  var traffic: MessageTraffic
  private var turns = Heap<Turn>()
  private var turnCount = 0
  private var parked: [Int] = []

  /// - Parameter known: what an earlier run of the same step has worked out.
  init<P: Pricing>(_ simulation: StepSimulation<P>, catalog known: ActionCatalog?) {
    input = simulation.input
    pricing = simulation.pricing
    let positions = input.ranks.count
    let all = input.plan.worldSize / positions
    let chosen = simulation.isExplicit ? Array(0..<all) : simulation.representatives
    let numbers = chosen ?? [0]
    let replicas = numbers.count
    self.replicas = replicas
    groupSize = chosen == nil ? 1 : input.plan.mesh.ranksPerAction
    waits = simulation.waits
    let slowest = simulation.waits?.slowness ?? 1
    let catalog = known ?? ActionCatalog(input, simulation.pricing)
    catalog.begin(
      input.expertDraws(seedOffset: simulation.seedOffset), simulation.documents)
    catalog.replays = simulation.replays
    catalog.keepsSpans = simulation.keepsSpans
    catalog.keepsLog = simulation.keepsLog
    if simulation.keepsLog {
      precondition(simulation.isExplicit, "messages have ranks of the world at their ends")
      log = StepLog(input, ranks: positions * replicas)
    }
    self.catalog = catalog
    ranks = (0..<positions * replicas).map { index in
      let (position, replica) = (index / replicas, numbers[index % replicas])
      let rank = position * all + replica
      return SimulatedRank(
        position: position, replica: replica, place: index % replicas,
        slowness: slowest * (simulation.slowness.isEmpty ? 1 : simulation.slowness[rank]),
        linkSlowness: simulation.linkSlowness.isEmpty
          ? LinkSlowness() : simulation.linkSlowness[rank])
    }
    groups = Array(repeating: ActionGroup(), count: positions * replicas / groupSize)
    messages = MessageBook(input, replicas: replicas)
    traffic = MessageTraffic(ranks: positions * replicas)
    collectives = CollectiveBook(input, replicas: replicas, isFolded: chosen == nil)
    agreementDuration = picoseconds(simulation.pricing.secondsOfAgreement())
    for index in ranks.indices { ranks[index].memory.bookStages(input, ranks[index].position) }
  }

  func run() {
    let engines = input.ranks.map { rank in
      // Programs are large: an engine has those that it walks.
      let stages = input.stages.indices.map {
        rank.stages.contains($0) ? input.stages[$0] : nil
      }
      return Engine(rank, stages: stages, walksPairs: false)
    }
    lanes = ranks.indices.map { index in
      RankLane(
        engine: engines[ranks[index].position],
        backend: RankBackend(world: self, index: index))
    }
    for index in lanes.indices { wake(index) }
    var remaining = lanes.count
    while remaining > 0 {
      if let time = traffic.nextTime, time <= turns.min?.time ?? .max {
        now = max(now, time)
        if let place = traffic.advance() { arrive(place) }
        continue
      }
      guard let turn = turns.popMin() else { preconditionFailure("The ranks wait in a circle.") }
      now = max(now, turn.time)
      ranks[turn.rank].isParked = false
      if lanes[turn.rank].advance() == .finished {
        remaining -= 1
      } else if !ranks[turn.rank].isParked {
        wake(turn.rank)
      }
    }
    lanes = []
  }

  // MARK: Turns

  /// A rank goes on at its clock's time.
  func wake(_ rank: Int) {
    turnCount += 1
    turns.insert(Turn(time: max(now, ranks[rank].clock), sequence: turnCount, rank: rank))
  }

  /// A rank waits until others have come to a reduction or to the norm.
  func park(_ rank: Int) {
    ranks[rank].isParked = true
    parked.append(rank)
  }

  /// Lets those who wait look again once everybody has come to what they wait for.
  func wakeParked() {
    for rank in parked { wake(rank) }
    parked.removeAll()
  }

  // MARK: Messages

  /// Both ends have come to a message.
  func move(_ place: Int, bytes: Int) {
    let (sender, receiver) = (Int(messages[place].sender), Int(messages[place].receiver))
    let price = pricing.price(
      ofMessage: bytes, from: ranks[sender].position, to: ranks[receiver].position,
      replica: ranks[sender].replica)
    let alone = picoseconds(price.latency + price.moving)
    messages[place].latency = alone - picoseconds(price.moving)
    messages[place].moving = now
    traffic.begin(
      MessageTraffic.Flow(
        place: place, source: sender, destination: receiver, usesAdapter: price.usesAdapter,
        work: Double(picoseconds(price.moving)), limit: price.share),
      at: now)
  }

  /// The last byte of a message has left the links that it shared.
  private func arrive(_ place: Int) {
    messages[place].end = now + messages[place].latency
    let message = messages[place]
    if message.senderWaits { wake(Int(message.sender)) }
    if message.receiverWaits { wake(Int(message.receiver)) }
  }
}

/// When a rank goes on; of those that go on at once, the one that was told first.
struct Turn: Comparable {
  var time: Int64
  var sequence: Int
  var rank: Int

  static func == (left: Turn, right: Turn) -> Bool { left.sequence == right.sequence }
  static func < (left: Turn, right: Turn) -> Bool {
    (left.time, left.sequence) < (right.time, right.sequence)
  }
}

/// One engine with its backend.
struct RankLane {
  var engine: Engine
  var backend: RankBackend

  mutating func advance() -> Progress { engine.advance(&backend) }
}

/// What is known of one simulated rank.
struct SimulatedRank {
  var position: Int
  /// Its number among all replicas, and among those that are simulated.
  var replica: Int
  var place: Int
  var slowness: Double
  var linkSlowness: LinkSlowness
  /// Its compute stream, picoseconds.
  var clock: Int64 = 0
  var memory = MemoryLedger()
  var split = StepSplit()
  var expert = Exposure()
  var tensor = Exposure()
  var context = Exposure()
  var pipeline = Exposure()
  var data = Exposure()
  var host = Exposure()
  var busy: Int64 = 0
  var kernels = KernelTimes()
  var flops = 0.0
  var causalFLOPs = 0.0
  var operations = 0
  /// How far its passes lie apart from those of other groups, in squared picoseconds.
  var variance = 0.0
  /// The work of its kernels and that variance where the groups of its position last met.
  var met = (busy: Int64(0), variance: 0.0)
  /// When its last action ended.
  var lastActionEnd: Int64 = 0
  var hasAgreed = false
  /// The gathers with which its step began, by stage: their numbers in the world's book.
  var gathers: [Int: [Int]] = [:]
  var hasTakenUpGathers = false
  /// What actions have left on its data stream.
  var carried = CarriedStream()
  /// The numbers of its reductions in the book of collectives.
  var underWay: [Int] = []
  /// It goes on when another one wakes it.
  var isParked = false
  var spans: [ItemSpan] = []
  var transfers: [TransferSpan] = []

  init(
    position: Int, replica: Int, place: Int, slowness: Double, linkSlowness: LinkSlowness
  ) {
    self.position = position
    self.replica = replica
    self.place = place
    self.slowness = slowness
    self.linkSlowness = linkSlowness
  }
}

/// The ranks that meet in the exchanges of an action, and how many have come to the next one.
struct ActionGroup {
  var arrived = 0
  /// Records of the action under way, by member, and how many members have taken theirs.
  var records: [ActionRecord] = []
  var taken = 0
  /// Increases with every action, so that a member knows whether it has arrived.
  var round = 0
}

extension MemoryLedger {
  /// Books what a rank holds for its stages: parameters, gradients, optimizer state.
  mutating func bookStages(_ input: StepInput, _ position: Int) {
    for held in StageProgram.held(by: input.ranks[position].stages, of: input.stages) {
      let buffer = input.stages[held.stage].buffers[Int(held.buffer.index)]
      acquire(input.balancedRows[held.stage](buffer.rows) * buffer.bytesPerRow, buffer.use)
    }
  }
}
