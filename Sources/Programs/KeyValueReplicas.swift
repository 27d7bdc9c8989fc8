import Models

/// Tensor groups with more ranks than key and value heads: every rank has one head, and as many hold the
/// same one as there are ranks for each.
extension LoweringSetting {
  /// Ranks of a tensor group that hold the same key and value head; 1 where each rank has heads of its own.
  public func keyValueReplicas(of architecture: Architecture) -> Int {
    guard case .multiHead(let shape) = architecture.attention else { return 1 }
    return max(1, tensor / shape.keyValueHeads)
  }
}

extension StageProgram {
  /// Adds the gradients of key and value heads up over the ranks that hold the same one, which have each
  /// seen the queries of their own heads only.
  ///
  /// It comes before the reduction of the same parameters over data ranks, on the same stream. Where a
  /// gradient is sharded over copies, a shard is added up.
  mutating func addKeyValueReduction(
    of indices: [Int], _ setting: LoweringSetting, _ architecture: Architecture
  ) {
    guard setting.keyValueReplicas(of: architecture) > 1,
      case .multiHead(let shape) = architecture.attention
    else { return }
    let members = indices.map { parameters[$0] }.filter(\.holdsKeysAndValues)
    guard !members.isEmpty else { return }
    // A rank's rows of the joined projection are its queries' heads, one of keys and one of values.
    let heads = shape.heads / setting.tensor + 2
    let copies = setting.zeroStage >= 2 ? setting.shards(isExpert: false) : 1
    let elements = members.reduce(0) { sum, parameter in
      let ofHeads = parameter.elements / heads * 2
      return sum + (ofHeads + copies - 1) / copies
    }
    let gradients = members.map(\.gradient)
    let number = Int32(reduce.transfers.count)
    reduce.steps.append(.start(number))
    norm.steps.append(.wait(number))
    reduce.transfers.append(
      Transfer(
        .allReduce(.keyValue), outputs: gradients, inputs: gradients, stream: .data,
        bytesPerRow: setting.recipe.gradient.bytes(columns: 1), rows: .fixed(elements),
        phase: .optimizer, pass: .backwardWeight, layer: -1, segment: segments.count))
  }
}

extension StageParameter {
  /// Its rows, or columns, hold projections to keys and values beside those to queries.
  fileprivate var holdsKeysAndValues: Bool {
    roles.contains { role in
      switch role {
      case .key, .keyBias, .fusedQueryKeyValue, .fusedQueryKeyValueBias: true
      default: false
      }
    }
  }
}
