/// Gradients that are formed by themselves and then added to the sum over microbatches.
extension Emission {
  /// Puts a weight product off: one that adds to the sum, or one that forms a gradient, which is added
  /// behind it.
  func emitWeightProduct(_ kernel: Kernel, of id: ParameterID, inputs: [BufferID]) {
    guard !lowering.setting.fusesGradientSums else {
      emitWeight(kernel, outputs: [gradientBuffer(id)], inputs: inputs)
      return
    }
    let formed = formedGradient(id)
    emitWeight(kernel, outputs: [formed], inputs: inputs)
    addFormed(formed, to: id)
  }

  /// Of these parameters, those that are trained.
  func trained(_ ids: some Sequence<ParameterID>) -> [ParameterID] {
    ids.filter { lowering.parameters[$0.index].isTrained }
  }

  /// A parameter's gradient of one microbatch, in the format of activations, as autograd forms it.
  func formedGradient(_ id: ParameterID) -> BufferID {
    let parameter = lowering.parameters[id.index]
    let formed = lowering.temporary(
      "\(parameter.roles[0].rawValue) gradient, formed", .fixed(parameter.rows),
      parameter.columns, recipe.activation, .gradient)
    if lowering.setting.keepsFormedGradients { keptGradients.append(formed) }
    return formed
  }

  /// Fills a formed gradient with zeros, for kernels that add rows to it.
  func clearFormed(_ formed: BufferID) {
    let buffer = lowering.buffers[Int(formed.index)]
    guard case .fixed(let rows) = buffer.rows else { return }
    // `clear` counts numbers of the sums' format.
    let elements = rows * buffer.bytesPerRow / recipe.gradient.bytes(columns: 1)
    emitWeight(.clear(elements: elements), outputs: [formed], inputs: [])
  }

  /// Adds a formed gradient to its sum; where each pass reduces its own whole gradients (ZeRO 2 and 3), there
  /// is nothing to add to, and it is copied into what is reduced.
  func addFormed(_ formed: BufferID, to id: ParameterID) {
    let parameter = lowering.parameters[id.index]
    let sum = gradientBuffer(id)
    let isSum = !lowering.shardsGradient(id)
    let copy: Streaming = lowering.setting.copiesGathered ? .castIntoUnit : .cast
    emitWeight(
      .convert(
        isSum ? .add : copy, rows: .fixed(parameter.rows), columns: parameter.columns,
        from: recipe.activation, to: recipe.gradient), outputs: [sum],
      inputs: isSum ? [sum, formed] : [formed])
  }
}
