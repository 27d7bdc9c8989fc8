/// Buffers that live for one operation or one transfer.
extension Emission {
  /// What operators of a loss write beside what is kept, while it runs (torchtitan b5bcd76,
  /// `components/loss.py`: `cross_entropy(pred.float(), …)`, whose log-softmax keeps its result; nanotron 67c5ebb6,
  /// `models/llama.py`: the head's `x.float()`, from which `tensor_parallel/functional.py` takes the maxima).
  func copiesOfLogits(_ logits: Value, _ names: [String], are written: Bool) -> [BufferID] {
    guard written else { return [] }
    return names.map {
      lowering.temporary($0, logits.rows, logits.columns, .float32, .workspace)
    }
  }

  /// What a CPU rank packs messages into and receives them in, behind a transfer's outputs.
  ///
  /// Only where rows do not lie in one piece. A GPU's kernels read and write them where they lie.
  func stagingBuffers(_ shapes: [(rows: Rows, columns: Int)]) -> [BufferID] {
    guard !isDeviceProgram else { return [] }
    return shapes.map {
      lowering.temporary("staging", $0.rows, $0.columns, .float32, .communication)
    }
  }
}
