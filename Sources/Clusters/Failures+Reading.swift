import Documents
import Quantities

/// The keys of `failures`.
struct FailureKeys: KeySet {
  let causes = TableKey(
    "causes", FailureCauseKeys(), list: true, otherwise: "nothing fails by itself",
    "Processes of failures, each with its own rate.")
  let times = Key(
    "at", .list(of: .span, count: 1...1_000_000), otherwise: "times are drawn",
    "Times of failures from the start of the run, in place of causes: a recorded trace.")
  let detection = Key(
    "detection", .sourced(.span), "From a failure to everybody's knowing of it.")
  let repair = Key(
    "repair", .sourced(.span), otherwise: "required without at, which loses no node",
    "Until a broken node is back; a job with spares does not wait.")
  let requeue = Key("requeue", .sourced(.span), "Until a job that ended has nodes again.")
  let start = Key(
    "start", .sourced(.span), "From having nodes to the first collective, whatever their number.")
  let startPerRank = Key("start-per-rank", .sourced(.span), "What each rank adds to start.")
}

/// The keys of one cause of failures.
struct FailureCauseKeys: KeySet {
  /// The names of effects in files.
  enum EffectName: String, CaseIterable {
    case stop, slow, corrupt
  }

  let name = Key("name", .string, "What fails.")
  let element = Key(
    "of", .choice(Failures.Element.self),
    "What the rate counts: devices, nodes or switches of the job, or the job itself.")
  let rate = Key(
    "rate", .sourced(.number(in: 0...1e9)), "Failures of a thousand of these in a day.")
  let effect = Key(
    "effect", .choice(EffectName.self), default: .stop,
    "stop: the job ends or hangs; slow: it runs on more slowly until the node is found; corrupt: its "
      + "state is wrong until that is found out, and it goes back to before.")
  let speed = Key(
    "speed", .sourced(.number(in: 0.01...1)), otherwise: "required for slow",
    "What is left of the job's speed.")
  let detection = Key(
    "detection", .sourced(.span), otherwise: "failures.detection", "Until it is found out.")
  let repair = Key(
    "repair", .sourced(.span), otherwise: "failures.repair, and none for a switch or a job",
    "Until the node is back.")
  let followUp = Key(
    "follow-up", .sourced(.number(in: 0...0.99)), otherwise: "0",
    "The probability that a failure brings on another one: failures come in bursts.")
  let followUpWithin = Key(
    "follow-up-within", .sourced(.span), otherwise: "required with follow-up",
    "After how long it does, in the mean.")
}

/// The keys of `storage`.
struct StorageKeys: KeySet {
  let write = Key("write", .sourced(.bandwidth), "What a node writes.")
  let read = Key("read", .sourced(.bandwidth), otherwise: "write", "What a node reads.")
  let totalWrite = Key(
    "total-write", .sourced(.bandwidth), otherwise: "nodes are the limit",
    "What all nodes together write at most.")
  let totalRead = Key(
    "total-read", .sourced(.bandwidth), otherwise: "nodes are the limit",
    "What all nodes together read at most.")
}

extension Expected where Value == Seconds {
  /// A time of the coarse clock of whole runs.
  fileprivate static var span: Expected { .quantity(in: .zero...Seconds(1e9)) }
}

extension Failures {
  init(_ table: Table, _ keys: FailureKeys) throws(ConfigurationError) {
    detection = try table.required(keys.detection)
    requeue = try table.required(keys.requeue)
    start = try table.required(keys.start)
    startPerRank = try table.required(keys.startPerRank)
    times = try table.optional(keys.times) ?? []
    causes = []
    for part in try table.tables(keys.causes) {
      causes.append(try Cause(part, keys.causes.keys))
    }
    guard times.isEmpty || causes.isEmpty else {
      throw table.error("excludes causes, which are drawn", at: keys.times)
    }
    guard !times.isEmpty else {
      repair = try table.required(keys.repair)
      return
    }
    repair = try table.optional(keys.repair)
    if repair != nil {
      throw table.error("has no effect: failures at given times lose no node", at: keys.repair)
    }
  }
}

