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
      exchanges: Array(repeating: nil, count: (microbatches + 1) * max(1, program.exchangeCount)),
      gradientLanes: Array(repeating: [], count: assignment.lanesPerCopy))
    func bind(_ id: BufferID, _ block: UnsafeMutableRawPointer) {
      for slot in 0...microbatches {
        made.slots[slot * program.buffers.count + Int(id.index)] = block
      }
    }
    /// Gives microbatches the memory of their lane; the stage's own slot has the first one's.
    func bind(_ id: BufferID, _ block: UnsafeMutableRawPointer, lane: Int) {
      for slot in 0...microbatches {
        let own = slot == microbatches ? 0 : assignment.lane(ofMicrobatch: slot)
        if own == lane { made.slots[slot * program.buffers.count + Int(id.index)] = block }
      }
    }
    func take(_ ids: [BufferID], lane: Int? = nil) {
      let shapes = ids.map { program.buffers[Int($0.index)] }
      guard let first = shapes.first else { return }
      let sizes = shapes.map { size($0) }
      let counted = sizes.reduce(0) { $0 + Arena.aligned($1) }
      let block = arena.acquire(sizes.reduce(0, +), first.use, counted: counted)
      block.initializeMemory(as: UInt8.self, repeating: 0, count: sizes.reduce(0, +))
      var offset = 0
      for (id, bytes) in zip(ids, sizes) {
        if let lane {
          bind(id, block + offset, lane: lane)
          made.gradientLanes[lane].append((block + offset, bytes))
        } else {
          bind(id, block + offset)
        }
        offset += bytes
      }
    }
    var taken: Set<BufferID> = []
    func takeOnce(_ ids: [BufferID]) {
      take(ids.filter { taken.insert($0).inserted })
    }
    func takeGradients(_ ids: [BufferID]) {
      taken.formUnion(ids)
      for lane in made.gradientLanes.indices { take(ids, lane: lane) }
    }
    for segment in program.segments {
      let members = segment.parameters.map { program.parameters[$0] }
      if segment.isShared {
        for member in members {
          takeOnce([member.buffer])
          takeGradients([member.gradient])
        }
      } else {
        takeOnce(members.map(\.buffer))
        takeGradients(members.map(\.gradient))
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

  /// Sets the gradients of all lanes to zero.
  func clearGradients() {
    for stage in assignment.localStages {
      for (block, bytes) in memory[stage]!.gradientLanes.joined() {
        fill(block.assumingMemoryBound(to: Float.self), with: 0, count: bytes / 4)
      }
    }
  }

  /// Adds a stage's lanes as a balanced binary tree; the sum lies in the first.
  func foldLanes(_ stage: Int) {
    let lanes = memory[stage]!.gradientLanes
    for pair in treePairs(lanes.count) {
      for (into, from) in zip(lanes[pair.into], lanes[pair.from]) {
        let target = into.block.assumingMemoryBound(to: Float.self)
        add(
          target, target, from.block.assumingMemoryBound(to: Float.self), count: into.bytes / 4)
      }
    }
  }

  private func size(_ buffer: Buffer) -> Int {
    guard case .fixed(let rows) = buffer.rows else {
      preconditionFailure("A buffer of a stage has a fixed size.")
    }
    return rows * buffer.bytesPerRow
  }
}
