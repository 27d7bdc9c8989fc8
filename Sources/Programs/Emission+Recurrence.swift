/// Recurrent blocks, and what chooses keys for attention.
extension Emission {
  func forwardRecurrent(_ node: Node, _ index: Int) {
    let kernel: Kernel
    switch node.kind {
    case .convolve(let shape): kernel = .convolve(shape, .forward)
    case .scan(let shape): kernel = .scan(shape, .forward)
    case .index(let shape): kernel = .index(shape, .forward)
    default: preconditionFailure("\(node.kind) is no recurrent node")
    }
    let inputs = node.inputs.map(need) + node.parameters.map(parameterBuffer)
    emit(
      kernel, outputs: node.outputs.map(outputBuffer) + outputAuxiliaries(index), inputs: inputs,
      .forward)
  }

  /// Gradients of inputs and of the node's own parameters come from one kernel.
  func backwardRecurrent(_ node: Node, _ index: Int) {
    let kernel: Kernel
    switch node.kind {
    case .convolve(let shape): kernel = .convolve(shape, .backwardInput)
    case .scan(let shape): kernel = .scan(shape, .backwardInput)
    case .index(let shape): kernel = .index(shape, .backwardInput)
    default: preconditionFailure("\(node.kind) is no recurrent node")
    }
    let out = gradient(node.outputs[0])
    let saved = node.inputs.map(need) + auxiliaries(index) + node.parameters.map(parameterBuffer)
    let fresh = node.inputs.map { gradientBuffer($0) }
    emit(
      kernel, outputs: fresh + trained(node.parameters).map(gradientBuffer),
      inputs: [out] + saved, .backwardInput)
    for (part, input) in zip(fresh, node.inputs) { contribute(part, to: input) }
  }
}
