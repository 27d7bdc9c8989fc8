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
    of number: Int, _ shares: [Double], _ lengths: DocumentLengths, channels: Int,
    price: (Operation) -> Double
  ) -> Double {
    guard let operation = operations[number],
      case .attention(let shape, _, _) = operation.kernel
    else { return 0 }
    let key = Key(operation: number, channels: channels)
    if lengths.isRing, !shape.isCausal {
      // The block of another rank of the ring.
      let whole = known[key] ?? [price(operation)]
      known[key] = whole
      return (shares.last ?? 0) * whole[0]
    }
    if known[key] == nil {
      known[key] = lengths.points.map {
        Self.seconds(of: operation, full: $0, of: lengths.whole, price)
      }
    }
    return zip(shares, known[key] ?? []).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// Seconds of a core on a rank whose sequences are full of documents of a length.
  private static func seconds(
    of operation: Operation, full length: Int, of whole: Int, _ price: (Operation) -> Double
  ) -> Double {
    guard case .attention(var shape, let fused, let pass) = operation.kernel, length != whole else {
      return price(operation)
    }
    var other = operation
    if length > whole {
      shape.keys = length
      other.kernel = .attention(shape, fused: fused, pass)
      return price(other)
    }
    // As many documents as fill the sequences, and what they leave in proportion.
    let all = shape.sequences * shape.queries
    let count = max(1, all / length)
    (shape.sequences, shape.queries, shape.keys) = (count, length, length)
    other.kernel = .attention(shape, fused: fused, pass)
    return price(other) * Double(all) / Double(count * length)
  }
}
