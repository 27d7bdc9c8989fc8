import Plans

/// A program of a pair cut into the pieces that an order of segments moves.
///
/// Cuts lie where payloads of expert exchanges start and where they are waited for. In a backward, weight
/// halves that were put off behind such a start are blocks of their own, and so are those at its end.
struct PairBlocks {
  struct Block {
    var segment: PairSegment
    var steps: Range<Int>
    /// It follows a weight half that stood in the middle of its segment.
    var goesOn = false
  }

  private(set) var blocks: [Block] = []
  private let program: Program
  /// The segment that is open, and where it begins.
  private var open: PairSegment
  private var start = 0
  private var goesOn = false

  init(forward program: Program) {
    self.init(program, opening: .forwardAttention)
  }

  init(backward program: Program) {
    self.init(program, opening: .backwardAttention)
    splitLastWeights()
  }

  private init(_ program: Program, opening: PairSegment) {
    self.program = program
    open = opening
    var position = 0
    while position < program.steps.count {
      switch program.steps[position] {
      case .start(let index):
        if let segment = segment(starting: index) {
          position = cut(at: position, segment)
          continue
        }
      case .wait(let index):
        if let segment = segment(behind: index) { close(at: position, segment) }
      default: break
      }
      position += 1
    }
    close(at: program.steps.count, open)
  }

  /// Ends the open segment and opens another.
  private mutating func close(at position: Int, _ next: PairSegment, goesOn: Bool = false) {
    blocks.append(Block(segment: open, steps: start..<position, goesOn: self.goesOn))
    (open, start, self.goesOn) = (next, position, goesOn)
  }

  /// Cuts around the start of an exchange; gives the step behind it and behind what was put off there.
  private mutating func cut(at position: Int, _ segment: PairSegment) -> Int {
    var first = position
    while first > start, case .acquire = program.steps[first - 1] { first -= 1 }
    close(at: first, segment)
    if segment == .forwardDispatch {
      close(at: position + 1, .forwardShared)
      return position + 1
    }
    guard let end = endOfWeights(from: position + 1) else { return position + 1 }
    close(at: position + 1, segment == .backwardCombine ? .weightAttention : .weightExperts)
    close(at: end, segment, goesOn: true)
    return end
  }

  /// Where the weight products end that begin at a step; nil if there are none.
  private func endOfWeights(from first: Int) -> Int? {
    var end: Int?
    search: for position in first..<program.steps.count {
      switch program.steps[position] {
      case .compute(let index):
        guard program.operations[Int(index)].pass == .backwardWeight else { break search }
        end = position + 1
      case .start(let index), .wait(let index):
        if program.transfers[Int(index)].kind.isExpertPayload { break search }
      case .release: if end == position { end = position + 1 }
      case .acquire, .reduce, .gatherAhead: break
      }
    }
    return end
  }

  /// The weight products at the end of a backward become a block; what follows them goes on behind it.
  private mutating func splitLastWeights() {
    guard let last = blocks.last else { return }
    func isWeight(_ position: Int) -> Bool? {
      guard case .compute(let index) = program.steps[position] else { return nil }
      return program.operations[Int(index)].pass == .backwardWeight
    }
    guard let final = last.steps.last(where: { isWeight($0) == true }),
      !last.steps.contains(where: { $0 > final && isWeight($0) == false })
    else { return }
    var first = final
    while first > last.steps.lowerBound {
      switch program.steps[first - 1] {
      case .compute where isWeight(first - 1) == false: break
      case .start, .wait, .gatherAhead: break
      default:
        first -= 1
        continue
      }
      break
    }
    // Releases of what came before stay with it.
    while first < final, case .release = program.steps[first] { first += 1 }
    var end = final + 1
    while end < last.steps.upperBound, case .release = program.steps[end] { end += 1 }
    blocks[blocks.count - 1].steps = last.steps.lowerBound..<first
    blocks.append(Block(segment: .weightAttention, steps: first..<end))
    blocks.append(
      Block(segment: .backwardAttention, steps: end..<last.steps.upperBound, goesOn: true))
  }

  private var isForward: Bool { open.half == .forward }

  /// The segment that the start of a transfer is.
  private func segment(starting index: Int32) -> PairSegment? {
    switch (program.transfers[Int(index)].kind, isForward) {
    case (.dispatch, true): .forwardDispatch
    case (.combine, true): .forwardCombine
    case (.combineBackward, false): .backwardCombine
    case (.dispatchBackward, false): .backwardDispatch
    default: nil
    }
  }

