import Documents
import Foundation
import Quantities
import Schedules

/// Reads a plan from the outermost table of its file, or from a table inside a run file.
struct PlanReader {
  let table: Table
  /// The folder that relative paths inside the plan start from; nil for the working directory.
  let folder: String?
  var plan = Plan()

  static let degrees = 1...(1 << 20)

  init(table: Table, name: String, folder: String?) {
    self.table = table
    self.folder = folder
    plan.name = name
  }

  /// The plan, its omitted degrees worked out from `world`.
  mutating func read(world: World) throws(ConfigurationError) -> Plan {
    plan.name = try table.value("name", .string, default: plan.name)
    plan.source = try table.optional("source", .string)
    try readDegrees(world)
    try readSchedule()
    try readBatch()
    try readMemory()
    try readLayout()
    try readCommunication()
    try readExperts()
    return plan
  }

  private mutating func readBatch() throws(ConfigurationError) {
    let counts = Expected.integer(in: 1...(1 << 30))
    plan.microbatchSize = try table.value(
      "microbatch-size", .integer(in: Self.degrees), default: 1)
    plan.globalBatch = try table.required("global-batch", counts)
    plan.sequenceLength = try table.required("sequence-length", .integer(in: 1...(1 << 24)))
    plan.gradientLanes = try table.optional("gradient-lanes", .integer(in: Self.degrees))
  }

  private mutating func readSchedule() throws(ConfigurationError) {
    let name = try table.optional("schedule", .string)
    if let path = try table.optional("schedule-file", .string) {
      if name != nil {
        throw table.error("schedule and schedule-file exclude each other", at: "schedule-file")
      }
      plan.schedule = .file(absolute(path))
    } else if let name {
      let names = ScheduleName.allCases.map(\.rawValue)
      guard names.contains(name) else {
        throw table.error(
          "expected one of \(names.joined(separator: ", "))", at: "schedule",
          suggestion: nearestName(to: name, among: names))
      }
      plan.schedule = .named(name)
    }
    plan.stagesPerRank = try table.value(
      "stages-per-rank", .integer(in: 1...4096), default: plan.usualStagesPerRank)
    plan.passTimes = try readPassTimes()
    plan.sendMode = try table.optional("send-mode", .choice(Plan.SendMode.self))
    plan.scattersPipelineSends = try table.value(
      "scatter-pipeline-sends", .boolean, default: plan.scattersPipelineSends)
    guard !plan.scattersPipelineSends || (plan.tensorParallel > 1 && !plan.sequenceParallel) else {
      throw table.error(
        "only ranks of a tensor-parallel group without sequence-parallel hold the same activations",
        at: "scatter-pipeline-sends")
    }
  }

  private func readPassTimes() throws(ConfigurationError) -> PassCosts? {
    guard let times = try table.optionalTable("pass-times") else { return nil }
    func microseconds(_ key: String, from least: Int) throws(ConfigurationError) -> Int {
      let time = try times.required(
        key, .quantity(in: Seconds(Double(least) * 1e-6)...Seconds(1000)))
      return Int((time.value * 1e6).rounded())
    }
    return PassCosts(
      forward: try microseconds("forward", from: 1),
      backwardInput: try microseconds("backward-input", from: 1),
      backwardWeight: try microseconds("backward-weight", from: 1),
      transfer: try microseconds("transfer", from: 0))
  }

  private mutating func readMemory() throws(ConfigurationError) {
    let stage = try table.value("zero-stage", .integer(in: 0...3), default: 0)
    plan.zeroStage = Plan.ZeROStage(rawValue: stage) ?? .nothing
    plan.precision = try readPrecision()
    plan.library = try readLibrary()
    plan.recomputation = try readRecomputation()
  }

  private func readRecomputation() throws(ConfigurationError) -> Recomputation {
    guard let field = table.field("recompute"), !field.isNull else { return .none }
    if field.isList {
      let chosen = try table.required(
        "recompute", .list(of: .choice(Recomputation.Module.self)))
      guard Set(chosen).count == chosen.count else {
        throw table.error("names a part twice", at: "recompute")
      }
      return .modules(Recomputation.Module.allCases.filter(chosen.contains))
    }
    switch try table.required("recompute", .choice(Recomputation.Extent.self)) {
    case .none: return .none
    case .full: return .full
    case .selective: return .selective
    }
  }

