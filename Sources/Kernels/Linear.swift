/// How a linear layer's weight lies in memory.
public enum WeightLayout: Sendable {
  /// (outputs, inputs): Hugging Face's `nn.Linear`.
  case outputsFirst
  /// (inputs, outputs): GPT-2's `Conv1D`.
  case inputsFirst
}

/// The sizes of a linear layer applied to a number of rows.
public struct LinearShape: Equatable, Sendable {
  public var rows: Int
  public var inputs: Int
  public var outputs: Int
  public var layout: WeightLayout

  public init(rows: Int, inputs: Int, outputs: Int, layout: WeightLayout = .outputsFirst) {
    precondition(rows >= 0 && inputs > 0 && outputs > 0, "a linear layer has sides")
    self.rows = rows
    self.inputs = inputs
    self.outputs = outputs
    self.layout = layout
  }

  fileprivate func weight(_ start: UnsafePointer<Float>) -> Factor {
    layout == .outputsFirst
      ? Factor(start, stride: inputs, isTransposed: true, isWeight: true)
      : Factor(start, stride: outputs, isWeight: true)
  }
}

/// out (rows, outputs) = input (rows, inputs) * weight, plus bias (outputs) where given.
///
/// With `accumulate` the result is added to `out`. The bias is laid into `out` before the product.
public func linearForward(
  _ out: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, bias: UnsafePointer<Float>? = nil, _ shape: LinearShape,
  accumulate: Bool = false, on bench: Workbench
) {
  if let bias {
    for row in 0..<shape.rows {
      let target = out + row * shape.outputs
      if accumulate {
        add(target, target, bias, count: shape.outputs)
      } else {
        copy(target, bias, count: shape.outputs)
      }
    }
  }
  matmul(
    out, stride: shape.outputs, Factor(input, stride: shape.inputs), shape.weight(weight),
    ProductSize(m: shape.rows, n: shape.outputs, k: shape.inputs),
    accumulate: accumulate || bias != nil, on: bench)
}

/// inputGradient (rows, inputs) = outputGradient (rows, outputs) * weight, turned.
public func linearBackwardInput(
  _ inputGradient: UnsafeMutablePointer<Float>, _ outputGradient: UnsafePointer<Float>,
  _ weight: UnsafePointer<Float>, _ shape: LinearShape, accumulate: Bool = false,
  on bench: Workbench
) {
  var turned = shape.weight(weight)
  turned.isTransposed.toggle()
  matmul(
    inputGradient, stride: shape.inputs, Factor(outputGradient, stride: shape.outputs), turned,
    ProductSize(m: shape.rows, n: shape.inputs, k: shape.outputs), accumulate: accumulate,
    on: bench)
}

/// weightGradient, laid out as the weight, += outputGradient (rows, outputs), turned, * input.
///
/// Without `accumulate` it is overwritten. `input` is (rows, inputs).
public func linearBackwardWeight(
  _ weightGradient: UnsafeMutablePointer<Float>, _ outputGradient: UnsafePointer<Float>,
  _ input: UnsafePointer<Float>, _ shape: LinearShape, accumulate: Bool = true,
  on bench: Workbench
) {
  switch shape.layout {
  case .outputsFirst:
    matmul(
      weightGradient, stride: shape.inputs,
      Factor(outputGradient, stride: shape.outputs, isTransposed: true),
      Factor(input, stride: shape.inputs),
      ProductSize(m: shape.outputs, n: shape.inputs, k: shape.rows), accumulate: accumulate,
      on: bench)
  case .inputsFirst:
    matmul(
      weightGradient, stride: shape.outputs,
      Factor(input, stride: shape.inputs, isTransposed: true),
      Factor(outputGradient, stride: shape.outputs),
      ProductSize(m: shape.inputs, n: shape.outputs, k: shape.rows), accumulate: accumulate,
      on: bench)
  }
}

/// biasGradient (outputs) += the sum over rows of outputGradient (rows, outputs), in row order.
///
/// It belongs to the input half of a backward pass. Without `accumulate` it is overwritten.
public func biasBackward(
  _ biasGradient: UnsafeMutablePointer<Float>, _ outputGradient: UnsafePointer<Float>, rows: Int,
  outputs: Int, accumulate: Bool = true
) {
  precondition(rows >= 0 && outputs > 0, "a bias has elements")
  if !accumulate { fill(biasGradient, with: 0, count: outputs) }
  var row = 0
  while row + 4 <= rows {
    let a = outputGradient + row * outputs
    let (b, c, d) = (a + outputs, a + 2 * outputs, a + 3 * outputs)
    sweep(outputs) { i, n in
      let sum = (a.lanes(i, n) + b.lanes(i, n)) + (c.lanes(i, n) + d.lanes(i, n))
      biasGradient.store(biasGradient.lanes(i, n) + sum, i, n)
    }
    row += 4
  }
  while row < rows {
    add(biasGradient, biasGradient, outputGradient + row * outputs, count: outputs)
    row += 1
  }
}
