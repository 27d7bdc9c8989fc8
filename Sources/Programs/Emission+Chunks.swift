/// Chunks of a product that are on their way to the ranks which add them up.
struct LeavingChunks {
  /// What the other ranks send of this rank's rows.
  var received: BufferID
  var transfers: [Int]
}

/// The left operand of a product; where it is quantised a chunk at a time, of what.
struct ProductOperand {
  var buffer: BufferID
  var quantizedFrom: BufferID?
}

/// Tensor parallelism whose gathers and scatters are cut into a chunk of rows for each rank of the group.
///
/// A gather is a ring: a rank multiplies its own rows at once, hands on what has arrived last while it does
/// so, and multiplies each chunk as it comes. A scatter sends every chunk of partial sums to its rank while
/// the next one is multiplied, and adds up what comes in one pass behind the last (Transformer Engine,
/// common/comm_gemm_overlap: `CommOverlapP2PBase`; PyTorch, `_fused_all_gather_matmul` and
/// `_fused_matmul_reduce_scatter`). Both move by copy engines.
///
/// The exchanges of a backward whose product has another beside it are not cut, but run whole beside that
/// one, as is Transformer Engine's default for column-parallel maps (`bulk` for `qkv_dgrad`, `qkv_wgrad`,
/// `fc1_dgrad`, `fc1_wgrad`). Where weight products are put off to an action of their own, the gradient's
/// scatter is cut too (`tp_comm_overlap_rs_dgrad`). Under torchtitan neither is (`LoweringSetting.overlapsTensorExchange`).
extension Emission {
  private var chunkCount: Int { lowering.setting.tensor }

  private func producer(of id: ValueID) -> Node { graph.nodes[value(id).producer] }

  private func isLinear(_ node: Node) -> Bool {
    if case .linear = node.kind { true } else { false }
  }

  private func consumers(of id: ValueID, _ layer: Int) -> [Node] {
    lowering.nodes(ofLayer: layer).filter { graph.nodes[$0].inputs.contains(id) }
      .map { graph.nodes[$0] }
  }

  // MARK: Which exchanges are cut

  /// Whether a gather is cut: a product reads it now; in a backward, one that is run again.
  func gathersInChunks(_ node: Node) -> Bool {
    guard lowering.setting.splitsTensorExchange, isForward || node.isRerun,
      !regathers.contains(value(node.outputs[0]).producer)
    else { return false }
    return consumers(of: node.outputs[0], node.layer).first.map(isLinear) == true
  }

  /// Whether the gradient of a scatter is gathered in chunks: the product before it reads it.
  func gathersGradientInChunks(_ node: Node) -> Bool {
    lowering.setting.splitsTensorExchange && isLinear(producer(of: node.inputs[0]))
  }

  /// Whether the result of a linear map is sent away chunk by chunk.
  func scattersInChunks(_ node: Node) -> Bool {
    guard lowering.setting.splitsTensorExchange else { return false }
    let next = consumers(of: node.outputs[0], node.layer)
    guard next.count == 1, case .scatterSequence = next[0].kind else { return false }
    return true
  }

  /// Whether the input gradient of a linear map is, for want of a weight product to run beside.
  func scattersGradientInChunks(_ node: Node) -> Bool {
    guard lowering.setting.splitsTensorExchange, lowering.setting.overlapsTensorExchange,
      pass == .backwardInput,
      case .gatherSequence = producer(of: node.inputs[0]).kind
    else { return false }
    return consumers(of: node.inputs[0], node.layer).count == 1
  }

  /// Gathers the input of a weight product again beside the product of the input gradient; a weight half
  /// that comes later gathers it itself.
  func gatherAhead(_ node: Node) {
    guard lowering.setting.overlapsTensorExchange, pass == .backward,
      live[node.inputs[0].index] == nil, case .gatherSequence = producer(of: node.inputs[0]).kind
    else { return }
    _ = need(node.inputs[0])
  }

  // MARK: Chunks

