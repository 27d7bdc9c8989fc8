/// Attention by blocks as PyTorch executes it over context ranks.
///
/// torchtitan repeats keys and values for all query heads in front of it (`models/llama3/model`, `repeat_kv`). PyTorch
/// (`torch/distributed/tensor/experimental/_attention.py`, `_templated_ring_attention`, `_SDPAMerger`, and their backward)
/// gathers both, attends to one rank's at a time, and merges results by operators in 32 bits. The rank that is last in
/// the group merges all of its rows each time, others half of them at some blocks; it is the one that all wait for.
extension Emission {
  /// Copies keys and values for every query head: read once, written as often as there are query heads to a key head.
  func repeatHeads(_ shape: AttentionShape, _ keysAndValues: [BufferID], _ half: Programs.Pass) {
    guard lowering.setting.copiesKeyHeads, shape.heads > shape.keyValueHeads else { return }
    for (size, buffer) in zip([shape.queryKeySize, shape.valueSize], keysAndValues) {
      // Half of the columns is read and half is written, so to speak: a copy counts each twice.
      let columns = (shape.heads + shape.keyValueHeads) * size / 2
      pass(.copy, columns, recipe.activation, recipe.activation, on: buffer, half)
    }
  }

  /// The same in front of a backward that has kept keys and values as they were before.
  func repeatHeadsAgain(_ node: Node, _ shape: AttentionShape, _ keysAndValues: [BufferID]) {
    guard !node.isRerun, case .modules = lowering.setting.recomputation else { return }
    repeatHeads(shape, keysAndValues, .backwardInput)
  }

  private var mergesBlocks: Bool {
    lowering.setting.context > 1 && lowering.setting.repeatsKeyHeads
  }

  /// Each block behind the first: a cast, a difference, a product with the weights, a sum; and a cast at both ends.
  func mergeBlocks(_ shape: AttentionShape, into result: BufferID) {
    guard mergesBlocks else { return }
    let columns = shape.heads * shape.valueSize
    pass(.cast, columns, recipe.activation, .float32, on: result, .forward)
    for _ in 1..<lowering.setting.context {
      pass(.cast, columns, recipe.activation, .float32, on: result, .forward)
      pass(.add, columns, .float32, .float32, on: result, .forward)
      pass(.cast, columns, .float32, .float32, on: result, .forward)
      pass(.add, columns, .float32, .float32, on: result, .forward)
    }
    pass(.cast, columns, .float32, recipe.activation, on: result, .forward)
  }

  /// Each block: its gradients added to sums of 32 bits, and those of keys and values laid together for the next rank;
  /// casts at the end.
  func addBlockGradients(_ shape: AttentionShape, on gradients: [BufferID]) {
    guard mergesBlocks else { return }
    let queries = shape.heads * shape.queryKeySize
    let keys = shape.heads * (shape.queryKeySize + shape.valueSize)
    for _ in 0..<lowering.setting.context {
      pass(.add, queries, recipe.activation, .float32, on: gradients[0], .backwardInput)
      pass(.add, keys, recipe.activation, .float32, on: gradients[1], .backwardInput)
      pass(.cast, keys, .float32, .float32, on: gradients[1], .backwardInput)
    }
    for (columns, gradient) in [(queries, gradients[0]), (keys, gradients[1])] {
      pass(.cast, columns, .float32, recipe.activation, on: gradient, .backwardInput)
    }
  }

  /// A pass over this rank's own tokens.
  private func pass(
    _ kind: Streaming, _ columns: Int, _ from: Format, _ to: Format, on buffer: BufferID,
    _ half: Programs.Pass
  ) {
    emit(
      .convert(
        kind, rows: .fixed(lowering.setting.tokens), columns: columns, from: from, to: to),
      outputs: [], inputs: [buffer], half)
  }
}
