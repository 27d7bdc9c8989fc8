import Documents
import Quantities

extension RunFile {
  /// How a run is kept going where something fails: what a forecast of it reads.
  public struct RecoverySettings: Hashable, Sendable {
    /// How a checkpoint is taken.
    public enum Way: String, Hashable, Sendable, CaseIterable {
      /// Steps stand still until it is written.
      case blocking
      /// Steps stand still until hosts have a copy, which is written behind the steps that follow.
      case asynchronous
      /// The copy goes to the memory of other nodes, and now and then to storage.
      case memory
    }

    /// When a checkpoint is taken.
    public enum Cadence: Hashable, Sendable {
      /// As `checkpoints.every` says.
      case steps
      /// At the interval at which the exact expectation of the run's time is least.
      case optimal
      case every(Seconds)
    }

    /// What is done with fewer nodes.
    public enum Elastic: String, Hashable, Sendable, CaseIterable {
      /// The job waits.
      case none
      /// It starts again from its checkpoint on the replicas that are left.
      case restart
      /// The replicas that are left keep their state and go on.
      case resume
    }

    /// nil: as training takes them, by `checkpoints.asynchronous`.
    public var way: Way?
    public var cadence = Cadence.steps
    /// Nodes that hold each part of the state in memory, its own among them.
    public var copies = 2
    /// Of checkpoints in memory, after how many one goes to storage.
    public var storedEvery = 10
    /// Nodes beside those of the job; nil for all that the cluster has.
    public var spares: Int?
    public var elastic = Elastic.none
    /// Until replicas go on that keep their state.
    public var pause: Seconds?
    /// How few replicas may go on.
    public var fewestReplicas = 1
    /// What was measured on fewer replicas, each number of them once.
    public var widths: [Width] = []
    /// Behind how many checkpoints replicas are taken back whose processes ended; 0: no end takes one.
    public var takeBackAfter = 0
    /// Steps behind a start that take longer, and how many times as long.
    public var warmSteps = 0
    public var warmRatio = 1.0
    /// From the last step in front of a stop that is wanted to the end of all processes.
    public var ending = Seconds.zero

    /// A number of replicas, and what was measured on it.
    public struct Width: Hashable, Sendable {
      public var replicas: Int
      /// Seconds of a step over those on all replicas; nil for in proportion.
      public var stepRatio: Double?
      /// From having nodes to the first step.
      public var start: Seconds?
    }

    public init() {}
  }
}

/// The keys of `recovery`.
struct RecoveryKeys: KeySet {
  let way = Key(
    "checkpoints", .choice(RunFile.RecoverySettings.Way.self),
    otherwise: "asynchronous with checkpoints.asynchronous, else blocking",
    "blocking: steps wait until a checkpoint is written; asynchronous: until hosts have a copy; memory: "
      + "the copy goes to other nodes' memory, now and then to storage.")
  let cadence = Key(
    "cadence", .text("optimal, or a time such as 30 min"), otherwise: "checkpoints.every",
    "Work between two checkpoints, in whole steps; optimal: what makes the expected time least.")
  let copies = Key(
    "copies", .integer(in: 2...64), default: 2,
    "With memory, nodes that hold each part of the state, its own among them.")
  let storedEvery = Key(
    "stored-every", .integer(in: 1...1_000_000), default: 10,
    "With memory, after how many checkpoints one goes to storage.")
  let spares = Key(
    "spares", .integer(in: 0...1_000_000), otherwise: "nodes of the cluster beyond the plan's",
    "Nodes that stand by.")
  let elastic = Key(
    "elastic", .choice(RunFile.RecoverySettings.Elastic.self),
    default: RunFile.RecoverySettings.Elastic.none,
    "Without enough nodes, none: the job waits; restart: it starts again from its checkpoint on fewer "
      + "replicas; resume: those that are left keep their state and go on.")
  let pause = Key(
    "pause", .quantity(in: Seconds.zero...Seconds(1e6)), otherwise: "required with elastic resume",
    "Until those that are left go on.")
  let fewestReplicas = Key(
    "minimum-replicas", .integer(in: 1...(1 << 24)), default: 1,
    "With elastic, how few replicas may go on.")
  let widths = TableKey(
    "widths", WidthKeys(), list: true, otherwise: "steps take longer in proportion",
    "With elastic, numbers of replicas that can go on, as they were measured; others go on as the next "
      + "fewer that are listed, the fewest in proportion.")
  let takeBackAfter = Key(
    "take-back-after", .integer(in: 1...1_000_000),
    otherwise: "no process takes its replica with it",
    "With elastic restart, a process that ends takes its replica from the job, as in sluice train "
      + "--elastic: until so many checkpoints are written without it.")
  let warmSteps = Key(
    "warm-steps", .integer(in: 1...1_000_000), otherwise: "none",
    "Steps behind a start that take longer than later ones.")
  let warmRatio = Key(
    "warm-ratio", .number(in: 1...1000), otherwise: "required with warm-steps",
    "How many times as long they take.")
  let ending = Key(
    "ending", .quantity(in: Seconds.zero...Seconds(1e6)), default: .zero,
    "From the last step in front of a stop that is wanted to the end of all processes.")
}

