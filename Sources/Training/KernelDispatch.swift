import Engines
import Kernels
import Programs

/// One operation with the memory of its operands; an object, since it is handed on to the kernel's call
/// and a copy of all that it names takes its time.
final class BoundOperation {
  let operation: Programs.Operation
  /// Its number in the stage's program.
  let index: Int
  let instance: Instance
  let pointers: [UnsafeMutablePointer<Float>]

  init(
    _ operation: Programs.Operation, _ index: Int, _ instance: Instance,
    pointers: [UnsafeMutablePointer<Float>]
  ) {
    (self.operation, self.index) = (operation, index)
    (self.instance, self.pointers) = (instance, pointers)
  }

  subscript(index: Int) -> UnsafeMutablePointer<Float> { pointers[index] }

  /// The operand behind the outputs and `index` inputs.
  func input(_ index: Int) -> UnsafeMutablePointer<Float> {
    pointers[operation.outputCount + index]
  }

  func integers(_ pointer: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Int32.self)
  }

  var inputCount: Int { pointers.count - operation.outputCount }
}

extension RankBackend {
  /// Calls the kernel of an operation on its memory.
  func compute(
    _ operation: Programs.Operation, _ index: Int, _ instance: Instance
  ) throws {
    // The memory of the last operation's list is taken again.
    operandPlaces.removeAll(keepingCapacity: true)
    for operand in operation.operands { operandPlaces.append(floats(operand, instance)) }
    let bound = BoundOperation(operation, index, instance, pointers: operandPlaces)
    forwardUnderWay?.operations.append(bound)
    try carryOut(bound)
  }

  /// Calls the kernel of an operation whose memory is known.
  func carryOut(_ bound: BoundOperation) throws {
    let (index, instance) = (bound.index, bound.instance)
    switch bound.operation.kernel {
    case .loadTokens: try loadTokens(bound)
    case .loadLabels(_, let shift): try loadLabels(bound, shift: shift)
    case .loadTargets(_, let columns): try loadTargets(bound, columns: columns)
    case .embedding: embedding(bound)
    case .norm: norm(bound)
    case .matmul(let matmul): linear(bound, matmul)
    case .groupedMatmul(let matmul, let experts): grouped(bound, matmul, experts)
    case .attention(let shape, let fused, let pass):
      precondition(fused, "CPU ranks compute attention as one kernel")
      attention(bound, shape, pass)
    case .splitHeads(let shape, let pass): splitHeads(bound, shape, pass)
    case .rotate(let tokens, let heads, let size, let pass):
      rotate(bound, tokens: tokens, heads: heads, size: size, pass)
    case .assembleLatent(let shape, let pass): assembleLatent(bound, shape, pass)
    case .splitLatent(let shape, let pass): splitLatent(bound, shape, pass)
    case .add, .gelu, .join, .convert, .launches: elementwise(bound)
    case .gatedUnit(let rows, let columns, let weighted, let pass):
      gatedUnit(
        bound, rows: self.rows(rows, instance), columns: columns, weighted: weighted, pass)
    case .route(let shape, let pass): route(bound, shape, pass)
    case .permute(let exchange, let columns, let pass):
      permute(bound, exchange, columns: columns, pass)
    case .unpermute(let exchange, let columns, let pass):
      unpermute(bound, exchange, columns: columns, pass)
    case .headLoss(let tokens, let hidden, let vocabulary, let module):
      head(bound, tokens: tokens, hidden: hidden, vocabulary: vocabulary, module: module)
    case .headEvaluation(let tokens, let hidden, let vocabulary, let module):
      headEvaluation(
        bound, tokens: tokens, hidden: hidden, vocabulary: vocabulary, module: module)
    case .headScores(let sequences, let tokens, let hidden, let vocabulary):
      headScores(
        bound, sequences: sequences, tokens: tokens, hidden: hidden, vocabulary: vocabulary)
    case .cache(let tokens, let columns): cache(bound, tokens: tokens, columns: columns)
    case .absorbLatent(let shape): absorbLatent(bound, shape)
    case .expandLatent(let shape): expandLatent(bound, shape)
    case .squareSum:
      let stage = Int(instance.stage)
      sumSquares(segment: assignment.segmentOfNorm[stage][index], stage: stage)
    case .adamW: updateShard(segment: index, stage: Int(instance.stage))
    case .fold(let elements): add(bound[0], bound[0], bound[1], count: elements)
    case .clear(let elements): fill(bound[0], with: 0, count: elements)
    case .scores, .crossEntropy:
      preconditionFailure("CPU ranks compute attention and loss as one kernel each.")
    case .quantizedNorm: preconditionFailure("CPU ranks compute in 32 bits.")
    case .awaited: preconditionFailure("CPU ranks launch nothing on a device.")
    case .arrange, .collect:
      preconditionFailure("CPU ranks send each token once to each rank.")
    case .streamedAdamW: preconditionFailure("CPU ranks keep their state.")
    case .plainUnit, .convolve, .scan, .index:
      preconditionFailure("A model with such parts is refused before it is run.")
    case .orthogonalize: preconditionFailure("CPU ranks update by AdamW.")
    }
  }

  // MARK: The ends of the model

