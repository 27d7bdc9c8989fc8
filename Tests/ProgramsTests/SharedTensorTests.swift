import Models
import Programs
import Testing

/// A tensor with several uses is held once on a device's rank, with one gradient.
@Suite struct SharedTensorTests {
  private static func setting(_ target: Target, zero: Int = 1) -> LoweringSetting {
    LoweringSetting(
      sequences: 1, sequenceLength: 8, target: target, fusedHead: target == .cpuRank,
      zeroStage: zero, gradientCopies: 2, expertCopies: 2)
  }

  private static func bytes(
    _ held: [(stage: Int, buffer: BufferID)], _ stages: [StageProgram], _ use: Buffer.Use
  ) -> Int {
    held.reduce(0) { sum, place in
      let buffer = stages[place.stage].buffers[Int(place.buffer.index)]
      guard buffer.use == use, case .fixed(let rows) = buffer.rows else { return sum }
      return sum + rows * buffer.bytesPerRow
    }
  }

  /// The head and the prediction module's head on one stage add up in one gradient, of which a step has one
  /// norm; a CPU rank keeps a sum for each use.
  @Test func headsOfAStageShareTheirGradient() {
    let architecture = TinyModels.deepSeek()
    let units = Array(architecture.units.suffix(3))
    for (target, sums) in [(Target.device, 1), (.cpuRank, 2)] {
      let stage = StageProgram(units: units, of: architecture, Self.setting(target))
      let heads = stage.parameters.filter { $0.gradientGroup == .sharedHead }
      #expect(heads.count == 2)
      #expect(Set(heads.map(\.buffer)).count == 1)
      #expect(Set(heads.map(\.gradient)).count == sums)
      let segment = stage.segments.first { $0.group == .sharedHead }
      #expect(segment?.parameters.count == sums)
    }
  }

  /// Where the first and the last stage lie on one rank, embedding and head are there once, whether the
  /// module behind the head has its own use of the embedding or the head is the embedding.
  @Test(arguments: [TinyModels.deepSeek(), TinyModels.gpt2()])
  func aRankHoldsASharedTensorOnce(architecture: Architecture) {
    let units = architecture.units
    let layouts = [[Array(units[..<2]), Array(units[2...])], [units]]
    let elements = architecture.parameterCounts(of: .embedding).total
    let positions = architecture.position == .learned ? architecture.maximumPositions : 0
    let table = (elements / architecture.hiddenSize - positions) * architecture.hiddenSize
    for (target, copies) in [(Target.device, 1), (.cpuRank, 2)] {
      let made = layouts.map { layout in
        layout.map { StageProgram(units: $0, of: architecture, Self.setting(target)) }
      }
      for use in [Buffer.Use.parameter, .gradient] {
        let apart = Self.bytes(
          StageProgram.held(by: [0, 1], of: made[0]), made[0], use)
        let alone = (0..<2).reduce(0) {
          $0 + Self.bytes(StageProgram.held(by: [$1], of: made[0]), made[0], use)
        }
        let size = made[0][0].buffers.first { $0.use == use }.map { $0.bytesPerRow / $0.columns }
        #expect(alone - apart == (2 - copies) * table * (size ?? 0))
        if target == .device {
          #expect(apart == Self.bytes(StageProgram.held(by: [0], of: made[1]), made[1], use))
        }
      }
    }
  }
}
