import Models
import Plans
import Programs
import Testing

/// What lives from an input half to its weight half.
@Suite struct WeightHalfTests {
  private static func setting(_ recomputation: Recomputation, tensor: Int) -> LoweringSetting {
    LoweringSetting(
      sequences: 1, sequenceLength: 8, tensor: tensor, sequenceParallel: tensor > 1,
      recipe: .bfloat16, target: .device, recomputation: recomputation, fusedHead: false)
  }

  /// Only what the weight half's operations and transfers read is alive between the halves: nothing that was
  /// computed again for the input half alone.
  @Test(arguments: TinyModels.all, [Recomputation.none, .full])
  func onlyOperandsWait(architecture: Architecture, recomputation: Recomputation) {
    for tensor in [1, 2] {
      let stage = StageProgram(
        units: architecture.units, of: architecture, Self.setting(recomputation, tensor: tensor))
      var alive: Set<BufferID> = []
      for program in [stage.forward, stage.backwardInput] {
        for step in program.steps {
          if case .acquire(let id) = step { alive.insert(id) }
          if case .release(let id) = step { alive.remove(id) }
        }
      }
      let weight = stage.backwardWeight
      var operands = Set(weight.operations.flatMap(\.operands))
      for step in weight.steps {
        if case .start(let index) = step {
          operands.formUnion(weight.transfers[Int(index)].operands)
        }
      }
      #expect(!alive.isEmpty)
      let idle = alive.subtracting(operands)
      #expect(idle.isEmpty, "\(idle.map { stage.buffers[Int($0.index)].name })")
    }
  }

  /// With sequence parallelism a weight half gathers the inputs of its products again, once each, so that
  /// the halves together keep a part where a whole backward gathers at once.
  @Test func gatheredInputsWaitInParts() {
    let architecture = TinyModels.llama()
    let stage = StageProgram(
      units: architecture.units, of: architecture, Self.setting(.none, tensor: 2))
    func gathers(_ program: Program) -> Int {
      program.steps.count { step in
        if case .start(let index) = step {
          return program.transfers[Int(index)].kind == .allGather(.tensor)
        }
        return false
      }
    }
    // Of each layer the inputs of attention and feed-forward block, and the head's.
    let inputs = 2 * architecture.layerCount + 1
    #expect(gathers(stage.backwardWeight) == inputs)
    #expect(gathers(stage.backwardInput) + inputs == gathers(stage.backward))
  }
}
