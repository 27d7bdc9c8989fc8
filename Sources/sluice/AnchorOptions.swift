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

  /// A step that was measured.
  private struct Run {
    var plan: String
    var step: MeasuredStep
    /// Where it was named.
    var place: String

    /// What is wrong with its plan, with where that was named.
    func failure(_ error: any Error) -> any Error {
      if let error = error as? PlanError { return CommandError("\(place): \(error)") }
      guard var error = error as? ConfigurationError, error.file == plan else { return error }
      error.file = place
      return error
    }
  }

  /// What was measured, and how it was given.
  private struct MeasuredStep {
    var seconds: Double
    var given: String

    init(_ text: String, of option: String) throws(CommandError) {
      given = "\(option) \(text)"
      switch Seconds.parse(text) {
      case .value(let time) where time.value > 0: seconds = time.value
      case .value: throw CommandError("\(given): must be above 0")
      case .refused(let rule): throw CommandError("\(given): \(rule)")
      }
    }

    /// How many times as long as a step is simulated none of its kind takes.
    private static let most = 30.0

    /// Refuses a step in which devices would have done more than they can, and one so long that it is no step of
    /// the plan.
    func checkPossible(_ report: StepReport) throws(CommandError) {
      guard seconds <= Self.most * report.stepSeconds else {
        throw CommandError(
          "\(given): is more than \(Int(Self.most)) times the \(Seconds(report.stepSeconds)) that "
            + "\(report.plan) is simulated to take: no step of this plan on this cluster, or another unit"
        )
      }
      guard seconds < report.leastStepSeconds else { return }
      throw CommandError(
        "\(given): is shorter than the \(Seconds(report.leastStepSeconds)) that the arithmetic of "
          + "\(report.plan) takes at the devices' peak of \(FLOPsPerSecond(report.fastestPeakFLOPs))"
      )
    }
  }

  /// Measured runs; of the plan itself where none is named.
  private func runs() throws -> (anchors: [Run], own: MeasuredStep?) {
    let measured = try measured.map { try MeasuredStep($0, of: "--measured") }
    if anchor.isEmpty, anchors == nil {
      guard measuredMemory == nil else {
        throw CommandError("--measured-memory is that of an --anchor")
      }
      guard measured.count < 2 else {
        throw CommandError("\(measured.count) --measured need as many --anchor")
      }
      return ([], measured.first)
    }
    guard measured.count == anchor.count else {
      throw CommandError(
        "every --anchor needs a --measured: there are \(anchor.count) and \(measured.count)")
    }
    let named = zip(anchor, measured).map { Run(plan: $0, step: $1, place: "--anchor \($0)") }
    return (try named + (anchors.map { try Self.runs(of: $0) } ?? []), nil)
  }

  /// The runs of a table, a line each; `#` begins a comment.
  private static func runs(of table: String) throws -> [Run] {
    var runs: [Run] = []
    let lines = try textFile(table).split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() where !line.isEmpty && !line.hasPrefix("#") {
      let place = "\(table): line \(number + 1):"
      let parts = line.split(separator: ",", maxSplits: 1)
      guard parts.count == 2 else {
        throw CommandError("\(place) expected a plan, a comma and its step")
      }
      let text = String(parts[1].drop { $0 == " " })
      runs.append(
        Run(
          plan: String(parts[0]), step: try MeasuredStep(text, of: place),
          place: "\(place) \(parts[0])"))
    }
    guard !runs.isEmpty else {
      throw ConfigurationError(file: table, rule: "holds no measured run")
    }
    return runs
  }

  /// What measured runs have taught.
  struct Learned: Sendable {
    var model = AnchoredModel()
    var anchors: [AnchoredFigures.Anchor] = []
    /// A plan of each layout that was measured.
    private var layouts: [Plan] = []
    /// What the first anchor needed, and what was predicted of it, bytes.
    fileprivate var memory: (measured: Int, predicted: Int)?

    /// Bytes that the first anchor needed beyond its prediction.
    var memoryOffset: Int? { memory.map { $0.measured - $0.predicted } }

    /// What a plan needs that is predicted to need so many bytes: as much more as the anchor, or its share.
    func memory(of predicted: Int) -> Int? {
      memory.map { anchor in
        anchor.measured >= anchor.predicted
          ? predicted + anchor.measured - anchor.predicted
          : Int(Double(predicted) * Double(anchor.measured) / Double(anchor.predicted))
      }
    }

    /// The number of a plan's layout; nil where it was not measured.
    func layout(of plan: Plan) -> Int? { layouts.firstIndex { $0.hasLayout(of: plan) } }

    fileprivate mutating func learn(_ step: StepSensitivity, of plan: Plan, measured: Double) {
      let layout = layout(of: plan)
      if layout == nil { layouts.append(plan) }
      model.learn(step, measured: measured, layout: layout ?? layouts.count - 1)
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
    from runs: [Run], in place: PlaceOptions, _ overrides: [String]?
  ) throws -> Learned {
    var learned = Learned()
    guard !runs.isEmpty else { return learned }
    let hosts = try Self.slowHosts(place)
    for run in runs {
      do { try learn(run, in: place, overrides, hosts: hosts, &learned) } catch {
        throw run.failure(error)
      }
    }
    return learned
  }

  private func learn(
    _ run: Run, in place: PlaceOptions, _ overrides: [String]?, hosts: Cluster,
    _ learned: inout Learned
  ) throws {
    let scene = try place.scene(plan: run.plan, overrides: overrides)
    let anchor = try scene.step()
    let asksMemory = learned.memory == nil && measuredMemory != nil
    let report = anchor.report(replaysAllocator: asksMemory)
    try run.step.checkPossible(report)
    let known = try Self.sensitivity(
      of: anchor, scene.resolved().plan, scene.architecture, hosts: hosts)
    learned.learn(known, of: anchor.placed.plan, measured: run.step.seconds)
    learned.anchors.append(
      .init(plan: run.plan, measuredSeconds: run.step.seconds, simulatedSeconds: known.step))
    if asksMemory, let measuredMemory {
      learned.memory = (try Self.bytes(measuredMemory, of: report, scene), Self.held(report))
    }
  }

  /// What the runs say of a step.
  func figures(
    of step: PlannedStep, _ report: StepReport, in scene: Scene, _ place: PlaceOptions
  ) throws -> AnchoredFigures {
    let (runs, own) = try runs()
    try own?.checkPossible(report)
    let sensitivity = try Self.sensitivity(
      of: step, scene.resolved().plan, scene.architecture, hosts: Self.slowHosts(place))
    var learned = try learned(from: runs, in: place, nil)
    if let own { learned.learn(sensitivity, of: step.placed.plan, measured: own.seconds) }
    var figures = AnchoredFigures(
      sensitivity, learned.model, layout: learned.layout(of: step.placed.plan),
      anchors: learned.anchors, measured: own?.seconds, mfu: report.mfuCausal)
    figures.memoryOffsetBytes = learned.memoryOffset
    figures.memoryBytes = learned.memory(of: Self.held(report))
    return figures
  }

  /// What the fullest rank takes of its device, reserve and all.
  static func held(_ report: StepReport) -> Int {
    (report.memory.reservation?.reserved ?? report.memory.peak) + report.memory.reserve
  }

  /// What was measured of a step's memory, which is no more than the device has and no less than half of what is
  /// simulated.
  private static func bytes(
    _ text: String, of report: StepReport, _ scene: Scene
  ) throws(CommandError) -> Int {
    let measured: Int
    switch ByteCount.parse(text) {
    case .value(let size): measured = Int(size.bytes)
    case .refused(let rule): throw CommandError("--measured-memory \(text): \(rule)")
    }
    let device = Int(scene.cluster.device.memory.size.value.bytes)
    guard measured <= device else {
      throw CommandError(
        "--measured-memory \(text): is more than the \(ByteCount(device)) of \(scene.cluster.name)'s "
          + "device")
    }
    guard 2 * measured >= held(report) else {
      throw CommandError(
        "--measured-memory \(text): is less than half of the \(ByteCount(held(report))) that "
          + "\(report.plan) is simulated to need: not of this plan, or another unit")
    }
    return measured
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
