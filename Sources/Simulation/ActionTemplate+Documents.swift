import Programs

/// The fused attention cores of an action, whose kernels skip what lies in other documents.
struct DocumentAttention {
  /// By number, those of a forward first; none where whole sequences are attended to.
  private(set) var operations: [Int: Operation] = [:]
  /// FLOPs of all of them over whole sequences, and on and below the diagonal.
  private(set) var flops = (all: 0.0, causal: 0.0)
  /// Seconds of each where a sequence is full of documents of one length, by multiprocessors taken.
  private var known: [Key: [Double]] = [:]

  private struct Key: Hashable {
    var operation: Int
    var channels: Int
  }

  /// None.
  init() {}

  /// Those of a forward and of a backward, or of either.
  init(forward: Program?, backward: Program?) {
    let first = forward?.operations.count ?? 0
    let numbered =
      (forward?.operations.enumerated().map { ($0, $1) } ?? [])
      + (backward?.operations.enumerated().map { (first + $0, $1) } ?? [])
    for (number, operation) in numbered {
      guard case .attention(let shape, fused: true, _) = operation.kernel else { continue }
      operations[number] = operation
      let work = operation.kernel.flops { ExchangeRows()($0) }
      flops.all += work
      flops.causal += shape.isCausal ? work / 2 : work
    }
  }

  /// Seconds of a core on a rank whose sequences are so filled.
  ///
  /// - Parameter price: of an operation of the same kind.
  mutating func seconds(
    of number: Int, _ shares: [Double], points: [Int], channels: Int, price: (Operation) -> Double
  ) -> Double {
    let key = Key(operation: number, channels: channels)
    if known[key] == nil, let operation = operations[number] {
      known[key] = points.map { length in
        guard case .attention(var shape, let fused, let pass) = operation.kernel,
          length < points[points.count - 1], shape.queries == shape.keys
        else { return price(operation) }
        // As many documents as fill the sequences, and what they leave in proportion.
        let all = shape.sequences * shape.queries
        let whole = max(1, all / length)
        (shape.sequences, shape.queries, shape.keys) = (whole, length, length)
        var other = operation
        other.kernel = .attention(shape, fused: fused, pass)
        return price(other) * Double(all) / Double(whole * length)
      }
    }
    return zip(shares, known[key] ?? []).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