  private func chunk(of rows: Rows) -> Rows {
    guard case .fixed(let count) = rows else {
      preconditionFailure("Only sequences are cut into chunks.")
    }
    precondition(count % chunkCount == 0, "Ranks hold equal parts of a sequence.")
    return .fixed(count / chunkCount)
  }

  /// Rows that the other ranks send of this one's chunk.
  private func others(of rows: Rows) -> Rows {
    guard case .fixed(let part) = chunk(of: rows) else { return rows }
    return .fixed(part * (chunkCount - 1))
  }

  /// Starts a step of a gather or scatter.
  private func shift(
    outputs: [BufferID], inputs: [BufferID], rows: Rows, bytesPerRow: Int, _ half: Programs.Pass
  ) -> Int {
    transfers.append(
      Transfer(
        .shift(.tensor), outputs: outputs, inputs: inputs, stream: .tensor,
        bytesPerRow: bytesPerRow, rows: rows, phase: current.phase, pass: half,
        layer: current.layer))
    items.append(.start(transfers.count - 1))
    return transfers.count - 1
  }

  /// Starts to gather this rank's rows, of which `shape` has as many as the rank, into `out`.
  func gatherInChunks(
    _ input: BufferID, into out: BufferID, _ shape: Value, _ half: Programs.Pass
  ) {
    let format = lowering.buffers[Int(input.index)].format
    // The others read this rank's rows where all of them come to lie.
    emit(
      .convert(.copy, rows: shape.rows, columns: shape.columns, from: format, to: format),
      outputs: [out], inputs: [input], half)
    arriving[out] = (1..<chunkCount).map { _ in
      shift(
        outputs: [out], inputs: [out], rows: shape.rows,
        bytesPerRow: format.bytes(columns: shape.columns), half)
    }
  }

  /// The chunks that a product of `buffer` will wait for one by one; nil where it has come whole.
  func takeArrivals(of buffer: BufferID) -> [Int]? { arriving.removeValue(forKey: buffer) }

  /// Emits a product, in chunks where its operand comes in them or its result goes in them.
  ///
  /// - Parameters:
  ///   - shape: of the operand.
  ///   - outputs: the product's buffer first.
  ///   - sends: what the result is like, where its chunks are sent away.
  func emitProduct(
    _ matmul: Matmul, of operand: ProductOperand, _ shape: Value, arrivals: [Int]?,
    outputs: [BufferID], inputs: [BufferID], sends: Value?, _ half: Programs.Pass
  ) {
    guard arrivals != nil || sends != nil else {
      emit(.matmul(matmul), outputs: outputs, inputs: [operand.buffer] + inputs, half)
      return
    }
    var (part, rows) = (matmul, shape)
    part.m = chunk(of: matmul.m)
    rows.rows = part.m
    let received = sends.map {
      lowering.temporary(
        "\($0.name), partial sums", others(of: $0.rows), $0.columns, recipe.activation)
    }
    var sent: [Int] = []
    for index in 0..<chunkCount {
      if let arrivals, index > 0 { items.append(.wait(arrivals[index - 1])) }
      if let source = operand.quantizedFrom { quantize(source, into: operand.buffer, rows, half) }
      emit(.matmul(part), outputs: outputs, inputs: [operand.buffer] + inputs, half)
      guard let received, let sends, index + 1 < chunkCount else { continue }
      sent.append(
        shift(
          outputs: [received], inputs: [outputs[0]], rows: part.m,
          bytesPerRow: recipe.activation.bytes(columns: sends.columns), half))
    }
    if let received {
      leaving[outputs[0]] = LeavingChunks(received: received, transfers: sent)
    }
  }

  /// Adds up the chunks of this rank's rows: its own partial sum and those of the others.
  func addChunks(
    of buffer: BufferID, into out: BufferID, _ shape: Value, _ half: Programs.Pass
  ) {
    guard let leaving = leaving.removeValue(forKey: buffer) else { return }
    items += leaving.transfers.map { .wait($0) }
    emit(
      .add(rows: chunk(of: shape.rows), columns: shape.columns, terms: chunkCount),
      outputs: [out], inputs: [buffer, leaving.received], half)
  }
}
