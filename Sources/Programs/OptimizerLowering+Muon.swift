import Models
import Plans

/// Muon: which parameters are matrices, and what updates them.
extension StageProgram {
  /// Whether Muon updates a parameter: a matrix of a layer.
  ///
  /// Embeddings, head and vectors are AdamW's.
  func isMatrix(_ parameter: StageParameter) -> Bool {
    parameter.rows > 1 && parameter.columns > 1
      && parameter.roles.allSatisfy { role in
        switch role {
        case .tokenEmbedding, .positionEmbedding, .predictionTokenEmbedding, .head,
          .predictionHead, .expertGateBias, .expertUpBias, .expertDownBias, .queryHeadNorm,
          .keyHeadNorm:
          false
        default: true
        }
      }
  }

  /// The sides of the matrices that a parameter is made of: every tensor of the model by itself, of a tensor
  /// rank its own part (Megatron-LM, `--muon-tp-mode blockwise`, its default).
  private func matrices(
    of parameter: StageParameter, _ setting: LoweringSetting, _ architecture: Architecture
  ) -> [(rows: Int, columns: Int, count: Int)] {
    let (rows, columns) = (parameter.rows, parameter.columns)
    if parameter.isAdapter { return [(rows, columns, 1)] }
    switch (parameter.roles.first, architecture.attention) {
    case (.query, .multiHead(let shape)) where parameter.roles.count == 3:
      let keys = max(1, shape.keyValueHeads / setting.tensor) * shape.headSize
      return [(rows - 2 * keys, columns, 1), (keys, columns, 2)]
    // Stored with the outputs along the columns.
    case (.fusedQueryKeyValue, .multiHead(let shape)):
      let keys = max(1, shape.keyValueHeads / setting.tensor) * shape.headSize
      return [(rows, columns - 2 * keys, 1), (rows, keys, 2)]
    default:
      let experts = architecture.feedForwards.compactMap(\.mixture).first?.routedExperts ?? 0
      let local =
        parameter.isExpert ? (experts + setting.redundantExperts) / setting.expert : 1
      let count = local * parameter.roles.count
      return [(rows / count, columns, count)]
    }
  }

  /// Adds the updates of a segment's matrices, those of one shape together, and the memory that they take.
  mutating func addOrthogonalization(
    of tensors: [Int], _ segment: GradientSegment, _ source: [BufferID], _ setting: LoweringSetting,
    _ architecture: Architecture
  ) {
    guard !tensors.isEmpty else { return }
    let recipe = setting.recipe
    var updates: [Orthogonalization] = []
    for index in tensors {
      let parameter = parameters[index]
      func size(_ format: Format) -> Int { format.bytes(columns: 1) }
      // Gradient in, moment in and out, the orthogonal matrix in, master weights in and out or the parameter
      // itself, and the parameter out.
      let out = size(recipe.workingCopy(of: parameter))
      let fixed =
        size(buffers[Int(source[0].index)].format) + size(recipe.optimizerProduct.stored) + out
        + (recipe.master.map { 2 * size($0) } ?? out)
      for matrix in matrices(of: parameter, setting, architecture) {
        let elements = matrix.rows * matrix.columns * matrix.count
        var update = Orthogonalization(
          short: min(matrix.rows, matrix.columns), long: max(matrix.rows, matrix.columns),
          matrices: matrix.count, format: recipe.optimizerProduct,
          bytes: elements * fixed + 2 * recipe.moment.bytes(columns: elements))
        let known = updates.firstIndex { $0.short == update.short && $0.long == update.long }
        if let known {
          update.matrices += updates[known].matrices
          update.bytes += updates[known].bytes
          updates[known] = update
        } else {
          updates.append(update)
        }
      }
    }
    let state = tensors.map { parameters[$0].buffer } + [segment.firstMoment]
    let largest = updates.map(\.workspaceElements).max() ?? 0
    buffers.append(
      Buffer(
        "Newton-Schulz matrices", .workspace, .action, rows: .fixed(largest), columns: 1,
        format: recipe.optimizerProduct.stored))
    let workspace = BufferID(buffers.count - 1)
    update.steps.append(.acquire(workspace))
    for matrices in updates {
      appendUpdate(
        .orthogonalize(matrices), outputs: state + [workspace], inputs: source)
    }
    update.steps.append(.release(workspace))
  }
}