  /// The segment that begins with the wait for a transfer.
  private func segment(behind index: Int32) -> PairSegment? {
    switch (program.transfers[Int(index)].kind, isForward) {
    case (.dispatch, true): .forwardExperts
    case (.combine, true): .forwardAttention
    case (.combineBackward, false): .backwardExperts
    case (.dispatchBackward, false): .backwardAttention
    default: nil
    }
  }
}

extension Program {
  /// The same operations and transfers with blocks of its steps in another order; buffers are acquired
  /// before their first use and released behind their last in the new one, as `Liveness` has it.
  ///
  /// - Parameter blocks: ranges of steps, which together are all of them.
  /// - Returns: the program, and where each block lies in it, in the order given.
  func reordered(_ blocks: [Range<Int>]) -> (program: Program, blocks: [Range<Int>]) {
    var firstUse: [BufferID: Int] = [:]
    var lastUse: [BufferID: Int] = [:]
    var open: Set<Int32> = []
    var actions: [Step] = []
    var ends: [Int] = []
    for block in blocks {
      for step in steps[block] where !step.isOfMemory {
        for buffer in operands(of: step) {
          if firstUse[buffer] == nil { firstUse[buffer] = actions.count }
          lastUse[buffer] = actions.count
        }
        if case .start(let index) = step { open.insert(index) }
        if case .wait(let index) = step { open.remove(index) }
        actions.append(step)
      }
      ends.append(actions.count)
    }
    for index in open {
      for buffer in transfers[Int(index)].operands { lastUse[buffer] = actions.count - 1 }
    }
    var acquired: [Int: [Step]] = [:]
    var released: [Int: [Step]] = [:]
    for step in steps {
      switch step {
      case .acquire(let buffer): acquired[firstUse[buffer] ?? 0, default: []].append(step)
      case .release(let buffer): released[lastUse[buffer] ?? 0, default: []].append(step)
      default: break
      }
    }
    var program = self
    program.steps = []
    var (bounds, next) = ([Int](), 0)
    for end in ends {
      while next < end {
        program.steps += (acquired[next] ?? []) + [actions[next]] + (released[next] ?? [])
        next += 1
      }
      bounds.append(program.steps.count)
    }
    return (program, bounds.indices.map { ($0 == 0 ? 0 : bounds[$0 - 1])..<bounds[$0] })
  }

  /// What a step reads or writes.
  func operands(of step: Step) -> [BufferID] {
    switch step {
    case .compute(let index): operations[Int(index)].operands
    case .start(let index), .wait(let index): transfers[Int(index)].operands
    case .acquire, .release, .reduce, .gatherAhead: []
    }
  }

  /// Whether steps may not change places: one writes what the other reads or writes.
  func conflict(_ first: Range<Int>, _ second: Range<Int>) -> Bool {
    let (one, other) = (access(first), access(second))
    return !one.written.isDisjoint(with: other.read.union(other.written))
      || !other.written.isDisjoint(with: one.read)
  }

  private func access(_ block: Range<Int>) -> (read: Set<BufferID>, written: Set<BufferID>) {
    var (read, written): (Set<BufferID>, Set<BufferID>) = ([], [])
    for step in steps[block] {
      switch step {
      case .compute(let index):
        read.formUnion(operations[Int(index)].inputs)
        written.formUnion(operations[Int(index)].outputs)
      case .start(let index), .wait(let index):
        let transfer = transfers[Int(index)]
        read.formUnion(transfer.operands[transfer.outputCount...])
        written.formUnion(transfer.operands[..<transfer.outputCount])
      case .acquire, .release, .reduce, .gatherAhead: break
      }
    }
    return (read, written)
  }
}

extension Step {
  /// Acquires or releases a buffer.
  var isOfMemory: Bool {
    switch self {
    case .acquire, .release: true
    default: false
    }
  }
}

extension Program {
  /// Of a forward and of a backward: its segments with the steps of each, in their order.
  ///
  /// A part that goes on behind a weight half belongs to the segment before.
  package var forwardSegments: [(segment: PairSegment, steps: Range<Int>, goesOn: Bool)] {
    PairBlocks(forward: self).blocks.map { ($0.segment, $0.steps, $0.goesOn) }
  }

  package var backwardSegments: [(segment: PairSegment, steps: Range<Int>, goesOn: Bool)] {
    PairBlocks(backward: self).blocks.map { ($0.segment, $0.steps, $0.goesOn) }
  }
}
