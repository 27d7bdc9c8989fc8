import Models
import Plans
import Programs
import Testing

/// Reductions that start inside of the last backward, bucket by bucket.
@Suite struct ClosingPassTests {
  private func stage(
    bucket: Int?, zero: Int = 1, target: Target = .device, recipe: Recipe = .bfloat16
  ) -> StageProgram {
    let model = TinyModels.deepSeek()
    var setting = LoweringSetting(
      sequences: 1, sequenceLength: 8, recipe: recipe, target: target, fusedHead: false,
      zeroStage: zero, gradientCopies: 4, expertCopies: 2)
    setting.bucketElements = bucket
    return StageProgram(units: model.units, of: model, setting)
  }

  private func reduced(_ stage: StageProgram) -> Int {
    stage.reduce.transfers.reduce(0) { sum, transfer in
      guard case .fixed(let rows) = transfer.rows else { return sum }
      return sum + rows * transfer.bytesPerRow
    }
  }

  /// However the gradients are divided, every parameter is in one bucket and all bytes are sent once.
  @Test(arguments: [1, 500, 2000, 10_000, 1 << 30], [0, 1])
  func bucketsHoldEveryGradientOnce(bucket: Int, zero: Int) {
    let whole = stage(bucket: nil, zero: zero)
    let divided = stage(bucket: bucket, zero: zero)
    #expect(reduced(divided) == reduced(whole))
    let members = divided.segments.flatMap(\.parameters)
    #expect(Set(members).count == members.count)
    #expect(Set(members) == Set(whole.segments.flatMap(\.parameters)))
    #expect(
      divided.segments.reduce(0) { $0 + $1.elements }
        == whole.segments.reduce(0) { $0 + $1.elements })
    #expect(bucket < 1 << 30 || divided.segments.count == whole.segments.count)
    let alone = divided.segments.filter { !$0.isShared }
    #expect(bucket > 1 || alone.allSatisfy { $0.parameters.count == 1 })
    // All but the last of a group are full.
    for group in Set(alone.map(\.group)) {
      let own = alone.filter { $0.group == group }
      #expect(own.dropLast().allSatisfy { $0.elements >= bucket })
    }
  }

  /// Each reduction starts once, behind the last step that writes what it reads, and nothing else changes.
  @Test(arguments: [500, 4000]) func reductionsStartWhenTheirGradientsAreComplete(bucket: Int) {
    let stage = stage(bucket: bucket)
    for (closing, plain) in [
      (stage.closingBackward, stage.backward),
      (stage.closingBackwardWeight, stage.backwardWeight),
    ] {
      let rest = closing.steps.filter { if case .reduce = $0 { false } else { true } }
      #expect(rest == plain.steps)
      var started: [Int] = []
      for (place, step) in closing.steps.enumerated() {
        guard case .reduce(let part) = step else { continue }
        started.append(Int(part))
        let gradients = stage.segments[Int(part)].parameters.map { stage.parameters[$0].gradient }
        for later in closing.steps[place...] {
          guard case .compute(let index) = later else { continue }
          let outputs = closing.operations[Int(index)].outputs
          #expect(gradients.allSatisfy { !outputs.contains($0) })
        }
      }
      #expect(started == Array(stage.segments.indices))
    }
    // The last layers' gradients are complete first: the first bucket starts well before the end.
    let first = stage.closingBackward.steps.firstIndex {
      if case .reduce = $0 { true } else { false }
    }
    #expect((first ?? .max) < stage.closingBackward.steps.count * 2 / 3)
  }

  /// The steps of a stage's reductions belong to its buckets, one after the other.
  @Test func partsAreWholePrograms() {
    var narrow = PrecisionRecipe.bfloat16
    narrow.gradientReduction = .bfloat16
    for recipe in [Recipe.bfloat16, Recipe(narrow)] {
      let stage = stage(bucket: 1000, recipe: recipe)
      #expect(stage.reductionParts.count == stage.segments.count)
      #expect(stage.reductionParts.flatMap { Array($0) } == Array(stage.reduce.steps.indices))
    }
  }

  /// Gradients are reduced where they lie: a second copy of them is held nowhere, unless they travel in
  /// another format.
  @Test(arguments: [0, 1]) func reductionsHappenInPlace(zero: Int) {
    let stage = stage(bucket: nil, zero: zero)
    #expect(!stage.buffers.contains { $0.scope == .stage && $0.use == .communication })
    for transfer in stage.reduce.transfers {
      #expect(
        transfer.operands[..<transfer.outputCount] == transfer.operands[transfer.outputCount...])
    }
    var narrow = PrecisionRecipe.bfloat16
    narrow.gradientReduction = .bfloat16
    // Only shards of sums have a place of their own.
    let converted = self.stage(bucket: nil, zero: zero, recipe: Recipe(narrow))
    #expect(
      converted.buffers.contains { $0.scope == .stage && $0.use == .communication } == (zero > 0))
  }

  /// Of gradients in another format than their reduction's, two buckets have a copy at a time, each read by its
  /// reduction and, where every copy updates all, written back.
  @Test(arguments: [0, 1], [Optional(1000), 100_000, nil])
  func bucketsUnderWayHaveCopies(zero: Int, bucket: Int?) throws {
    var narrow = PrecisionRecipe.bfloat16
    narrow.gradients = .bfloat16
    let stage = stage(bucket: bucket, zero: zero, recipe: Recipe(narrow))
    func bytes(_ ids: Set<BufferID>) -> Int {
      ids.reduce(0) { sum, id in
        let buffer = stage.buffers[Int(id.index)]
        guard case .fixed(let rows) = buffer.rows else { return sum }
        return sum + rows * buffer.bytesPerRow
      }
    }
    var (live, most): (Set<BufferID>, Int) = ([], 0)
    var (converted, written) = (0, 0)
    for program in [stage.reduce, stage.norm] {
      for step in program.steps {
        switch step {
        case .acquire(let id): #expect(live.insert(id).inserted)
        case .release(let id): #expect(live.remove(id) != nil)
        case .compute(let index):
          let operation = program.operations[Int(index)]
          guard case .convert = operation.kernel else { continue }
          #expect((operation.inputs + operation.outputs).contains(where: live.contains))
          if live.contains(operation.outputs[0]) { converted += 1 } else { written += 1 }
        default: break
        }
        most = max(most, bytes(live))
      }
    }
    #expect(live.isEmpty)
    let segments = stage.segments
    #expect(converted == segments.reduce(0) { $0 + $1.parameters.count })
    // Of a tensor with several uses one sum stands for all.
    let sums = segments.reduce(0) { $0 + ($1.isShared ? 1 : $1.parameters.count) }
    #expect(written == (zero == 0 ? sums : 0))
    let sizes = segments.map { segment in
      segment.parameters.reduce(0) { $0 + 4 * stage.parameters[$1].elements }
    }
    #expect(most == zip(sizes, sizes.dropFirst() + [0]).map { $0 + $1 }.max())
    #expect(bucket != 1000 || most < sizes.reduce(0, +) / 2)
  }
}