extension Failures.Cause {
  init(_ table: Table, _ keys: FailureCauseKeys) throws(ConfigurationError) {
    name = try table.required(keys.name)
    element = try table.required(keys.element)
    rate = try table.required(keys.rate)
    let speed = try table.optional(keys.speed)
    switch try table.value(keys.effect) {
    case .stop: effect = .stop
    case .corrupt: effect = .corrupt
    case .slow:
      guard let speed else { throw table.error("required for effect slow", at: keys.speed) }
      effect = .slow(speed: speed)
    }
    if speed != nil, case .slow = effect {
    } else if speed != nil {
      throw table.error("has no effect without effect slow", at: keys.speed)
    }
    detection = try table.optional(keys.detection)
    repair = try table.optional(keys.repair)
    if repair != nil, element == .switch || element == .job {
      throw table.error(
        "has no effect: no node is lost with a \(element.rawValue)", at: keys.repair)
    }
    if repair != nil, effect == .corrupt {
      throw table.error("has no effect: nobody knows which node it was", at: keys.repair)
    }
    followUp = try table.optional(keys.followUp)
    followUpWithin = try table.optional(keys.followUpWithin)
    guard (followUp?.value ?? 0) > 0 || followUpWithin == nil else {
      throw table.error("has no effect without follow-up", at: keys.followUpWithin)
    }
    guard (followUp?.value ?? 0) == 0 || followUpWithin != nil else {
      throw table.error("needs follow-up-within", at: keys.followUp)
    }
  }
}

extension Failures.Effect {
  /// As files name it.
  fileprivate var name: String {
    let name: FailureCauseKeys.EffectName =
      switch self {
      case .stop: .stop
      case .slow: .slow
      case .corrupt: .corrupt
      }
    return name.rawValue
  }
}

extension Storage {
  init(_ table: Table, _ keys: StorageKeys) throws(ConfigurationError) {
    write = try table.required(keys.write)
    read = try table.value(keys.read, default: write)
    totalWrite = try table.optional(keys.totalWrite)
    totalRead = try table.optional(keys.totalRead)
  }
}

extension Cluster {
  /// Facts of failures and storage, under the keys that files have for them.
  var failureFacts: [Fact] {
    var facts: [Fact] = []
    func add<Value: Quantity>(_ path: String, _ value: Sourced<Value>?) {
      guard let value else { return }
      facts.append(
        Fact(
          path: path, text: value.value.description, exact: value.value.exactDescription,
          origin: value.origin))
    }
    func add(_ path: String, _ value: Sourced<Double>?) {
      guard let value else { return }
      facts.append(
        Fact(path: path, text: "\(value.value)", exact: "\(value.value)", origin: value.origin))
    }
    for (index, cause) in (failures?.causes ?? []).enumerated() {
      let path = "failures.causes[\(index)]"
      for (key, text) in [
        ("name", cause.name), ("of", cause.element.rawValue), ("effect", cause.effect.name),
      ] {
        facts.append(Fact(path: "\(path).\(key)", text: text, exact: text, origin: .unstated))
      }
      add("\(path).rate", cause.rate)
      if case .slow(let speed) = cause.effect { add("\(path).speed", speed) }
      add("\(path).detection", cause.detection)
      add("\(path).repair", cause.repair)
      add("\(path).follow-up", cause.followUp)
      add("\(path).follow-up-within", cause.followUpWithin)
    }
    if let times = failures?.times, !times.isEmpty {
      let exact = times.map(\.exactDescription).joined(separator: ", ")
      facts.append(
        Fact(
          path: "failures.at", text: times.count > 3 ? "\(times.count) times" : exact,
          exact: "[\(exact)]", origin: .unstated))
    }
    add("failures.detection", failures?.detection)
    add("failures.repair", failures?.repair)
    add("failures.requeue", failures?.requeue)
    add("failures.start", failures?.start)
    add("failures.start-per-rank", failures?.startPerRank)
    add("storage.write", storage?.write)
    add("storage.read", storage?.read)
    add("storage.total-write", storage?.totalWrite)
    add("storage.total-read", storage?.totalRead)
    return facts
  }
}
