import Quantities

/// One run from its beginning to its end, from failure to failure.
///
/// Between two failures a run does the same over and over, so that no step is looked at by itself: how many
/// checkpoints are passed in a time is a division. A failure during a restart begins the restart anew,
/// whatever broke; times between failures are exponential and do not remember.
struct RunTrial {
  let model: RunModel
  let road: Road
  var clock: FailureClock
  /// Chance that is not a time of a failure.
  var chance: SeededGenerator

  var now = 0.0
  var place = 0.0
  var part = 0
  /// The newest checkpoint and when it is written, and the one before.
  var newest = 0.0
  var newestIsWrittenAt = 0.0
  var before = 0.0
  /// When nodes that are away come back, in no order.
  var broken: [Double] = []
  /// Slow nodes: when they are found, how slow the job is, and how long they are away then.
  var slow: [(until: Double, speed: Double, repair: Double?)] = []
  /// Wrong states: when they are found out, and where the last right place was.
  private var corrupt: [(foundAt: Double, place: Double)] = []
  /// Replicas whose processes ended and that were not taken back yet.
  var lostReplicas = 0
  /// The checkpoint at which they are; infinite where none is lost.
  var returnAt = Double.infinity
  /// Where steps behind the newest start are as fast as later ones.
  var warmFrom: Double
  /// How long a checkpoint at this place holds the steps up yet; nil where none is taken.
  var saving: Double?
  /// The furthest place so far, and the failures until it was reached.
  private var furthest = 0.0
  private var takenAtFurthest = 0

  private(set) var lost = LostTime()
  var failures = 0
  private(set) var phaseSeconds: [Double]
  private var steps = StepClock()
  /// Stops that were wanted, and what of the restarts lies in them and in slower first steps.
  var plannedStops = 0
  var plannedSeconds = 0.0
  private var warmUpSeconds = 0.0

  private let limit: Double

  var isHopeless: Bool {
    now >= limit || clock.taken >= Self.mostFailures || slow.count > Self.mostSlowNodes
      || clock.taken - takenAtFurthest >= Self.mostFailuresInVain
  }

  init(_ model: RunModel, road: Road, seed: UInt64) {
    self.model = model
    self.road = road
    warmFrom = Double(model.recovery.warmUp.steps)
    var seeds = SeededGenerator(seed: seed)
    clock = FailureClock(model, seed: seeds.next())
    chance = SeededGenerator(seed: seeds.next())
    phaseSeconds = Array(repeating: 0, count: model.phaseCount)
    limit = Self.patience * max(1, model.productiveSeconds)
  }

  mutating func run() -> RunOutcome {
    var isFinished = true
    while place < road.end || saving != nil {
      guard !isHopeless else {
        isFinished = false
        break
      }
      let next = nextEvent
      guard advance(until: next.time) else { break }
      if place >= returnAt, saving == nil {
        stop(.takingBack)
        continue
      }
      guard now >= next.time else { continue }
      handle(next.event)
    }
    return RunOutcome(
      wallSeconds: now, lost: lost, failures: failures, phaseSeconds: phaseSeconds,
      undoneSeconds: isFinished ? 0 : model.productiveSeconds - road.seconds(at: place),
      stepSeconds: steps.seconds, plannedStops: plannedStops, plannedSeconds: plannedSeconds,
      warmUpSeconds: warmUpSeconds, isFinished: isFinished)
  }

  // MARK: Events

  private enum Event { case failure, slowFound, corruptionFound(Int), nodeIsBack }

