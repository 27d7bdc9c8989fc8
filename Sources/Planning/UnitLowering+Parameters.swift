import Models
import Programs

/// What a unit's parameters take on a rank.
extension UnitLowering {
  /// What parameters of all units take.
  func parameters(
    _ programs: inout UnitPrograms
  ) -> (dense: ParameterCost, experts: ParameterCost) {
    var known: [UnitPrograms.Shape: UnitCost] = [:]
    return architecture.units.reduce((ParameterCost(), ParameterCost())) { sum, unit in
      let shape = programs.shape(of: unit)
      var own = known[shape] ?? UnitCost()
      if known[shape] == nil {
        _ = addParameters(of: programs.stage([unit], setting), unit, to: &own)
        known[shape] = own
      }
      return (sum.0 + own.dense, sum.1 + own.experts)
    }
  }

  /// Adds what the unit's parameters take; gives the share of those to be updated that are its own.
  ///
  /// A tensor with several uses counts with one of them: a stage that has several holds it once.
  func addParameters(
    of stage: StageProgram, _ unit: Unit, to cost: inout UnitCost
  ) -> Double {
    func bytes(_ id: BufferID) -> Double {
      let buffer = stage.buffers[Int(id.index)]
      guard buffer.scope == .stage, case .fixed(let rows) = buffer.rows else { return 0 }
      return Double(rows * buffer.bytesPerRow)
    }
    let own = stage.parameters.filter { parameter in
      guard parameter.isShared else { return true }
      return parameter.gradientGroup == .sharedHead ? unit == .head : unit == .embedding
    }
    let trained = stage.parameters.reduce(0.0) { $0 + ($1.isTrained ? Double($1.elements) : 0) }
    var state = 0.0
    for buffer in stage.buffers where buffer.scope == .stage && buffer.use == .optimizer {
      if case .fixed(let rows) = buffer.rows { state += Double(rows * buffer.bytesPerRow) }
    }
    // What all stages that use a tensor hold of its state may be divided among them.
    func uses(of parameter: StageParameter) -> Double {
      guard parameter.isShared else { return 1 }
      let units =
        parameter.gradientGroup == .sharedHead ? architecture.headUses : architecture.embeddingUses
      return Double(max(1, units.count))
    }
    for parameter in own {
      let elements = parameter.isTrained ? Double(parameter.elements) : 0
      let part = ParameterCost(
        elements: elements, parameterBytes: bytes(parameter.buffer),
        gradientBytes: parameter.isTrained ? bytes(parameter.gradient) : 0,
        optimizerBytes: trained > 0 ? state * elements / trained / uses(of: parameter) : 0)
      if parameter.isExpert {
        cost.experts = cost.experts + part
      } else {
        cost.dense = cost.dense + part
      }
    }
    // Copies in other formats that products read.
    let places = Set(stage.parameters.map(\.buffer))
    for (index, buffer) in stage.buffers.enumerated()
    where buffer.scope == .stage && buffer.use == .parameter && !places.contains(BufferID(index)) {
      cost.dense.parameterBytes += bytes(BufferID(index))
    }
    guard trained > 0 else { return 1 }
    return own.reduce(0.0) {
      $0 + ($1.isTrained ? Double($1.elements) / uses(of: $1) : 0)
    } / trained
  }
}
