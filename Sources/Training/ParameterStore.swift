import Checkpoints
import Documents
import Glibc
import Models
import Plans
import Programs
import Quantities

/// Where one Hugging Face tensor lies on a rank.
public struct ParameterSlice: Hashable, Sendable {
  public var tensor: ParameterTensor
  /// The stage whose copy this is.
  public var stage: Int
  /// Index into the stage's parameters.
  var parameter: Int
  /// The tensor's first element inside the stage's parameter, which may stack several.
  var offset: Int
}

/// A piece of a tensor that one rank updates: where its optimizer state lies.
public struct OwnedPiece {
  public var tensor: ParameterTensor
  /// Elements of the tensor.
  public var range: Range<Int>
  public var parameter: UnsafeMutableBufferPointer<Float>
  public var firstMoment: UnsafeMutableBufferPointer<Float>
  public var secondMoment: UnsafeMutableBufferPointer<Float>
  /// The last step's gradient, added up over all copies, before clipping.
  public var gradient: UnsafeMutableBufferPointer<Float>
}

/// The tensors of a rank under their Hugging Face names.
struct ParameterStore {
  let backend: RankBackend
  /// In the order of stages and of the forward pass.
  let slices: [ParameterSlice]

  init(_ backend: RankBackend) {
    self.backend = backend
    let assignment = backend.assignment
    var made: [ParameterSlice] = []
    for stage in assignment.localStages {
      for (index, parameter) in assignment.programs[stage].parameters.enumerated() {
        var offset = 0
        for tensor in assignment.tensors(of: parameter) {
          made.append(
            ParameterSlice(tensor: tensor, stage: stage, parameter: index, offset: offset))
          offset += tensor.count
        }
        precondition(offset == parameter.elements, "tensors fill the parameter that they stack")
      }
    }
    slices = made
  }

  /// The values of a tensor.
  func values(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float> {
    let parameter = backend.assignment.programs[slice.stage].parameters[slice.parameter]
    return UnsafeMutableBufferPointer(
      start: backend.floats(parameter.buffer, slice.stage) + slice.offset,
      count: slice.tensor.count)
  }

  /// Takes the weights of a checkpoint, whichever plan wrote it.
  func load(_ checkpoint: CheckpointReader) throws(CheckpointError) {
    for slice in slices {
      let numbers = try checkpoint.weights(of: slice.tensor)
      _ = values(slice).update(fromContentsOf: numbers)
    }
  }

  /// The gradient of a use of a tensor as the last backward left it on this rank, before any reduction.
  func gradient(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float>? {
    let parameter = backend.assignment.programs[slice.stage].parameters[slice.parameter]
    guard parameter.isTrained else { return nil }
    return UnsafeMutableBufferPointer(
      start: backend.floats(parameter.gradient, slice.stage) + slice.offset,
      count: slice.tensor.count)
  }

  /// Fills every tensor with normally distributed numbers, gains with 1 and biases with 0.
  ///
  /// A tensor's numbers follow from the seed and its name, so not from the plan.
  func initialize(seed: UInt64, standardDeviation: Double, residualScale: Double) {
    for slice in slices {
      let values = values(slice)
      let role = slice.tensor.role.rawValue
      if role.hasSuffix("Bias") {
        values.update(repeating: 0)
      } else if role.hasSuffix("Norm") {
        values.update(repeating: 1)
      } else {
        let isResidual = [.output, .down, .expertDown, .sharedDown].contains(slice.tensor.role)
        var generator = NormalNumbers(
          seed: seed, name: slice.tensor.sharedWith ?? slice.tensor.name)
        let deviation = standardDeviation * (isResidual ? residualScale : 1)
        for index in values.indices { values[index] = Float(generator.next() * deviation) }
      }
    }
  }

  /// Visits every piece that this rank updates, in the order of stages, segments and tensors.
  ///
  /// - Parameter everyCopy: whether pieces that another rank updates too, and answers for, are visited.
  func forEachOwnedPiece(
    everyCopy: Bool = false, _ body: (OwnedPiece) throws -> Void
  ) rethrows {
    let assignment = backend.assignment
    for stage in assignment.localStages {
      let program = assignment.programs[stage]
      for (number, segment) in program.segments.enumerated() {
        let range = segment.shards[assignment.ownShare[stage][number]]
        // With ZeRO stage 0 every copy updates everything; the first one answers for all.
        let isRepeated = segment.copies > 1 && segment.shards[0].count == segment.elements
        if isRepeated, !everyCopy, segment.elements > 0, assignment.ownShare[stage][number] > 0 {
          continue
        }
        let first = backend.floats(segment.firstMoment, stage) - range.lowerBound
        let second = backend.floats(segment.secondMoment, stage) - range.lowerBound
        let gradient = backend.gradients(of: segment, stage)
        let weights = backend.floats(program.parameters[segment.parameters[0]].buffer, stage)
        var start = 0
        for index in segment.isShared ? Array(segment.parameters[..<1]) : segment.parameters {
          for tensor in assignment.tensors(of: program.parameters[index]) {
            let lower = max(start, range.lowerBound)
            let upper = min(start + tensor.count, range.upperBound)
            if lower < upper {
              func piece(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutableBufferPointer<Float> {
                UnsafeMutableBufferPointer(start: base + lower, count: upper - lower)
              }
              try body(
                OwnedPiece(
                  tensor: tensor, range: lower - start..<upper - start, parameter: piece(weights),
                  firstMoment: piece(first), secondMoment: piece(second),
                  gradient: piece(gradient)))
            }
            start += tensor.count
          }
        }
      }
    }
  }
}

extension RankAssignment {
  /// The tensors that a stage's parameter stacks, in the order in which they lie: of experts, one after
  /// the other, each with its roles.
  func tensors(of parameter: StageParameter) -> [ParameterTensor] {
    let all = architecture.parameters(of: parameter.unit)
    func find(_ role: ParameterTensor.Role, _ expert: Int?) -> ParameterTensor {
      guard let found = all.first(where: { $0.role == role && $0.expert == expert }) else {
        preconditionFailure("\(parameter.unit) has no tensor \(role).")
      }
      return found
    }
    guard parameter.isExpert else { return parameter.roles.map { find($0, nil) } }
    let mixture = mixture(layer(of: parameter.unit))
    return localExperts(of: mixture).flatMap { expert in
      parameter.roles.map { find($0, expert) }
    }
  }
}

/// Normally distributed numbers from a seed and a name: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)
/// with the transform of Box and Muller (1958), both numbers of which are taken: weights hang on it bit by bit.
private struct NormalNumbers {
  private var generator: SeededGenerator
  private var spare: Double?

  init(seed: UInt64, name: String) {
    // FNV-1a, 64 bits (draft-eastlake-fnv).
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    generator = SeededGenerator(seed: seed &* 0x9e37_79b9_7f4a_7c15 ^ hash)
  }

  private mutating func uniform() -> Double {
    (Double(generator.next() >> 11) + 0.5) / Double(1 << 53)
  }

  mutating func next() -> Double {
    if let spare {
      self.spare = nil
      return spare
    }
    let radius = (-2 * log(uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}
