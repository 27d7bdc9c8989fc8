import Models

/// Which units each stage of a model holds.
public struct StageLayout: Hashable, Sendable {
  /// The units of each stage, in the order of the forward pass; never empty.
  public var stages: [[Unit]]

  /// Cuts the units of a model into consecutive stages of the given sizes.
  ///
  /// - Throws: `PlanError` if a size is not positive or the sizes do not add up to the units.
  public init(unitCounts: [Int], of architecture: Architecture) throws(PlanError) {
    let units = architecture.units
    guard unitCounts.allSatisfy({ $0 > 0 }) else { throw .emptyStage(unitCounts) }
    let sum = unitCounts.reduce(0) { $0.addingReportingOverflow($1).partialValue }
    guard unitCounts.allSatisfy({ $0 <= units.count }), sum == units.count else {
      throw .layoutDoesNotAddUp(
        key: "units-per-stage", sum: sum, expected: units.count,
        what: "units (embedding, \(architecture.layerCount) layers, head"
          + "\(architecture.multiTokenPrediction > 0 ? ", prediction modules" : ""))")
    }
    stages = []
    var first = 0
    for count in unitCounts {
      stages.append(Array(units[first..<first + count]))
      first += count
    }
  }

  /// Puts the given number of layers on each stage, the embedding on the first one, head and
  /// prediction modules on the last.
  ///
  /// The first and the last stage may hold no layer, all others must.
  public init(layerCounts: [Int], of architecture: Architecture) throws(PlanError) {
    let sum = layerCounts.reduce(0) { $0.addingReportingOverflow($1).partialValue }
    guard layerCounts.allSatisfy({ 0...architecture.layerCount ~= $0 }),
      sum == architecture.layerCount, !layerCounts.isEmpty
    else {
      throw .layoutDoesNotAddUp(
        key: "layers-per-stage", sum: sum, expected: architecture.layerCount, what: "layers")
    }
    var counts = layerCounts
    counts[0] += 1
    counts[counts.count - 1] += 1 + architecture.multiTokenPrediction
    try self.init(unitCounts: counts, of: architecture)
  }

  /// Spreads layers as evenly as they divide.
  ///
  /// Where they do not divide, the last stage takes one layer fewer, then the first, then the one
  /// before the last and so on inwards: the ends also hold head and embedding. With more stages
  /// than layers the head gets a stage of its own, then the embedding, then prediction modules.
  public init(evenly stageCount: Int, of architecture: Architecture) throws(PlanError) {
    let units = architecture.units.count
    guard stageCount > 0, stageCount <= units else {
      throw .moreStagesThanUnits(
        stages: stageCount, units: units, layers: architecture.layerCount,
        predictionModules: architecture.multiTokenPrediction)
    }
    let layers = architecture.layerCount
    guard stageCount > layers else {
      try self.init(
        layerCounts: Self.evenCounts(of: layers, over: stageCount), of: architecture)
      return
    }
    // One unit a stage from the front; what is left joins the last stage.
    var counts = [Int](repeating: 1, count: stageCount)
    counts[stageCount - 1] += units - stageCount
    if stageCount == layers + 1 {
      // One stage more than layers: it goes to the head, which is dearer than the embedding.
      counts[0] += 1
      counts[stageCount - 1] -= 1
    }
    try self.init(unitCounts: counts, of: architecture)
  }

  /// Counts that differ by one at most; the short ones lie at the ends, the last first.
  static func evenCounts(of layers: Int, over stages: Int) -> [Int] {
    let short = (stages - layers % stages) % stages
    var counts = [Int](repeating: (layers + stages - 1) / stages, count: stages)
    for index in 0..<short {
      counts[index % 2 == 0 ? stages - 1 - index / 2 : index / 2] -= 1
    }
    return counts
  }
}

extension StageLayout {
  /// The stage that holds a unit; nil if the model has no such unit.
  public func stage(of unit: Unit) -> Int? {
    stages.firstIndex { $0.contains(unit) }
  }

  /// The layers of a stage, by number.
  public func layers(ofStage stage: Int) -> [Int] {
    stages[stage].compactMap { if case .layer(let index) = $0 { index } else { nil } }
  }

  /// Layers on each stage.
  public var layerCounts: [Int] { stages.indices.map { layers(ofStage: $0).count } }
}
