import Plans
import Programs

/// Sequences of a data rank that go through the model together.
struct InferencePart: Hashable {
  /// Those that are served: they have caches.
  var sequences: Int
  /// The same with rows that fill them up for tensor ranks, each of which routes an equal part to experts: these
  /// go through products and exchanges and have no caches.
  var filled: Int

  /// The batch of a request in so many parts.
  ///
  /// - Parameters:
  ///   - tokens: new ones of each sequence.
  ///   - tensorRanks: those that divide the rows.
  /// - Throws: `PlanError` where a prefill's rows do not divide: its sequences have their lengths.
  static func parts(
    _ request: InferenceRequest, _ count: Int, tokens: Int, tensorRanks: Int
  ) throws(PlanError) -> [Self] {
    var parts: [Self] = []
    for index in 0..<count {
      let sequences = (request.batch + index) / count
      var filled = sequences
      if filled * tokens % tensorRanks != 0, case .prefill = request.kind {
        throw .cannotSimulate(
          key: "tensor-parallel", value: "\(tensorRanks)",
          rule: "does not divide the rows of a part, which are \(filled * tokens)")
      }
      while filled * tokens % tensorRanks != 0 { filled += 1 }
      parts.append(Self(sequences: sequences, filled: filled))
    }
    return parts
  }

  /// A kernel that reads or writes caches, of the sequences that have some.
  func caching(_ kernel: Kernel) -> Kernel {
    switch kernel {
    case .attention(var shape, let isFused, let pass) where shape.isCached:
      shape.sequences = sequences
      return .attention(shape, fused: isFused, pass)
    case .cache(let tokens, let columns):
      return .cache(tokens: tokens / filled * sequences, columns: columns)
    default: return kernel
    }
  }
}
