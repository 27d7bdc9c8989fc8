/// What FP8 products read of weights, made once in a step.
extension StageProgram {
  /// The FP8 copies of the updated weights.
  ///
  /// In blocks: weights are scaled in blocks of 128 × 128 by their largest entry as it is then (arXiv
  /// 2412.19437, section 3.3.2); no microbatch does it again, since the published trace has no kernel that
  /// quantises a weight, only such as transpose weights in FP8 (profile-data, training trace).
  ///
  /// With one scale a tensor: rows and columns in one pass, with the first microbatch of a step, which is
  /// behind the update here (TransformerEngine, `is_first_microbatch`, which Megatron-Core sets). A weight
  /// that exists in FP8 alone has its rows already.
  mutating func addQuantization(_ setting: LoweringSetting) {
    for parameter in parameters {
      let recipe = setting.recipe(of: parameter)
      guard recipe.keepsQuantizedWeights, isReadInFloat8(parameter) else { continue }
      if recipe.keepsFloat8Weights {
        let columns = addCopy("weight, transposed", parameter, recipe.float8)
        addConversion(of: parameter, .transpose, from: recipe.float8, to: recipe, [columns])
        continue
      }
      var copies = [addCopy("weight, quantised", parameter, recipe.float8)]
      guard recipe.castsBothWays else {
        addConversion(
          of: parameter, recipe.linearWeight.conversion(to: recipe.float8),
          from: recipe.linearWeight, to: recipe, copies)
        continue
      }
      copies.append(addCopy("weight, transposed", parameter, recipe.float8))
      if recipe.scaling == .current {
        settle.addScales(
          of: parameter.rows, columns: parameter.columns, recipe.linearWeight,
          inputs: [parameter.buffer])
      }
      addConversion(of: parameter, .castTranspose, from: recipe.linearWeight, to: recipe, copies)
    }
  }

  private mutating func addCopy(
    _ name: String, _ parameter: StageParameter, _ format: Format
  ) -> BufferID {
    buffers.append(
      Buffer(
        name, .parameter, .stage, rows: .fixed(parameter.rows), columns: parameter.columns,
        format: format))
    return BufferID(buffers.count - 1)
  }

  private mutating func addConversion(
    of parameter: StageParameter, _ kind: Streaming, from: Format, to recipe: Recipe,
    _ outputs: [BufferID]
  ) {
    settle.steps.append(.compute(Int32(settle.operations.count)))
    settle.operations.append(
      Operation(
        .convert(
          kind, rows: .fixed(parameter.rows), columns: parameter.columns, from: from,
          to: recipe.float8), outputs: outputs, inputs: [parameter.buffer], phase: .optimizer,
        pass: .backwardWeight, layer: -1))
  }

  /// Whether a product of the forward reads the weight in FP8, or its transpose.
  private func isReadInFloat8(_ parameter: StageParameter) -> Bool {
    forward.operations.contains { operation in
      switch operation.kernel {
      case .matmul(let product), .groupedMatmul(let product, _):
        product.format.isFloat8 && operation.inputs.dropFirst().first == parameter.buffer
      case .convert(.transpose, _, _, from: .float8, to: _):
        operation.inputs.first == parameter.buffer
      default: false
      }
    }
  }
}

extension Program {
  /// Appends a pass over numbers for the greatest magnitude of each tensor among them.
  mutating func addScales(of rows: Int, columns: Int, _ format: Format, inputs: [BufferID]) {
    steps.append(.compute(Int32(operations.count)))
    operations.append(
      Operation(
        .convert(
          .greatestMagnitude, rows: .fixed(rows), columns: columns, from: format, to: .float32),
        outputs: [], inputs: inputs, phase: .optimizer, pass: .backwardWeight, layer: -1))
  }
}
