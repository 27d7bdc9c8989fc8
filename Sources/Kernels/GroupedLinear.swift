/// Linear layers of several experts over rows that are sorted by expert.
///
/// Expert e has the rows `offsets[e] ..< offsets[e + 1]` and the weight at `e * weightStride`.
public struct GroupedShape {
  /// The first row of each expert, and the number of rows at the end: experts + 1 numbers.
  public var offsets: [Int]
  public var inputs: Int
  public var outputs: Int
  public var layout: WeightLayout
  /// Elements from one expert's weight to the next.
  public var weightStride: Int

  public init(
    counts: [Int], inputs: Int, outputs: Int, layout: WeightLayout = .outputsFirst,
    weightStride: Int? = nil
  ) {
    precondition(counts.allSatisfy { $0 >= 0 }, "an expert's rows are not negative")
    precondition(inputs > 0 && outputs > 0, "a linear layer has sides")
    offsets = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    self.inputs = inputs
    self.outputs = outputs
    self.layout = layout
    self.weightStride = weightStride ?? inputs * outputs
    precondition(self.weightStride >= inputs * outputs, "weights do not overlap")
  }

  var experts: Int { offsets.count - 1 }

  func linear(_ expert: Int) -> LinearShape {
    LinearShape(
      rows: offsets[expert + 1] - offsets[expert], inputs: inputs, outputs: outputs, layout: layout)
  }
}

/// out (rows, outputs) = input (rows, inputs) times the weight of each row's expert.
public func groupedForward(
  _ out: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ shape: GroupedShape, on bench: Workbench
) {
  for expert in 0..<shape.experts {
    let first = shape.offsets[expert]
    linearForward(
      out + first * shape.outputs, input + first * shape.inputs,
      weights + expert * shape.weightStride, shape.linear(expert), on: bench)
  }
}

/// inputGradient (rows, inputs) = outputGradient (rows, outputs) times each expert's weight, turned.
public func groupedBackwardInput(
  _ inputGradient: UnsafeMutablePointer<Float>, _ outputGradient: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ shape: GroupedShape, accumulate: Bool = false,
  on bench: Workbench
) {
  for expert in 0..<shape.experts {
    let first = shape.offsets[expert]
    linearBackwardInput(
      inputGradient + first * shape.inputs, outputGradient + first * shape.outputs,
      weights + expert * shape.weightStride, shape.linear(expert), accumulate: accumulate,
      on: bench)
  }
}

/// weightGradients, laid out as the weights, += each expert's outputGradient, turned, * input.
///
/// Without `accumulate` they are overwritten, with zero for an expert without rows.
public func groupedBackwardWeight(
  _ weightGradients: UnsafeMutablePointer<Float>, _ outputGradient: UnsafePointer<Float>,
  _ input: UnsafePointer<Float>, _ shape: GroupedShape, accumulate: Bool = true,
  on bench: Workbench
) {
  for expert in 0..<shape.experts {
    let first = shape.offsets[expert]
    linearBackwardWeight(
      weightGradients + expert * shape.weightStride, outputGradient + first * shape.outputs,
      input + first * shape.inputs, shape.linear(expert), accumulate: accumulate, on: bench)
  }
}
