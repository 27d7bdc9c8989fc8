import Testing
import Validation

/// The parts as they ship, each computed once for all tests.
enum Computed {
  private static let deepSeek = Result { try ValidationReport(parts: ["deepseek-v3"]) }
  private static let schedules = Result { try ValidationReport(parts: ["schedules"]) }
  private static let zeroBubble = Result { try ValidationReport(parts: ["zero-bubble"]) }
  private static let megatron = Result { try ValidationReport(parts: ["megatron"]) }
  private static let vTrain = Result { try ValidationReport(parts: ["vtrain"]) }
  private static let recipes = Result { try ValidationReport(parts: ["nvidia-recipes"]) }
  private static let megatronCore = Result { try ValidationReport(parts: ["megatron-core"]) }
  private static let mixtures = Result { try ValidationReport(parts: ["mixtures"]) }
  private static let torchTitan = Result { try ValidationReport(parts: ["torchtitan"]) }
  private static let fsdp = Result { try ValidationReport(parts: ["fsdp"]) }
  private static let long = Result { try ValidationReport(parts: ["long-sequences"]) }
  private static let memory = Result { try ValidationReport(parts: ["memory"]) }
  private static let serving = Result { try ValidationReport(parts: ["serving"]) }
  private static let others = Result { try ValidationReport(parts: ["activations", "components"]) }

  /// The report with the part of that name.
  static func report(_ part: String) throws -> ValidationReport {
    switch part {
    case "deepseek-v3": try deepSeek.get()
    case "schedules": try schedules.get()
    case "zero-bubble": try zeroBubble.get()
    case "megatron": try megatron.get()
    case "vtrain": try vTrain.get()
    case "nvidia-recipes": try recipes.get()
    case "megatron-core": try megatronCore.get()
    case "mixtures": try mixtures.get()
    case "torchtitan": try torchTitan.get()
    case "fsdp": try fsdp.get()
    case "long-sequences": try long.get()
    case "memory": try memory.get()
    case "serving": try serving.get()
    default: try others.get()
    }
  }

  static func table(_ name: String, of part: String) throws -> ValidationTable {
    try #require(try report(part).tables.first { $0.name == name }, "\(name)")
  }
}

extension ValidationTable {
  /// The row of that name, counted or derived.
  func row(_ name: String) throws -> ValidationRow {
    try #require((rows + derivedRows).first { $0.name == name }, "\(name)")
  }

  /// The error of a row, with its sign.
  func error(_ name: String) throws -> Double { try #require(try row(name).error, "\(name)") }
}
