import Kernels
import Models
import Programs

extension RankBackend {
  /// Memory of a stage: its own buffers at once, those of microbatches as they are acquired.
  ///
  /// Tensors of a segment lie one after the other, so that a shard is one piece; each is still counted
  /// with its rounding, as the simulated backend counts it.
  ///
  /// - Parameter other: the memory of the same stage for another number of tokens, whose buffers of the
  ///   stage, the same ones in the same order, are taken over.
  func makeMemory(_ stage: Int, beside other: StageMemory? = nil) -> StageMemory {
    let program = assignment.programs[stage]
    let slots = (microbatches + 1) * program.buffers.count
    var made = StageMemory(
      program: program, slots: Array(repeating: nil, count: slots),
      bytes: Array(repeating: 0, count: slots),
      exchanges: Array(repeating: nil, count: (microbatches + 1) * max(1, program.exchangeCount)))
    func bind(_ id: BufferID, _ block: UnsafeMutableRawPointer) {
      for slot in 0...microbatches {
        made.slots[slot * program.buffers.count + Int(id.index)] = block
      }
    }
    func take(_ ids: [BufferID], areGradients: Bool = false) {
      let shapes = ids.map { program.buffers[Int($0.index)] }
      guard let first = shapes.first else { return }
      let sizes = shapes.map { size($0) }
      let counted = sizes.reduce(0) { $0 + Arena.aligned($1) }
      let block = arena.acquire(sizes.reduce(0, +), first.use, counted: counted)
      block.initializeMemory(as: UInt8.self, repeating: 0, count: sizes.reduce(0, +))
      var offset = 0
      for (id, bytes) in zip(ids, sizes) {
        bind(id, block + offset)
        if areGradients { made.gradients.append((block + offset, bytes)) }
        offset += bytes
      }
    }
    var taken: Set<BufferID> = []
    func takeOnce(_ ids: [BufferID]) {
      take(ids.filter { taken.insert($0).inserted })
    }
    func takeGradients(_ ids: [BufferID]) {
      taken.formUnion(ids)
      take(ids, areGradients: true)
    }
    for segment in program.segments {
      let members = segment.parameters
      for group in segment.isShared ? members.map({ [$0] }) : [members] {
        takeOnce(group.map { program.parameters[$0].buffer })
        for sum in 0..<program.contributedSums {
          takeGradients(group.map { program.gradient(of: $0, place: sum) })
        }
      }
    }
    let own = program.buffers.indices.filter { program.buffers[$0].scope == .stage }
    guard let other else {
      for index in own { takeOnce([BufferID(index)]) }
      return made
    }
    let theirs = other.program.buffers.indices.filter {
      other.program.buffers[$0].scope == .stage
    }
    precondition(
      own.map { program.buffers[$0] } == theirs.map { other.program.buffers[$0] },
      "a stage holds the same for any number of tokens")
    for (index, known) in zip(own, theirs) {
      guard let block = other.slots[known] else {
        preconditionFailure("\(program.buffers[index].name) has no memory.")
      }
      bind(BufferID(index), block)
    }
    return made
  }

  /// Sets the stages' own gradients to zero.
  func clearGradients() {
    for stage in assignment.localStages {
      for (block, bytes) in memory[stage]!.gradients {
        fill(block.assumingMemoryBound(to: Float.self), with: 0, count: bytes / 4)
      }
    }
  }

  /// Makes the microbatches of a lane add their gradients to the sum at a place.
  func bind(_ step: LaneStep, lane: Int, to place: Int) {
    forEachSum(of: step) { own, sum, buffers in
      let block = memory[step.stage]!.slots[microbatches * buffers + sum(place)]
      for microbatch in 0..<microbatches where assignment.lanes.lane(of: microbatch) == lane {
        memory[step.stage]!.slots[microbatch * buffers + own] = block
      }
    }
  }

  /// Gives the microbatches of a sum that is added to another one the other's place.
  func rebind(_ step: LaneStep, from: Int, to place: Int) {
    forEachSum(of: step) { own, sum, buffers in
      let old = memory[step.stage]!.slots[microbatches * buffers + sum(from)]
      let new = memory[step.stage]!.slots[microbatches * buffers + sum(place)]
      for microbatch in 0..<microbatches
      where memory[step.stage]!.slots[microbatch * buffers + own] == old {
        memory[step.stage]!.slots[microbatch * buffers + own] = new
      }
    }
  }

  /// Visits the gradients that a change of lanes is about: the gradient's buffer, that of its sum at a
  /// place, and how many buffers the stage has.
  private func forEachSum(of step: LaneStep, _ body: (Int, (Int) -> Int, Int) -> Void) {
    let program = memory[step.stage]!.program
    for parameter in program.parameters(writtenBy: step.pass) {
      body(
        Int(program.parameters[parameter].gradient.index),
        { Int(program.gradient(of: parameter, place: $0).index) }, program.buffers.count)
    }
  }

  private func size(_ buffer: Buffer) -> Int {
    guard case .fixed(let rows) = buffer.rows else {
      preconditionFailure("A buffer of a stage has a fixed size.")
    }
    return rows * buffer.bytesPerRow
  }
}
