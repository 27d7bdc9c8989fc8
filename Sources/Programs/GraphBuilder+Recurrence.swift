import Models

extension GraphBuilder {
  /// A recurrent block behind its norm: projections, a short convolution, the state, a gated norm, the way
  /// back.
  mutating func recurrent(_ input: ValueID, _ whole: Recurrence) -> ValueID {
    var shape = whole
    shape.heads /= setting.tensor
    shape.keyHeads /= setting.tensor
    let projected = linear(
      input, [.recurrentInput], shape.inputWidth - shape.stepWidth,
      "values, gate, queries and keys",
      bias: shape.bias ? [.recurrentInputBias] : [])
    let steps = linear(
      input, [.recurrentSteps], shape.stepWidth, "steps",
      bias: shape.bias ? [.recurrentInputBias] : [])
    var taps = [parameter([.convolution], 1, shape.convolvedWidth * shape.convolution)]
    if shape.convolutionBias { taps.append(parameter([.convolutionBias], 1, shape.convolvedWidth)) }
    let sizes = ConvolutionShape(
      tokens: setting.tokens, read: shape.inputWidth - shape.stepWidth,
      columns: shape.convolvedWidth, width: shape.convolution)
    let convolved = node(
      .convolve(sizes), [projected], ("convolved", tokenRows, shape.convolvedWidth),
      parameters: taps)
    var vectors = [parameter([.decay], 1, shape.heads), parameter([.stepBias], 1, shape.heads)]
    if shape.kind == .stateSpace { vectors.append(parameter([.skip], 1, shape.heads)) }
    let scan = ScanShape(
      sequences: setting.sequences, tokens: setting.sequenceLength / setting.context, block: shape)
    let state = node(
      .scan(scan), [convolved, steps], ("state's values", tokenRows, shape.valueWidth),
      parameters: vectors)
    // Of the delta rule each head is normed by itself, with one gain; of a state-space block all together.
    let isDelta = shape.kind == .gatedDelta
    let normed = norm(
      state, .recurrentNorm, name: "state's norm",
      rows: isDelta ? .fixed(setting.tokens * shape.heads) : tokenRows,
      columns: isDelta ? shape.headSize : shape.valueWidth)
    let gated = node(
      .gatedUnit(weighted: false), [projected, normed],
      ("state's values, gated", tokenRows, shape.valueWidth))
    let out = linear(
      gated, [.recurrentOutput], hidden, "recurrent out",
      bias: shape.bias ? [.recurrentOutputBias] : [])
    return out
  }
}