  private mutating func readLayout() throws(ConfigurationError) {
    let counts = Expected.list(of: .integer(in: 0...(1 << 16)), count: 1...(1 << 16))
    if let field = table.field("units-per-stage"), !field.isNull {
      if table.contains("layers-per-stage") {
        throw table.error(
          "layers-per-stage and units-per-stage exclude each other", at: "units-per-stage")
      }
      guard field.isList else {
        _ = try table.required("units-per-stage", .choice(Plan.UnitLayoutName.self))
        plan.layout = .evenUnits
        return
      }
      plan.layout = .units(try table.required("units-per-stage", counts))
      return
    }
    guard let field = table.field("layers-per-stage"), !field.isNull else { return }
    if field.isList {
      plan.layout = .layers(try table.required("layers-per-stage", counts))
      return
    }
    switch try table.required("layers-per-stage", .choice(Plan.LayoutName.self)) {
    case .even: plan.layout = .even
    case .balanced: plan.layout = .balanced
    }
  }

  private mutating func readCommunication() throws(ConfigurationError) {
    let multiprocessors = Expected.integer(in: 0...4096)
    plan.communicationSMs = try table.value("communication-sms", multiprocessors, default: 0)
    plan.computationSMs = try table.optional("computation-sms", .integer(in: 1...4096))
    plan.fusedAttention = try table.value("fused-attention", .boolean, default: true)
    plan.fusedHead = try table.optional("fused-head", .boolean)
    plan.fusedLoss = try table.value("fused-loss", .boolean, default: true)
    guard plan.fusedLoss || plan.fusedHead != true else {
      throw table.error("a fused head holds its loss, which cannot be unfused", at: "fused-loss")
    }
    plan.dropout = try table.value("dropout", .boolean, default: false)
    plan.collectiveAlgorithm = try table.optional(
      "collective-algorithm", .choice(Plan.CollectiveAlgorithm.self))
    guard let kinds = try table.optionalTable("overlap") else { return }
    for (key, path) in Plan.Overlap.keys {
      plan.overlap[keyPath: path] = try kinds.value(
        key, .boolean, default: plan.overlap[keyPath: path])
    }
  }

  private mutating func readExperts() throws(ConfigurationError) {
    plan.nodesPerToken = try table.optional("nodes-per-token", .integer(in: Self.degrees))
    guard let field = table.field("expert-load"), !field.isNull else { return }
    guard field.isTable else {
      _ = try table.required("expert-load", .choice(Plan.PlainLoad.self))
      plan.expertLoad = .balanced
      return
    }
    let load = try table.table("expert-load")
    let file = try load.optional("counts", .string)
    let deviation = try load.optional("deviation", .fraction)
    let seed = try load.optional("seed", .integer())
    switch (file, deviation) {
    case (let file?, nil) where seed == nil: plan.expertLoad = .counts(file: absolute(file))
    case (nil, let deviation?):
      plan.expertLoad = .deviation(deviation, seed: UInt64(seed ?? 0))
    default: throw load.error("expected either `counts`, or `deviation` with its `seed`")
    }
  }

  private func absolute(_ path: String) -> String {
    guard let folder, !path.hasPrefix("/") else { return path }
    return URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true))
      .standardizedFileURL.path
  }
}

extension Recomputation {
  /// The words for how much is recomputed where no parts are listed.
  enum Extent: String, CaseIterable { case none, full, selective }
}

extension Plan {
  /// The words for layouts without counts.
  enum LayoutName: String, CaseIterable { case even, balanced }

  /// The word for units that are spread without counts.
  enum UnitLayoutName: String, CaseIterable { case even }

  /// The words for expert loads without numbers.
  enum PlainLoad: String, CaseIterable { case balanced }
}

extension Plan.Overlap {
  /// The settings by their keys in plan files.
  static var keys: [(key: String, path: WritableKeyPath<Plan.Overlap, Bool>)] {
    [
      ("pipeline-sends", \.pipelineSends), ("expert-exchange", \.expertExchange),
      ("gradient-reduction", \.gradientReduction), ("parameter-gather", \.parameterGather),
      ("tensor-exchange", \.tensorExchange),
    ]
  }
}
