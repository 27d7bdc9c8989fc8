import Models
import Plans
import Programs
import Testing

/// What a list of segments makes of a forward and a backward.
@Suite struct PairWalkTests {
  private func stage(
    _ target: Target, layers: Range<Int> = 1..<4, zero: Int = 1, bucket: Int? = nil
  ) -> StageProgram {
    var setting = LoweringSetting(
      sequences: 1, sequenceLength: 16, expert: 2,
      recipe: target == .device ? Recipe(.bfloat16) : .float32, target: target, zeroStage: zero,
      gradientCopies: 2, expertCopies: 2)
    setting.bucketElements = bucket
    return StageProgram(
      units: layers.map { .layer($0) }, of: TinyModels.deepSeek(layers: 5, prediction: 0), setting)
  }

  /// Orders that move weight halves as far as they go, and the other way round.
  private static let orders: [[PairSegment]] = [
    PairOrder.publishedSegments,
    [
      .backwardAttention, .backwardCombine, .forwardAttention, .forwardDispatch, .backwardExperts,
      .backwardDispatch, .forwardShared, .forwardExperts, .forwardCombine,
    ],
    [
      .forwardAttention, .forwardDispatch, .backwardAttention, .weightAttention, .backwardCombine,
      .forwardShared, .backwardExperts, .backwardDispatch, .forwardExperts, .forwardCombine,
      .weightExperts,
    ],
    // Weight halves behind everything.
    [.forwardAttention, .forwardExperts]
      + Array(repeating: [PairSegment.backwardAttention, .backwardExperts], count: 3).flatMap(
        \.self)
      + [.backwardAttention, .weightAttention, .weightExperts],
    [.backwardExperts, .forwardExperts, .weightExperts],
  ]

  /// The published order as a list is the published order.
  @Test(arguments: [Target.device, .cpuRank], [nil, 1, 4000])
  func theListOfThePublishedOrderIsIt(target: Target, bucket: Int?) {
    let stage = stage(target, bucket: bucket)
    for isClosing in [false, true] {
      let published = Interleaving(
        forward: stage.forward, backward: stage, isClosing: isClosing)
      let listed = Interleaving(
        forward: stage.forward, backward: stage, isClosing: isClosing,
        order: .segments(PairOrder.publishedSegments))
      #expect(listed.pieces == published.pieces)
      #expect(listed.backward == published.backward)
    }
  }

  /// Every step of both programs is carried out once, operations of what is read behind what writes it,
  /// buffers between their acquisition and their release; what is left at the end is what it was.
  @Test(arguments: [Target.device, .cpuRank], [nil, 1, 4000])
  func everyOrderIsCarriedOut(target: Target, bucket: Int?) throws {
    let first = stage(target, layers: 0..<3, bucket: bucket)
    let second = stage(target, layers: 1..<5, bucket: bucket)
    for (forward, backward) in [(first, second), (second, first)] {
      for order in Self.orders {
        for isClosing in [false, true] {
          let made = Interleaving(
            forward: forward.forward, backward: backward, isClosing: isClosing,
            order: .segments(order))
          try expectCarriedOut(made, forward, backward, isClosing: isClosing)
        }
      }
    }
  }

  private func expectCarriedOut(
    _ made: Interleaving, _ forward: StageProgram, _ backward: StageProgram, isClosing: Bool
  ) throws {
    for isForward in [true, false] {
      let own = isForward ? forward.forward : made.backward
      let steps = made.pieces.filter { $0.isForward == isForward }.flatMap { own.steps[$0.steps] }
      #expect(steps == own.steps, "in the order of the program, all of them")
    }
    let original = backward.program(for: .backward, isClosing: isClosing)
    #expect(Set(original.steps) == Set(made.backward.steps))
    #expect(original.steps.count == made.backward.steps.count)
    var live: Set<BufferID> = []
    let acquired = Set(
      original.steps.compactMap { if case .acquire(let buffer) = $0 { buffer } else { nil } })
    let released = Set(
      original.steps.compactMap { if case .release(let buffer) = $0 { buffer } else { nil } })
    live = released.subtracting(acquired)
    var writers: [BufferID: Int] = [:]
    for step in made.backward.steps {
      switch step {
      case .acquire(let buffer): #expect(live.insert(buffer).inserted)
      case .release(let buffer): #expect(live.remove(buffer) != nil)
      case .compute(let index):
        for buffer in original.operations[Int(index)].operands
        where acquired.union(released).contains(buffer) {
          #expect(live.contains(buffer))
        }
        for buffer in original.operations[Int(index)].outputs { writers[buffer, default: 0] += 1 }
      case .reduce(let part):
        for parameter in backward.segments[Int(part)].parameters {
          let gradient = backward.parameters[parameter].gradient
          let all = original.operations.count { $0.outputs.contains(gradient) }
          #expect(writers[gradient, default: 0] == all, "reduced before it is complete")
        }
      default: break
      }
    }
    #expect(live == acquired.subtracting(released))
    expectDataflow(original, made.backward)
  }

  /// Every operation reads what the same operations wrote before it, in the same order.
  private func expectDataflow(_ original: Program, _ made: Program) {
    func history(_ program: Program) -> [Int32: [BufferID: [Int32]]] {
      var written: [BufferID: [Int32]] = [:]
      var seen: [Int32: [BufferID: [Int32]]] = [:]
      for case .compute(let index) in program.steps {
        let operation = program.operations[Int(index)]
        seen[index] = Dictionary(
          operation.inputs.map { ($0, written[$0] ?? []) }, uniquingKeysWith: { first, _ in first })
        for buffer in operation.outputs { written[buffer, default: []].append(index) }
      }
      return seen
    }
    #expect(history(original) == history(made))
  }

  /// A list that puts all weight halves behind holds more, and ends with them.
  @Test func weightHalvesMove() {
    let stage = stage(.device)
    let made = Interleaving(
      forward: stage.forward, backward: stage, order: .segments(Self.orders[3]))
    let passes = made.backward.steps.compactMap { step -> Pass? in
      if case .compute(let index) = step { made.backward.operations[Int(index)].pass } else { nil }
    }
    let first = passes.firstIndex(of: .backwardWeight) ?? 0
    let before = stage.backward.steps.compactMap { step -> Pass? in
      if case .compute(let index) = step { stage.backward.operations[Int(index)].pass } else { nil }
    }
    #expect(first > before.firstIndex(of: .backwardWeight) ?? 0)
    #expect(passes[first...].allSatisfy { $0 == .backwardWeight })
    #expect(made.pieces.last.map { !$0.isForward } == true || made.pieces.count > 2)
  }
}