  /// What happens next to a run that runs.
  private var nextEvent: (time: Double, event: Event) {
    var next = (time: clock.next, event: Event.failure)
    for item in slow where item.until < next.time { next = (item.until, .slowFound) }
    for (index, item) in corrupt.enumerated() where item.foundAt < next.time {
      next = (item.foundAt, .corruptionFound(index))
    }
    if missing > 0, let back = broken.min(), back < next.time { next = (back, .nodeIsBack) }
    return next
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .failure: fail(clock.take())
    case .slowFound: stop(.planned)
    case .corruptionFound(let index):
      let item = corrupt.remove(at: index)
      failures += 1
      goBack(to: newestStored(atOrBefore: item.place))
      // Copies in memory are newer, and as wrong.
      stop(.rollback)
    case .nodeIsBack: stop(.planned)
    }
  }

  private mutating func fail(_ index: Int?) {
    guard let index else {
      failures += 1
      return endJob(detection: model.givenDetection, losing: nil)
    }
    let process = model.processes[index]
    switch process.effect {
    case .slow(let speed): slow.append((now + process.detection, speed, process.repair))
    case .corrupt: corrupt.append((now + process.detection, place))
    case .stop:
      failures += 1
      endJob(detection: process.detection, losing: process.repair)
    }
  }

  /// The job is gone, and with it what was done since its newest good checkpoint.
  private mutating func endJob(detection: Double, losing repair: Double?) {
    var holders = 0
    if case .resume = model.recovery.elastic {
      holders = max(0, working - model.recovery.replicasLost(withNode: repair != nil))
    }
    if holders == 0 { goBack(to: newestIsWrittenAt <= now ? newest : before) }
    stop(.failure(detection: detection, repair: repair, holders: holders))
  }

  /// The newest place at another one or in front of it whose state storage has.
  func newestStored(atOrBefore other: Double) -> Double {
    guard model.recovery.memoryLoad == nil else {
      let writing = model.checkpoints.storedWriting / road.parts[part].stepSeconds
      return road.newest(atOrBefore: min(other, place - writing), isStored: true)
    }
    // All are there, those of planned stops too; the newest one once it is written.
    for saved in [newest, before] where saved <= other {
      if saved < newest || newestIsWrittenAt <= now { return saved }
    }
    return min(before, road.newest(atOrBefore: other, isStored: true))
  }

  mutating func goBack(to other: Double) {
    saving = nil
    corrupt.removeAll { $0.place >= other }
    guard other < place else { return }
    lost.recomputation += road.seconds(at: place) - road.seconds(at: other)
    move(to: other)
    (newest, newestIsWrittenAt, before) = (other, now, other)
  }

  private mutating func move(to other: Double) {
    place = other
    part = road.part(at: other)
    steps.goBack(to: other)
  }

  mutating func spend(_ seconds: Double, _ kind: WritableKeyPath<LostTime, Double>) {
    guard seconds > 0 else { return }
    now += seconds
    lost[keyPath: kind] += seconds
    phaseSeconds[road.parts[part].phase] += seconds
  }

  // MARK: Nodes

  /// Nodes that the job goes without.
  var missing: Int { max(0, broken.count - model.recovery.spares) }

  /// Replicas that have all of their nodes.
  var working: Int {
    max(
      0, model.recovery.replicas - missing * model.recovery.replicasOfNode - lostReplicas)
  }

  /// The speed on the replicas that work, over that on all.
  private var width: Double {
    missing > 0 || lostReplicas > 0 ? 1 / model.recovery.stepRatio(on: working) : 1
  }

  /// Whether the job can run with the nodes that it has.
  var hasNodes: Bool {
    guard missing > 0 else { return true }
    guard model.recovery.elastic != .none else { return false }
    return working >= max(1, model.recovery.fewestReplicas)
  }

  // MARK: Steps

  /// Runs on until a time, or to the end of the run.
  ///
  /// - Returns: false at the end of the run.
  private mutating func advance(until time: Double) -> Bool {
    let slowness = slow.map(\.speed).min() ?? 1
    let width = width
    let speed = slowness * width
    while now < time {
      let current = road.parts[part]
      if saving == nil {
        let warmth = place < warmFrom ? 1 / model.recovery.warmUp.ratio : 1
        let pace = Pace(
          stepSeconds: current.stepSeconds / speed / warmth, slowness: slowness, width: width,
          warmth: warmth)
        passWhole(current, until: time, pace)
        var next = road.next(after: place, in: part)
        if place < warmFrom, warmFrom < next.place { next = (warmFrom, false) }
        let work = (next.place - place) * pace.stepSeconds
        guard now + work <= time else {
          let reached = min(next.place.nextDown, place + (time - now) / pace.stepSeconds)
          go(to: reached, seconds: time - now, pace)
          now = time
          return true
        }
        go(to: next.place, seconds: work, pace)
        now += work
        // The next one waits until the one before is written.
        if next.isCheckpoint {
          saving = model.checkpoints.stall + max(0, newestIsWrittenAt - now)
        }
      }
      guard save(until: time) else { return true }
      if place >= road.end { return false }
      if place >= current.end { part += 1 }
      if place >= returnAt { return true }
    }
    return true
  }

  /// How fast steps are, and the shares of full speed that are left of each reason for being slow.
  private struct Pace {
    var stepSeconds: Double
    /// Of slow nodes, of fewer replicas, and of the first steps behind a start.
    var slowness: Double
    var width: Double
    var warmth: Double
  }

  /// Holds the steps up for a checkpoint, or for as much of it as passes until a time.
  ///
  /// - Returns: whether it is whole, or none is taken.
  private mutating func save(until time: Double) -> Bool {
    guard let stall = saving else { return true }
    guard now + stall <= time else {
      // What begins to be slow or wrong meanwhile does not end it: the rest follows.
      saving = stall - (time - now)
      spend(time - now, \.checkpoint)
      now = time
      return false
    }
    spend(stall, \.checkpoint)
    saving = nil
    (before, newest, newestIsWrittenAt) = (newest, place, now + road.writing)
    return true
  }

  /// Passes checkpoints that are alike, each with the steps in front of it, in one go.
  ///
  /// The last one of a part, which may be the phase's, is left, and so is one at which replicas are taken
  /// back.
  private mutating func passWhole(_ current: Road.Part, until time: Double, _ pace: Pace) {
    let isOnGrid =
      ((place - current.phaseFirst) / current.every).rounded() * current.every
      + current.phaseFirst == place
    let work = current.every * pace.stepSeconds
    let waiting = max(0, road.writing - work)
    // One that waits for less than the others is passed by itself.
    let isSteady = newestIsWrittenAt == now + road.writing || waiting == 0
    guard isOnGrid, isSteady, place >= warmFrom else { return }
    let stall = model.checkpoints.stall + waiting
    let whole = min(
      ((time - now) / (work + stall)).rounded(.down),
      ((min(current.end, returnAt) - place) / current.every).rounded(.up) - 1)
    guard whole >= 1 else { return }
    go(to: place + whole * current.every, seconds: whole * work, pace)
    now += whole * work
    spend(whole * stall, \.checkpoint)
    // Where it began there need not be one: a step that is another one lies on its grid by chance.
    before = whole > 1 ? place - current.every : newest
    (newest, newestIsWrittenAt) = (place, now + road.writing)
  }

  /// Moves on, and says where the time went beside the steps themselves.
  private mutating func go(to other: Double, seconds: Double, _ pace: Pace) {
    place = other
    steps.advance(to: other, seconds: seconds, pace: pace.stepSeconds)
    if place > furthest { (furthest, takenAtFurthest) = (place, clock.taken) }
    phaseSeconds[road.parts[part].phase] += seconds
    let warm = seconds * pace.warmth
    lost.straggler += warm * (1 - pace.slowness) * pace.width
    lost.idle += warm * (1 - pace.width)
    lost.restart += seconds - warm
    warmUpSeconds += seconds - warm
  }
}
