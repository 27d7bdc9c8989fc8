/// Places acquisitions and releases around what the passes of a stage use.
///
/// A buffer of one action is acquired before its first use and released behind its last. One that a
/// later pass reads lives from the pass that writes it to the last pass that reads it: with a whole
/// backward to the end of its use there, with two halves to the half that reads it last. The operand of
/// a transfer is released behind its wait, so that the peak does not depend on when it completes; of one
/// that the pass leaves under way, with its end, and so is a formed gradient that the framework keeps.
struct Liveness {
  private var buffers: [Buffer]
  private let external: [BufferID?]
  /// What lies in the host's memory between forward and backward.
  private let offloaded: Set<BufferID>

  /// `external` are input, output, input gradient and output gradient, in this order.
  init(_ buffers: [Buffer], external: [BufferID?], offloaded: Set<BufferID> = []) {
    self.buffers = buffers
    self.external = external
    self.offloaded = offloaded
  }

  /// Where in one pass a buffer is used first and last, and whether its first use writes it.
  private struct Range {
    var first: Int
    var last: Int
    var isWrittenFirst: Bool
  }

  func program(
    lowering: StageLowering, forward: Emission, backward: Emission, backwardInput: Emission,
    backwardWeight: Emission
  ) -> StageProgram {
    let passes = [forward, backward, backwardInput, backwardWeight]
    let ranges = passes.map(ranges)
    var buffers = buffers
    // By item; of a pass without any, what is placed at its first goes nowhere.
    var acquired = passes.map { [[BufferID]](repeating: [], count: max(1, $0.items.count)) }
    var released = acquired
    for index in buffers.indices where buffers[index].scope != .stage {
      let uses = ranges.map { $0[index] }
      let id = BufferID(index)
      let (start, end) = plan(id, uses)
      if start.count + end.count > 0, crosses(id, uses) { buffers[index].scope = .microbatch }
      for (pass, position) in start { acquired[pass][position].append(id) }
      for (pass, position) in end { released[pass][position].append(id) }
    }
    let programs = passes.indices.map {
      assemble(passes[$0], acquired: acquired[$0], released: released[$0])
    }
    return StageProgram(
      lowering: lowering, buffers: buffers, forward: programs[0], backward: programs[1],
      backwardInput: programs[2], backwardWeight: programs[3])
  }

  /// The first and last position of every buffer in one pass; a transfer uses its operands until its
  /// wait.
  private func ranges(_ emission: Emission) -> [Range?] {
    var result = [Range?](repeating: nil, count: buffers.count)
    func use(_ id: BufferID, _ position: Int, isWrite: Bool) {
      let index = Int(id.index)
      if result[index] == nil {
        result[index] = Range(first: position, last: position, isWrittenFirst: isWrite)
      }
      result[index]?.last = position
    }
    for (position, item) in emission.items.enumerated() {
      switch item {
      case .operation(let operation):
        for id in operation.inputs where !operation.outputs.contains(id) || isRead(id, operation) {
          use(id, position, isWrite: false)
        }
        for id in operation.outputs { use(id, position, isWrite: true) }
      case .start(let index):
        let transfer = emission.transfers[index]
        for id in transfer.operands[transfer.outputCount...] { use(id, position, isWrite: false) }
        for id in transfer.operands[..<transfer.outputCount] { use(id, position, isWrite: true) }
      case .wait(let index):
        for id in emission.transfers[index].operands { use(id, position, isWrite: false) }
      case .gatherAhead: break
      }
    }
    for id in emission.keptGradients { result[Int(id.index)]?.last = emission.items.count - 1 }
    for index in emission.leftUnderWay {
      for id in emission.transfers[index].operands {
        use(id, emission.items.count - 1, isWrite: false)
      }
    }
    return result
  }

  private func isRead(_ id: BufferID, _ operation: Operation) -> Bool {
    operation.inputs.contains(id)
  }

  private func crosses(_ id: BufferID, _ uses: [Range?]) -> Bool {
    let inForward = uses[0] != nil && !offloaded.contains(id)
    let inBackward = uses[1] != nil || uses[2] != nil || uses[3] != nil
    return inForward && inBackward || uses[2] != nil && uses[3] != nil
  }

  /// In which passes, and before or behind which item, a buffer is acquired and released.
  private func plan(_ id: BufferID, _ uses: [Range?]) -> (
    start: [(Int, Int)], end: [(Int, Int)]
  ) {
    if external.contains(id) {
      return (boundaryAcquisitions(id, uses), boundaryReleases(id, uses))
    }
    var start: [(Int, Int)] = []
    var end: [(Int, Int)] = []
    if let first = uses[0], offloaded.contains(id) {
      start.append((0, first.first))
      end.append((0, first.last))
    } else if let first = uses[0] {
      start.append((0, first.first))
      if uses[1] == nil, uses[2] == nil, uses[3] == nil {
        end.append((0, first.last))
        return (start, end)
      }
      // A whole backward frees it, and so do the halves together.
      end.append((1, uses[1]?.last ?? 0))
      end.append(lastHalf(uses))
      return (start, end)
    }
    if let whole = uses[1] {
      start.append((1, whole.first))
      end.append((1, whole.last))
    }
    if let half = uses[2] {
      start.append((2, half.first))
      end.append(lastHalf(uses))
    } else if let half = uses[3] {
      start.append((3, half.first))
      end.append((3, half.last))
    }
    return (start, end)
  }

  private func lastHalf(_ uses: [Range?]) -> (Int, Int) {
    if let weight = uses[3] { return (3, weight.last) }
    return (2, uses[2]?.last ?? 0)
  }

  private func boundaryAcquisitions(_ id: BufferID, _ uses: [Range?]) -> [(Int, Int)] {
    if id == external[1] { return uses[0].map { [(0, $0.first)] } ?? [] }
    if id == external[2] {
      return [1, 2].compactMap { pass in uses[pass].map { (pass, $0.first) } }
    }
    return []
  }

  /// What arrives is acquired by whoever receives it and released here; what leaves is acquired here and
  /// released by whoever sends it.
  private func boundaryReleases(_ id: BufferID, _ uses: [Range?]) -> [(Int, Int)] {
    if id == external[0] {
      if uses[1] == nil, uses[2] == nil, uses[3] == nil { return [(0, uses[0]?.last ?? 0)] }
      return [(1, uses[1]?.last ?? 0), lastHalf(uses)]
    }
    if id == external[3] { return [(1, uses[1]?.last ?? 0), lastHalf(uses)] }
    return []
  }

  private func assemble(
    _ emission: Emission, acquired: [[BufferID]], released: [[BufferID]]
  ) -> Program {
    var program = Program()
    program.transfers = emission.transfers
    for (position, item) in emission.items.enumerated() {
      for id in acquired[position] { program.steps.append(.acquire(id)) }
      switch item {
      case .operation(let operation):
        program.steps.append(.compute(Int32(program.operations.count)))
        program.operations.append(operation)
      case .start(let index): program.steps.append(.start(Int32(index)))
      case .wait(let index): program.steps.append(.wait(Int32(index)))
      case .gatherAhead: program.steps.append(.gatherAhead)
      }
      for id in released[position] { program.steps.append(.release(id)) }
      if position + 1 == emission.prologue { program.prologue = program.steps.count }
    }
    return program
  }
}
