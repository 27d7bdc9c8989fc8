import Models
import Plans
import Programs
import Testing

/// What stages tell each other of routers that one loss over all layers trains lies behind their rows.
@Suite struct CarriedBalanceTests {
  private static func stages(
    _ balance: Double, sequences: Int = 1, target: Target = .cpuRank, _ purpose: Purpose = .training
  ) throws -> [StageProgram] {
    var architecture = TinyModels.deepSeek(layers: 4, prediction: 0)
    architecture.joinedBalance = balance
    var plan = Plan()
    (plan.sequenceLength, plan.microbatchSize, plan.pipelineParallel) = (8, sequences, 2)
    plan.precision = target == .cpuRank ? .float32 : .bfloat16
    let layout = try StageLayout(evenly: 2, of: architecture)
    var setting = LoweringSetting(plan, layout, of: architecture, target: target)
    setting.purpose = purpose
    return layout.stages.map { StageProgram(units: $0, of: architecture, setting) }
  }

  private static func rows(_ id: BufferID?, of stage: StageProgram) throws -> Int {
    let buffer = stage.buffers[Int(try #require(id).index)]
    guard case .fixed(let count) = buffer.rows else { return -1 }
    return count
  }

  /// 8 experts: 8 · 12 + 4 = 100 bytes in rows of 32 columns, of 128 bytes or of 64.
  @Test(arguments: [(Target.cpuRank, 1), (.device, 2)])
  func bothDirectionsHaveRowsMore(target: Target, more: Int) throws {
    for sequences in [1, 3] {
      let (plain, carrying) = (
        try Self.stages(0, sequences: sequences, target: target),
        try Self.stages(0.01, sequences: sequences, target: target)
      )
      let boundaries: [(KeyPath<StageProgram, BufferID?>, Int)] = [
        (\.output, 0), (\.input, 1), (\.inputGradient, 1), (\.outputGradient, 0),
      ]
      for (boundary, stage) in boundaries {
        let rows = try [plain, carrying].map {
          try Self.rows($0[stage][keyPath: boundary], of: $0[stage])
        }
        #expect(rows == [8 * sequences, 8 * sequences + more])
      }
      // Nothing else changes.
      #expect(zip(plain, carrying).allSatisfy { $0.forward == $1.forward })
      #expect(zip(plain, carrying).allSatisfy { $0.backward == $1.backward })
    }
  }

  /// A forward alone trains nobody.
  @Test func evaluationCarriesNothing() throws {
    #expect(try Self.stages(0.01, .evaluation) == Self.stages(0, .evaluation))
  }

  /// Without experts there is nothing to tell.
  @Test func denseModelsCarryNothing() {
    var architecture = TinyModels.llama()
    architecture.joinedBalance = 0.01
    #expect(architecture.carriedBalanceBytes == 0)
  }
}