  private func embedding(_ bound: BoundOperation) {
    guard case .embedding(let tokens, let hidden, let vocabulary, let pass) = bound.operation.kernel
    else { return }
    let isForward = pass == .forward
    let numbers = bound.integers(bound.input(0))
    // Behind the end of a window there is no token; what is computed there reaches no loss.
    let known = [Int32](unsafeUninitializedCapacity: tokens) { list, count in
      for index in 0..<tokens { list[index] = max(0, numbers[index]) }
      count = tokens
    }
    let hasPositions = isForward ? bound.inputCount == 3 : bound.operation.outputCount == 2
    guard isForward else {
      embeddingBackward(
        bound[0], bound.input(1), tokens: known, rows: tokens, columns: hidden,
        vocabulary: vocabulary, padding: assignment.architecture.paddingToken)
      guard hasPositions else { return }
      for run in runs(of: bound.instance, tokens: tokens) {
        positionBackward(
          bound[1], bound.input(1) + run.row * hidden, rows: run.count, columns: hidden,
          sequence: run.sequence)
      }
      return
    }
    known.withUnsafeBufferPointer { known in
      guard let first = known.baseAddress else { return }
      guard hasPositions else {
        embeddingForward(
          bound[0], bound.input(1), tokens: first, rows: tokens, columns: hidden,
          vocabulary: vocabulary, sequence: tokens)
        return
      }
      for run in runs(of: bound.instance, tokens: tokens) {
        embeddingForward(
          bound[0] + run.row * hidden, bound.input(1),
          positions: UnsafePointer(bound.input(2)), tokens: first + run.row,
          rows: run.count, columns: hidden, vocabulary: vocabulary, sequence: run.sequence,
          firstPosition: run.position)
      }
    }
  }

  // MARK: Rows

  private func norm(_ bound: BoundOperation) {
    guard
      case .norm(let shape, let columns, let epsilon, let centred, let pass) =
        bound.operation.kernel
    else { return }
    let rows = rows(shape, bound.instance)
    if pass == .forward {
      let (input, gain) = (bound.input(0), bound.input(1))
      if centred {
        layerNormForward(
          bound[0], mean: bound[1], reciprocal: bound[1] + rows, input, gain: gain,
          bias: bound.input(2), rows: rows, columns: columns, epsilon: epsilon)
      } else {
        rmsNormForward(
          bound[0], reciprocal: bound[1], input, gain: gain, rows: rows, columns: columns,
          epsilon: epsilon)
      }
      return
    }
    let (gradient, input) = (bound.input(0), bound.input(1))
    let (statistics, gain) = (bound.input(2), bound.input(3))
    if centred {
      layerNormBackward(
        bound[0], gain: bound[1], bias: bound[2], gradient, input, gain: gain, mean: statistics,
        reciprocal: statistics + rows, rows: rows, columns: columns)
    } else {
      rmsNormBackward(
        bound[0], gain: bound[1], gradient, input, gain: gain, reciprocal: statistics,
        rows: rows, columns: columns)
    }
  }

  private func linear(_ bound: BoundOperation, _ matmul: Programs.Matmul) {
    let shape = LinearShape(
      rows: rows(matmul.m, bound.instance), inputs: matmul.k, outputs: matmul.n,
      layout: matmul.transposed ? .inputsFirst : .outputsFirst)
    switch matmul.pass {
    case .forward:
      linearForward(
        bound[0], bound.input(0), bound.input(1),
        bias: matmul.hasBias ? UnsafePointer(bound.input(2)) : nil, shape, on: bench)
    case .backwardInput:
      linearBackwardInput(bound[0], bound.input(0), bound.input(1), shape, on: bench)
      if matmul.hasBias {
        biasBackward(bound[1], bound.input(0), rows: shape.rows, outputs: shape.outputs)
      }
    case .backwardWeight:
      linearBackwardWeight(bound[0], bound.input(0), bound.input(1), shape, on: bench)
    }
  }

  private func elementwise(_ bound: BoundOperation) {
    switch bound.operation.kernel {
    case .add(let shape, let columns, let terms):
      let count = rows(shape, bound.instance) * columns
      add(bound[0], bound.input(0), bound.input(1), count: count)
      for term in 2..<max(2, terms) { add(bound[0], bound[0], bound.input(term), count: count) }
    case .gelu(let shape, let columns, let pass):
      let count = rows(shape, bound.instance) * columns
      if pass == .forward {
        geluForward(bound[0], bound.input(0), count: count)
      } else {
        geluBackward(bound[0], bound.input(0), bound.input(1), count: count)
      }
    case .join(let shape, let columns, let pass):
      let rows = rows(shape, bound.instance)
      for half in 0..<2 {
        if pass == .forward {
          copyRows(
            bound[0] + half * columns, outStride: 2 * columns, bound.input(half), stride: columns,
            rows: rows, columns: columns)
        } else {
          copyRows(
            bound[half], outStride: columns, bound.input(0) + half * columns, stride: 2 * columns,
            rows: rows, columns: columns)
        }
      }
    case .convert(.copy, let shape, let columns, .float32, .float32):
      copy(bound[0], bound.input(0), count: rows(shape, bound.instance) * columns)
    default:
      preconditionFailure("CPU ranks compute in float32 alone: \(bound.operation.kernel).")
    }
  }
}
