import ArgumentParser
import Clusters
import Documents
import Models
import Planning
import Plans
import Quantities
import Reports
import Simulation

/// Runs that were measured, from which factors of a system are inferred.
struct AnchorOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A plan whose step was measured on this cluster; may be repeated, each with its --measured.",
      valueName: "plan"),
    completion: .plan)
  var anchor: [String] = []

  @Option(
    help: """
      Its step, such as 9.67s; without --anchor that of the plan itself: what would explain it.
      """)
  var measured: [String] = []

  @Option(
    help: ArgumentHelp(
      "A table of measured runs: lines of a plan and its step with a comma between.",
      valueName: "file"),
    completion: .file(extensions: ["csv"]))
  var anchors: String?

  @Option(help: "Memory that the first --anchor needed on its fullest GPU, such as 70GiB.")
  var measuredMemory: String?

  @Flag(help: "Give the step with the interval that component tables leave, without any anchor.")
  var interval = false

  /// Whether any of it was asked for.
  var isGiven: Bool {
    interval || !anchor.isEmpty || !measured.isEmpty || anchors != nil || measuredMemory != nil
  }

  /// The files that are read.
  var inputFiles: [String] { anchor + [anchors].compactMap(\.self) }

  /// Measured runs, by plan and seconds; of the plan itself where none is named.
  private func runs() throws -> (anchors: [(plan: String, seconds: Double)], own: Double?) {
    var runs: [(String, Double)] = []
    let seconds = try measured.map { try Self.seconds($0, of: "--measured") }
    if anchor.isEmpty, anchors == nil {
      guard measuredMemory == nil else {
        throw CommandError("--measured-memory is that of an --anchor")
      }
      guard seconds.count < 2 else {
        throw CommandError("\(seconds.count) --measured need as many --anchor")
      }
      return ([], seconds.first)
    }
    guard seconds.count == anchor.count else {
      throw CommandError(
        "every --anchor needs a --measured: there are \(anchor.count) and \(seconds.count)")
    }
    runs += zip(anchor, seconds)
    if let anchors {
      let lines = try textFile(anchors).split(separator: "\n", omittingEmptySubsequences: false)
      for (number, line) in lines.enumerated() where !line.isEmpty && !line.hasPrefix("#") {
        let parts = line.split(separator: ",", maxSplits: 1)
        guard parts.count == 2 else {
          throw CommandError(
            "\(anchors): line \(number + 1): expected a plan, a comma and its step")
        }
        let text = parts[1].drop { $0 == " " }
        runs.append(
          (String(parts[0]), try Self.seconds(String(text), of: "\(anchors): line \(number + 1):")))
      }
    }
    return (runs, nil)
  }

  private static func seconds(_ text: String, of option: String) throws(CommandError) -> Double {
    switch Seconds.parse(text) {
    case .value(let time) where time.value > 0: return time.value
    case .value: throw CommandError("\(option) \(text): must be above 0")
    case .refused(let rule): throw CommandError("\(option) \(text): \(rule)")
    }
  }

  /// What measured runs have taught.
  struct Learned: Sendable {
    var model = AnchoredModel()
    var anchors: [AnchoredFigures.Anchor] = []
    /// The plans that were measured.
    fileprivate var plans: [Plan] = []
    /// Bytes that the first anchor needed beyond its prediction.
    fileprivate(set) var memoryOffset: Int?

    /// The standard deviation of what the factors do not say of a plan.
    func error(of plan: Plan) -> Double {
      plans.contains { $0.hasLayout(of: plan) }
        ? AnchoredModel.sameLayoutDeviation : AnchoredModel.layoutDeviation
    }
  }

  /// What anchors teach of all plans of a search, which has none of its own that could have been measured.
  ///
  /// What a search lists of plan files' keys is not replaced in anchors.
  func learnedForSearch(in place: PlaceOptions) throws -> Learned {
    let (anchors, own) = try runs()
    guard own == nil else {
      throw CommandError("--measured is the step of an --anchor: a search has no plan of its own")
    }
    return try learned(from: anchors, in: place, [])
  }

  /// - Parameter overrides: what is replaced of anchors; nil for what `place` says of plans.
  private func learned(
    from runs: [(plan: String, seconds: Double)], in place: PlaceOptions, _ overrides: [String]?
  ) throws -> Learned {
    var learned = Learned()
    guard !runs.isEmpty else { return learned }
    let hosts = try Self.slowHosts(place)
    for (name, seconds) in runs {
      let scene = try place.scene(plan: name, overrides: overrides)
      let anchor = try scene.step()
      let known = try Self.sensitivity(
        of: anchor, scene.resolved().plan, scene.architecture, hosts: hosts)
      learned.model.learn(known, measured: seconds, error: AnchoredModel.layoutDeviation)
      learned.plans.append(anchor.placed.plan)
      learned.anchors.append(
        .init(plan: name, measuredSeconds: seconds, simulatedSeconds: known.step))
      if learned.memoryOffset == nil, let measuredMemory {
        learned.memoryOffset =
          try Self.bytes(measuredMemory) - Self.held(anchor.report(replaysAllocator: true))
      }
    }
    return learned
  }

  /// What the runs say of a step.
  func figures(
    of step: PlannedStep, _ report: StepReport, in scene: Scene, _ place: PlaceOptions
  ) throws -> AnchoredFigures {
    let (runs, own) = try runs()
    let sensitivity = try Self.sensitivity(
      of: step, scene.resolved().plan, scene.architecture, hosts: Self.slowHosts(place))
    var learned = try learned(from: runs, in: place, nil)
    if let own {
      learned.model.learn(sensitivity, measured: own, error: AnchoredModel.layoutDeviation)
      learned.plans.append(step.placed.plan)
    }
    var figures = AnchoredFigures(
      sensitivity, learned.model, error: learned.error(of: step.placed.plan),
      anchors: learned.anchors, measured: own, mfu: report.mfuCausal)
    figures.memoryOffsetBytes = learned.memoryOffset
    figures.memoryBytes = learned.memoryOffset.map { Self.held(report) + $0 }
    return figures
  }

  /// What the fullest rank takes of its device, reserve and all.
  static func held(_ report: StepReport) -> Int {
    (report.memory.reservation?.reserved ?? report.memory.peak) + report.memory.reserve
  }

  private static func bytes(_ text: String) throws(CommandError) -> Int {
    switch ByteCount.parse(text) {
    case .value(let size): return Int(size.bytes)
    case .refused(let rule): throw CommandError("--measured-memory \(text): \(rule)")
    }
  }

  /// By how much factors are moved.
  private static let growth = 1.05

  /// A cluster whose hosts take longer to launch.
  static func slowHosts(_ place: PlaceOptions) throws -> Cluster {
    let key = "device.launch.host"
    let cluster = try Cluster.named(place.cluster, overrides: place.own("cluster"))
    guard let fact = cluster.facts.first(where: { $0.path == key }),
      let value = scaled(fact.exact, by: growth)
    else { throw CommandError("\(cluster.name) has no \(key)") }
    return try Cluster.named(
      place.cluster, overrides: place.own("cluster") + ["\(key)=\(value)"])
  }

  /// The step with factors moved.
  ///
  /// - Parameters:
  ///   - plan: the plan of the step, its layout as counts.
  ///   - hosts: the cluster with slower hosts.
  static func sensitivity(
    of step: PlannedStep, _ plan: Plan, _ architecture: Architecture, hosts: Cluster
  ) throws -> StepSensitivity {
    let slow = try PlannedStep(architecture: architecture, cluster: hosts, plan: plan)
    return step.sensitivity(hosts: slow, growth: growth)
  }
}
