/// What PyTorch's functional collectives copy around the exchanges of a tensor group.
///
/// They gather and scatter along a tensor's first dimension. torchtitan divides the second, the sequence, so that what a
/// gather brings is cut and laid together again, and so is what a scatter adds up, in front of it (PyTorch 2.5,
/// `torch/distributed/_functional_collectives.py`, `all_gather_tensor`, `reduce_scatter_tensor`: `torch.cat` of
/// `torch.chunk`). Megatron-LM has the sequence first. Exchanges cut into chunks go without
/// (`torch/distributed/_symmetric_memory`, which moves that dimension to the front).
extension Emission {
  /// Lays the rows of a whole sequence together that a gather has brought or a scatter will take.
  func layTogether(_ buffer: BufferID, columns: Int, _ half: Programs.Pass) {
    guard lowering.setting.copiesTensorExchanges, lowering.setting.sequenceParallel else { return }
    waitFor([buffer])
    let format = lowering.buffers[Int(buffer.index)].format
    emit(
      .convert(
        .copy, rows: .fixed(lowering.setting.tokens), columns: columns, from: format, to: format),
      outputs: [buffer], inputs: [buffer], half)
  }
}
