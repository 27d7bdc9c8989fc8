import Plans
import Schedules

/// Reductions that start inside the last pass which adds to a stage's gradients, a bucket at a time.
extension StageProgram {
  /// Parameters by the bucket that they are reduced in, in the order in which a backward completes them.
  ///
  /// Parameters are taken in the order in which their gradients are complete, from the last layer to the
  /// first, and a bucket is closed once it holds as many elements as it should (Megatron-Core,
  /// distributed/param_and_grad_buffer.py); PyTorch's DDP does the same in bytes.
  ///
  /// - Parameter size: elements of a bucket; nil for one bucket of all.
  func buckets(of members: [Int], size: Int?) -> [[Int]] {
    guard let size else { return members.isEmpty ? [] : [members] }
    let writes = lastWrites(in: backward)
    let ordered = members.sorted {
      let (first, second) = (writes[$0], writes[$1])
      return first == second ? $0 > $1 : first < second
    }
    var buckets: [[Int]] = []
    var held = size
    for parameter in ordered {
      if held >= size {
        buckets.append([])
        held = 0
      }
      buckets[buckets.count - 1].append(parameter)
      held += parameters[parameter].elements
    }
    return buckets.map { $0.sorted() }
  }

  /// By parameter: the step of a pass behind which its gradient is complete; −1 if it is before.
  func lastWrites(in program: Program) -> [Int] {
    var places: [BufferID: Int] = [:]
    for (place, step) in program.steps.enumerated() {
      guard case .compute(let index) = step else { continue }
      for output in program.operations[Int(index)].outputs { places[output] = place }
    }
    return parameters.map { places[$0.gradient] ?? -1 }
  }

  /// Makes the closing passes of the reductions that there are.
  mutating func addClosingPasses() {
    closingBackward = closing(backward)
    closingBackwardWeight = closing(backwardWeight)
  }

  /// A pass that starts each reduction behind the last step that writes what it reads.
  ///
  /// The order is the same in both passes: copies may close with either, and have to meet.
  func closing(_ program: Program) -> Program {
    guard !reductionParts.isEmpty else { return program }
    let writes = lastWrites(in: program)
    var starts: [Int: [Step]] = [:]
    var place = -1
    for (number, segment) in segments.enumerated() {
      place = max(place, segment.parameters.map { writes[$0] }.max() ?? -1)
      starts[place, default: []].append(.reduce(Int32(number)))
    }
    var closing = program
    closing.steps = starts[-1] ?? []
    for (place, step) in program.steps.enumerated() {
      closing.steps.append(step)
      closing.steps += starts[place] ?? []
    }
    return closing
  }

  /// The closing pass of a program whose blocks follow one another, and where they lie in it: a reduction
  /// starts in the block of the step that it stands behind.
  func closing(
    _ program: Program, _ blocks: [Range<Int>]
  ) -> (program: Program, blocks: [Range<Int>]) {
    let closing = closing(program)
    var places: [Int] = []
    for (place, step) in closing.steps.enumerated() {
      if case .reduce = step { continue }
      places.append(place)
    }
    places.append(closing.steps.count)
    func place(_ step: Int) -> Int { step == 0 ? 0 : places[step] }
    return (closing, blocks.map { place($0.lowerBound)..<place($0.upperBound) })
  }

  /// The template of a pass: of one that closes the stage's gradients, with the start of their
  /// reductions; of one that opens the step, with the waits for its parameters.
  public func program(
    for pass: Action.Pass, isClosing: Bool, isOpening: Bool = false
  ) -> Program {
    switch pass {
    case .forward: isOpening ? openingForward : forward
    case .backward: isClosing ? closingBackward : backward
    case .backwardInput: backwardInput
    case .backwardWeight: isClosing ? closingBackwardWeight : backwardWeight
    }
  }
}

extension Plan {
  /// When the reductions of a stage's gradients start.
  ///
  /// Sums of several lanes are added up behind the last action, and from ZeRO stage 2 on every backward
  /// reduces its own gradients.
  public var reductionStart: ReductionStart {
    guard overlaps(.gradientReduction) else { return .behindAll }
    return bucketElements != nil && zeroStage.rawValue <= 1
      && GradientLanes(self, target: .device).count == 1
      ? .insideBackward : .behindStage
  }
}
