import ArgumentParser
import Clusters
import Documents
import Plans
import Planning
import Quantities
import Reports
import Simulation

/// Runs that were measured, from which factors of a system are inferred.
struct AnchorOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A plan whose step was measured on this cluster; may be repeated, each with its --measured.",
      valueName: "plan"),
    completion: .file(extensions: ["yaml", "yml"]))
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

  /// What the runs say of a step.
  func figures(
    of step: PlannedStep, _ report: StepReport, in scene: Scene, _ place: PlaceOptions
  ) throws -> AnchoredFigures {
    let (runs, own) = try runs()
    let sensitivity = try sensitivity(of: step, in: scene, place)
    var model = AnchoredModel()
    var anchors: [AnchoredFigures.Anchor] = []
    var isSameLayout = false
    var offset: Int?
    for (name, seconds) in runs {
      let scene = try place.scene(plan: name)
      let anchor = try scene.step()
      let known = try self.sensitivity(of: anchor, in: scene, place)
      model.learn(known, measured: seconds, error: AnchoredModel.layoutDeviation)
      isSameLayout = isSameLayout || anchor.placed.plan.hasLayout(of: step.placed.plan)
      anchors.append(
        .init(plan: name, measuredSeconds: seconds, simulatedSeconds: known.step))
      if offset == nil, let measuredMemory {
        offset = try Self.bytes(measuredMemory) - held(anchor.report(replaysAllocator: true))
      }
    }
    if let own {
      model.learn(sensitivity, measured: own, error: AnchoredModel.layoutDeviation)
      isSameLayout = true
    }
    var figures = AnchoredFigures(
      sensitivity, model,
      error: isSameLayout ? AnchoredModel.sameLayoutDeviation : AnchoredModel.layoutDeviation,
      anchors: anchors, measured: own, mfu: report.mfuCausal)
    figures.memoryOffsetBytes = offset
    figures.memoryBytes = offset.map { held(report) + $0 }
    return figures
  }

  /// What the fullest rank takes of its device, reserve and all.
  private func held(_ report: StepReport) -> Int {
    (report.memory.reservation?.reserved ?? report.memory.peak) + report.memory.reserve
  }

  private static func bytes(_ text: String) throws(CommandError) -> Int {
    switch ByteCount.parse(text) {
    case .value(let size): return Int(size.bytes)
    case .refused(let rule): throw CommandError("--measured-memory \(text): \(rule)")
    }
  }

  /// The step with factors moved: of the host's by a cluster whose hosts are slower.
  private func sensitivity(
    of step: PlannedStep, in scene: Scene, _ place: PlaceOptions
  ) throws -> StepSensitivity {
    let growth = 1.05
    let key = "device.launch.host"
    guard let fact = step.cluster.facts.first(where: { $0.path == key }),
      let value = scaled(fact.exact, by: growth)
    else { throw CommandError("\(step.cluster.name) has no \(key)") }
    let cluster = try Cluster.named(
      place.cluster, overrides: place.own("cluster") + ["\(key)=\(value)"])
    let hosts = try PlannedStep(
      architecture: scene.architecture, cluster: cluster, plan: try scene.resolved().plan)
    return step.sensitivity(hosts: hosts, growth: growth)
  }
}
