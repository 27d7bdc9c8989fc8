/// The weight half of a backward, where it is an action of its own.
extension Emission {
  /// The input of a linear map as its weight product reads it.
  ///
  /// A weight half that comes later gathers again what is gathered over the tensor group, in front of the
  /// product: until then each rank keeps its own part (zero-bubble-pipeline-parallelism,
  /// `megatron/core/tensor_parallel/layers.py`, `pre_process`, which `WeightGradStore.pop` waits for).
  func weightOperand(_ id: ValueID) -> BufferID {
    let producer = graph.nodes[value(id).producer]
    guard pass == .backwardInput, case .gatherSequence = producer.kind else {
      let operand = need(id)
      waitFor([operand])
      return operand
    }
    if let known = regathered[id.index] { return known }
    let part = need(producer.inputs[0])
    waitFor([part])
    let shape = value(producer.inputs[0])
    let whole = lowering.like(id, ", again")
    regathered[id.index] = whole
    transfers.append(
      Transfer(
        .allGather(.tensor), outputs: [whole], inputs: [part], stream: .tensor,
        bytesPerRow: shape.format.bytes(columns: shape.columns), rows: shape.rows,
        phase: current.phase, pass: .backwardWeight, layer: current.layer))
    deferred += [.start(transfers.count - 1), .wait(transfers.count - 1)]
    return whole
  }

  /// The weight half as an emission of its own.
  func splitOffWeights() -> Emission {
    let half = Emission(lowering, .backwardWeight)
    half.items = weightItems
    half.transfers = transfers
    return half
  }
}
