/// What PyTorch's operators and libraries do beside the model's own under some frameworks.
extension Emission {
  /// Joins the gradients of a unit that is one flat tensor, and divides them before they are added up.
  ///
  /// The parameters of a unit are views that `split` made of one tensor, whose backward is a concatenation in the
  /// format of activations; what is reduced is divided by a power of two in front (PyTorch 2.1,
  /// `torch/distributed/fsdp/flat_param.py`, `_get_unflat_views`; `_runtime_utils.py`, `_div_if_needed` on
  /// `padded_unsharded_grad`). The cast in between is that of formed gradients.
  func joinGradients(of members: [Int], _ wholes: [BufferID]) {
    guard lowering.setting.flattensUnits else { return }
    let elements = members.reduce(0) { $0 + lowering.parameters[$1].elements }
    func pass(_ kind: Streaming, _ format: Format) {
      emitWeight(
        .convert(kind, rows: .fixed(elements), columns: 1, from: format, to: format),
        outputs: wholes, inputs: wholes)
    }
    pass(.copy, recipe.activation)
    pass(.cast, recipe.reduction)
  }

  /// Takes measures of a loss: each casts the logits to 32 bits and forms the logarithms of their probabilities,
  /// which reads a row for its maximum, for its sum and once more (Composer 0.16, `metrics/nlp.py`; autocast has
  /// `log_softmax` in 32 bits; PyTorch 2.1, `aten/src/ATen/native/cuda/SoftMax.cu`, `cunn_SoftMaxForward`: a row of a
  /// vocabulary does not fit into shared memory).
  ///
  /// Composer takes them behind the backward, where nothing is kept but logits: they need no room of their own.
  func emitLossMeasures(of logits: Value, in buffer: BufferID) {
    for _ in 0..<lowering.setting.lossMeasures {
      for from in [recipe.activation, .float32, .float32] {
        emit(
          .convert(
            .cast, rows: logits.rows, columns: logits.columns, from: from, to: .float32),
          outputs: [], inputs: [buffer], .forward)
      }
    }
  }

  /// Rows with padding taken out or put in, which here is none: each is moved by its number all the same.
  enum Padding { case removed, restored }

  /// Moves the rows of so many columns: a gather where padding goes; where it comes back, zeros and a scatter.
  ///
  /// Source: flash-attn 2.3, `bert_padding.py`, `IndexFirstAxis` and `IndexPutFirstAxis`, each the other's backward.
  func move(_ padding: Padding, columns: Int, _ pass: Programs.Pass, in buffers: [BufferID]) {
    let rows = Rows.fixed(lowering.setting.tokens)
    let format = recipe.activation
    if padding == .restored {
      let bytes = lowering.setting.tokens * format.bytes(columns: columns)
      emit(
        .clear(elements: bytes / recipe.gradient.bytes(columns: 1)), outputs: buffers, inputs: [],
        pass)
    }
    emit(
      .convert(.permute, rows: rows, columns: columns, from: format, to: format),
      outputs: buffers, inputs: buffers, pass)
  }

  /// In front of a fused core: queries, keys and values without padding, the place of each row and the longest
  /// sequence read by the host.
  ///
  /// For each of the three: the rows that count are selected in three kernels behind the host's look at how many
  /// they are; a maximum, at which it looks too, a running sum, and zeros in front of it in two
  /// (`unpad_input`; PyTorch 2.1, `aten/src/ATen/native/cuda/Nonzero.cu`).
  func removePadding(_ shape: AttentionShape, in inputs: [BufferID]) {
    guard lowering.setting.removesPadding else { return }
    for (columns, buffer) in zip(shape.columnsOfParts, inputs) {
      emit(.awaited(launches: 7), outputs: [], inputs: [], .forward)
      move(.removed, columns: columns, .forward, in: [buffer])
    }
  }

  /// Behind a fused core: its result with padding.
  func restorePadding(_ shape: AttentionShape, of output: BufferID) {
    guard lowering.setting.removesPadding else { return }
    move(.restored, columns: shape.heads * shape.valueSize, .forward, in: [output])
  }

  /// The same backward: the result's gradient in front, those of queries, keys and values behind.
  func removePadding(_ shape: AttentionShape, ofGradient out: BufferID) {
    guard lowering.setting.removesPadding else { return }
    move(.removed, columns: shape.heads * shape.valueSize, .backwardInput, in: [out])
  }

  func restorePadding(_ shape: AttentionShape, ofGradients gradients: [BufferID]) {
    guard lowering.setting.removesPadding else { return }
    for (columns, buffer) in zip(shape.columnsOfParts, gradients) {
      move(.restored, columns: columns, .backwardInput, in: [buffer])
    }
  }
}

extension AttentionShape {
  /// Columns of queries, keys and values.
  fileprivate var columnsOfParts: [Int] {
    [heads * queryKeySize, keyValueHeads * queryKeySize, keyValueHeads * valueSize]
  }
}
