import Clusters
import Documents
import Models
import Plans
import Quantities
import Runs

/// What fails on a cluster and how a run goes on, in seconds.
struct RecoverySetting {
  private let phases: [RunFile]
  private let cluster: Cluster
  private let recovery: RunFile.RecoverySettings
  private let way: RunFile.RecoverySettings.Way
  private let plan: Plan

  init(_ phases: [RunFile], _ cluster: Cluster) throws(ConfigurationError) {
    (self.phases, self.cluster) = (phases, cluster)
    recovery = phases[0].recovery ?? .init()
    plan = phases[0].plan
    if let way = recovery.way { self.way = way } else { way = try Self.wayOfTraining(phases) }
  }

  /// As training takes checkpoints: every phase the same way, since a forecast knows one.
  private static func wayOfTraining(
    _ phases: [RunFile]
  ) throws(ConfigurationError) -> RunFile.RecoverySettings.Way {
    let written = phases.filter { $0.checkpoints != nil }
    let isAsynchronous = written.first?.checkpoints?.isAsynchronous ?? false
    for phase in written where phase.checkpoints?.isAsynchronous != isAsynchronous {
      throw ConfigurationError(
        file: phase.file, keyPath: "checkpoints.asynchronous",
        rule: "is another one in phase \(phase.name): say which one a forecast takes "
          + "(recovery.checkpoints)")
    }
    return isAsynchronous ? .asynchronous : .blocking
  }

  private var devices: Int { plan.worldSize }
  private var devicesPerNode: Int { cluster.node.devices.value }
  private var nodes: Int { (devices + devicesPerNode - 1) / devicesPerNode }

  /// Bytes of weights in the optimizer's format and of its moments: all that a run goes on from.
  var stateBytes: Double {
    phases.map { phase in
      let precision = phase.plan.precision
      let weights = (precision.masterWeights ?? precision.otherParameters).bits
      let moments = precision.moments.bits * (phase.plan.optimizer == .adamW ? 2 : 1)
      return Double(phase.model.architecture.trainedParameters) * Double(weights + moments) / 8
    }.max() ?? 0
  }

  /// The run as a forecast sees it, and what no file says.
  func model(
    _ stretches: [RunModel.Stretch]
  ) throws(ConfigurationError) -> (RunModel, assumptions: [String]) {
    var assumptions: [String] = []
    if cluster.failures == nil {
      assumptions.append("\(cluster.name) says nothing of failures: none is counted")
    }
    if recovery.elastic != .none,
      phases.contains(where: { $0.plan.dataParallel != plan.dataParallel })
    {
      assumptions.append(
        "every phase goes on with as many of its replicas as the first one, of "
          + "\(plan.dataParallel)")
    }
    if recovery.elastic != .none, recovery.widths.isEmpty {
      assumptions.append(
        "steps take longer in proportion where replicas are missing: recovery.widths can say what was "
          + "measured")
    }
    try checkEnding()
    let checkpoints = try checkpoints(&assumptions)
    var model = RunModel(
      stretches: stretches, processes: processes,
      givenTimes: cluster.failures?.times.map(\.value) ?? [],
      givenDetection: cluster.failures?.detection.value.value ?? 0,
      checkpoints: checkpoints, recovery: try recovering(hasCheckpoints: checkpoints.stall > 0))
    guard recovery.cadence == .optimal else { return (model, assumptions) }
    if let best = model.bestCadenceSeconds {
      model.checkpoints.cadence = .seconds(best)
    } else {
      assumptions.append("nothing fails, so the optimal cadence is that of checkpoints.every")
    }
    return (model, assumptions)
  }

  // MARK: Failures

  private var processes: [RunModel.Process] {
    guard let failures = cluster.failures else { return [] }
    return failures.causes.map { cause in
      let detection = (cause.detection ?? failures.detection).value.value
      let losesNode = cause.element == .device || cause.element == .node
      let effect: RunModel.Process.Effect =
        switch cause.effect {
        case .stop: .stop
        case .slow(let speed): .slow(speed.value)
        case .corrupt: .corrupt
        }
      return RunModel.Process(
        cause.name, rate: cause.rate.value * elements(cause.element) / 86_400_000, effect: effect,
        detection: detection,
        repair: losesNode && effect != .corrupt
          ? (cause.repair ?? failures.repair)?.value.value : nil,
        followUp: cause.followUp?.value ?? 0,
        followUpWithin: cause.followUpWithin?.value.value ?? 0)
    }
  }

  /// How many of these the job has; of switches, its nodes' part.
  private func elements(_ element: Failures.Element) -> Double {
    switch element {
    case .device: Double(devices)
    case .node: Double(nodes)
    case .switch:
      Double(cluster.bill?.switches ?? 0) * Double(nodes) / Double(cluster.nodes.value)
    case .job: 1
    }
  }

  // MARK: Checkpoints

  /// Bytes of a device's part, copied to its host.
  private func copySeconds() throws(ConfigurationError) -> Double {
    guard let link = cluster.device.hostLink else {
      throw missing(
        "device.host-link",
        "checkpoints \(way.rawValue) copy the state to the host over it")
    }
    return stateBytes / Double(devices) / link.reached.value.value
  }

  private func storage() throws(ConfigurationError) -> Storage {
    guard let storage = cluster.storage else {
      throw missing("storage", "checkpoints are written to it")
    }
    return storage
  }