/// The keys of one of `recovery.widths`.
struct WidthKeys: KeySet {
  let replicas = Key("replicas", .integer(in: 1...(1 << 24)), "How many there are.")
  let stepRatio = Key(
    "step-ratio", .number(in: 0.001...1000), otherwise: "in proportion; 1 with all",
    "Seconds of a step over those on all replicas.")
  let start = Key(
    "start", .quantity(in: Seconds.zero...Seconds(1e9)),
    otherwise: "failures.start with start-per-rank of all",
    "From having nodes to the first collective on so many.")
}

extension RunReader {
  /// What a forecast reads; nil where the file says nothing of it.
  func readRecovery(
    _ checkpoints: RunFile.CheckpointSettings?
  ) throws(ConfigurationError) -> RunFile.RecoverySettings? {
    let keys = keys.recovery
    guard let part = try table.optionalTable(keys) else { return nil }
    var recovery = RunFile.RecoverySettings()
    recovery.way = try part.optional(keys.way)
    if let text = try part.optional(keys.cadence) {
      recovery.cadence = try cadence(text, part, keys.cadence)
    }
    guard checkpoints != nil || (recovery.cadence == .steps && !part.contains(keys.way)) else {
      let key = recovery.cadence == .steps ? keys.way.name : keys.cadence.name
      throw part.error("has no effect: the run writes no checkpoints (checkpoints)", at: key)
    }
    if recovery.way == .blocking, checkpoints?.isAsynchronous == true {
      throw part.error(
        "contradicts checkpoints.asynchronous, by which steps do not wait for them", at: keys.way)
    }
    for key in [keys.copies, keys.storedEvery]
    where recovery.way != .memory && part.contains(key) {
      throw part.error("has no effect without checkpoints memory", at: key)
    }
    recovery.copies = try part.value(keys.copies)
    recovery.storedEvery = try part.value(keys.storedEvery)
    recovery.spares = try part.optional(keys.spares)
    recovery.elastic = try part.value(keys.elastic)
    recovery.pause = try part.optional(keys.pause)
    if recovery.elastic == .resume, recovery.pause == nil {
      throw part.error("required with elastic resume", at: keys.pause)
    }
    if recovery.elastic == .resume, recovery.cadence == .optimal {
      throw part.error(
        "optimal is not known with elastic resume, where what fails sends nobody back to a "
          + "checkpoint", at: keys.cadence)
    }
    if recovery.elastic != .resume, recovery.pause != nil {
      throw part.error("has no effect without elastic resume", at: keys.pause)
    }
    if recovery.elastic == .none, part.contains(keys.fewestReplicas) {
      throw part.error("has no effect without elastic", at: keys.fewestReplicas)
    }
    recovery.fewestReplicas = try part.value(keys.fewestReplicas)
    try readWidths(part, into: &recovery)
    try readStarts(part, into: &recovery)
    return recovery
  }

  /// What a job is like with fewer replicas.
  private func readWidths(
    _ part: Table, into recovery: inout RunFile.RecoverySettings
  ) throws(ConfigurationError) {
    let keys = keys.recovery
    let widths = try part.tables(keys.widths)
    guard widths.isEmpty || recovery.elastic != .none else {
      throw part.error("has no effect without elastic", at: keys.widths)
    }
    for table in widths {
      let own = keys.widths.keys
      let width = RunFile.RecoverySettings.Width(
        replicas: try table.required(own.replicas), stepRatio: try table.optional(own.stepRatio),
        start: try table.optional(own.start))
      guard !recovery.widths.contains(where: { $0.replicas == width.replicas }) else {
        throw table.error("\(width.replicas) is listed before", at: own.replicas)
      }
      guard width.start == nil || recovery.elastic == .restart else {
        throw table.error("has no effect with elastic resume, which starts nothing", at: own.start)
      }
      recovery.widths.append(width)
    }
    let takeBackAfter = try part.optional(keys.takeBackAfter)
    guard takeBackAfter == nil || recovery.elastic == .restart else {
      throw part.error("has no effect without elastic restart", at: keys.takeBackAfter)
    }
    recovery.takeBackAfter = takeBackAfter ?? 0
  }

  /// What is behind a start, and in front of one that is wanted.
  private func readStarts(
    _ part: Table, into recovery: inout RunFile.RecoverySettings
  ) throws(ConfigurationError) {
    let keys = keys.recovery
    let warmRatio = try part.optional(keys.warmRatio)
    if let steps = try part.optional(keys.warmSteps) {
      guard let warmRatio else {
        throw part.error("required with warm-steps", at: keys.warmRatio)
      }
      (recovery.warmSteps, recovery.warmRatio) = (steps, warmRatio)
    } else if warmRatio != nil {
      throw part.error("has no effect without warm-steps", at: keys.warmRatio)
    }
    recovery.ending = try part.value(keys.ending)
  }

  private func cadence(
    _ text: String, _ table: Table, _ key: Key<String>
  ) throws(ConfigurationError) -> RunFile.RecoverySettings.Cadence {
    if text == "optimal" { return .optimal }
    switch Seconds.parse(text) {
    case .value(let time) where time.value > 0 && time.value <= 1e9: return .every(time)
    case .value: throw table.error("must be more than 0 s and at most 1e9 s", at: key)
    case .refused: throw table.error("expected optimal, or a time such as 30 min", at: key)
    }
  }
}