  /// Until other nodes have a node's part of the state.
  private func copiesSeconds(_ copies: Int) throws(ConfigurationError) -> Double {
    guard let adapters = cluster.node.adapters, nodes > 1 else {
      throw missing("node.adapters", "checkpoints memory lie on another node")
    }
    let rate = Double(adapters.count.value) * adapters.rate.reached.value.value
    return Double(copies) * stateBytes / Double(nodes) / rate
  }

  private func missing(_ key: String, _ why: String) -> ConfigurationError {
    ConfigurationError(file: cluster.name, keyPath: key, rule: "is missing, and \(why)")
  }

  private func checkpoints(
    _ assumptions: inout [String]
  ) throws(ConfigurationError) -> RunModel.Checkpoints {
    let counts = phases.map { $0.checkpoints?.every }
    guard counts.contains(where: { $0 != nil }) else {
      return RunModel.Checkpoints(cadence: .phases, stall: 0)
    }
    var cadence = RunModel.Checkpoints.Cadence.steps(counts.map { $0 ?? .max / 4 })
    if case .every(let time) = recovery.cadence { cadence = .seconds(time.value) }
    let written = try stateBytes / storage().write(nodes: nodes).value
    switch way {
    case .blocking: return .init(cadence: cadence, stall: written)
    case .asynchronous:
      return .init(cadence: cadence, stall: try copySeconds(), writing: written)
    case .memory:
      return .init(
        cadence: cadence, stall: try copySeconds(),
        writing: try copiesSeconds(recovery.copies - 1), storedEvery: recovery.storedEvery,
        storedWriting: written)
    }
  }

  // MARK: Going on

  /// Refuses an ending in front of stops that are wanted where nobody wants one.
  ///
  /// A job stops for a slow node that was found, and, with fewer replicas, for those that come back.
  private func checkEnding() throws(ConfigurationError) {
    let putsAside = processes.contains { process in
      if case .slow = process.effect { process.totalRate > 0 } else { false }
    }
    guard recovery.ending.value > 0, recovery.elastic == .none, !putsAside else { return }
    throw ConfigurationError(
      file: phases[0].file, keyPath: "recovery.ending", value: "\(recovery.ending)",
      rule:
        "has no effect without elastic or a cause of failures with effect slow: no stop is wanted"
    )
  }

  private func recovering(
    hasCheckpoints: Bool
  ) throws(ConfigurationError) -> RunModel.Recovery {
    var result = RunModel.Recovery()
    if let failures = cluster.failures {
      result.requeue = failures.requeue.value.value
      result.start =
        failures.start.value.value + failures.startPerRank.value.value * Double(devices)
    }
    if hasCheckpoints {
      result.load = try stateBytes / storage().read(nodes: nodes).value
      if way == .memory {
        guard recovery.copies <= nodes else {
          throw ConfigurationError(
            file: phases[0].file, keyPath: "recovery.copies", value: "\(recovery.copies)",
            rule: "exceeds the \(nodes) nodes of the job, each of which holds one at most")
        }
        // The node that was lost gets its part of another one.
        result.memoryLoad = try copiesSeconds(1) + copySeconds()
        result.otherCopies = recovery.copies - 1
        result.otherNodes = nodes - 1
      }
    }
    result.spares = recovery.spares ?? max(0, cluster.nodes.value - nodes)
    result.replicas = plan.dataParallel
    // Ranks lie in the order tensor, context, data, pipeline: a node holds so many replicas' ranks.
    let ofReplica = plan.tensorParallel * plan.contextParallel
    result.replicasOfNode = max(1, min(plan.dataParallel, devicesPerNode / ofReplica))
    guard recovery.fewestReplicas <= plan.dataParallel else {
      throw ConfigurationError(
        file: phases[0].file, keyPath: "recovery.minimum-replicas",
        value: "\(recovery.fewestReplicas)",
        rule: "exceeds the \(plan.dataParallel) replicas of the plan (data-parallel)")
    }
    result.fewestReplicas = recovery.fewestReplicas
    result.widths = try widths()
    result.takeBackAfter = recovery.takeBackAfter
    result.warmUp = .init(steps: recovery.warmSteps, ratio: recovery.warmRatio)
    result.ending = recovery.ending.value
    result.elastic =
      switch recovery.elastic {
      case .none: .none
      case .restart: .restart
      case .resume: .resume(pause: recovery.pause?.value ?? 0)
      }
    return result
  }

  /// What was measured on fewer replicas.
  private func widths() throws(ConfigurationError) -> [RunModel.Recovery.Width] {
    var widths: [RunModel.Recovery.Width] = []
    let all = plan.dataParallel
    for (index, width) in recovery.widths.enumerated() {
      let path = "recovery.widths[\(index)]"
      func refusal(_ key: String, _ value: String, _ rule: String) -> ConfigurationError {
        ConfigurationError(
          file: phases[0].file, keyPath: "\(path).\(key)", value: value, rule: rule)
      }
      guard width.replicas <= all else {
        throw refusal(
          "replicas", "\(width.replicas)", "exceeds the \(all) replicas of the plan (data-parallel)"
        )
      }
      let ratio = width.stepRatio ?? Double(all) / Double(width.replicas)
      guard width.replicas < all || ratio == 1 else {
        throw refusal(
          "step-ratio", "\(ratio)", "must be 1 with all replicas, of which it is a ratio")
      }
      widths.append(
        .init(replicas: width.replicas, stepRatio: ratio, start: width.start?.value))
    }
    return widths
  }
}

extension Architecture {
  /// Parameters of all layers, prediction modules among them.
  fileprivate var trainedParameters: Int {
    parameterCounts.total + predictionParameterCounts.total
  }
}
