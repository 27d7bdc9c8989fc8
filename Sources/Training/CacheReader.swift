import Engines
import Kernels
import Programs

/// An attention of a stage's forward that reads caches, for products before it that ask for them.
struct CacheReader {
  /// Its number among the forward's operations.
  var operation: Int
  var shape: Programs.AttentionShape
  /// Caches with the columns of a position.
  var caches: [(buffer: BufferID, columns: Int)]

  /// Weights between two attentions above which what was asked for would not stay in a second cache of
  /// 1 MiB, in floats.
  private static let mostWeights = 1 << 17

  /// Those of a forward; none where too much is read between them.
  static func all(in program: Program) -> [CacheReader] {
    var readers: [CacheReader] = []
    var weights = 0
    for (index, operation) in program.operations.enumerated() {
      switch operation.kernel {
      case .matmul(let matmul): weights += matmul.k * matmul.n
      case .groupedMatmul: return []
      case .attention(let shape, _, .forward) where shape.isCached && shape.queries == 1:
        let inputs = operation.operands[operation.outputCount...].dropFirst()
        let columns = [
          shape.keyValueHeads * (shape.queryKeySize - shape.sharedKeySize),
          shape.keyValueHeads * shape.valueSize, shape.sharedKeySize,
        ]
        var caches: [(buffer: BufferID, columns: Int)] = []
        // Latent attention has keys and values in one.
        for (buffer, columns) in zip(inputs, columns)
        where !caches.contains(where: { $0.buffer == buffer }) {
          caches.append((buffer, columns))
        }
        readers.append(CacheReader(operation: index, shape: shape, caches: caches))
      default: break
      }
    }
    return weights <= mostWeights * readers.count ? readers : []
  }
}

extension RankBackend {
  /// Has the products behind an attention ask for what the next one reads of its caches: that of the next
  /// layer, or behind the last one the first of the next microbatch.
  func askForCaches(after operation: Int, _ instance: Instance) {
    let stage = Int(instance.stage)
    guard bench.keepsRowsApart, let readers = cacheReaders[stage],
      let own = readers.firstIndex(where: { $0.operation == operation })
    else { return }
    let isLast = own + 1 == readers.count
    let reader = readers[isLast ? 0 : own + 1]
    let microbatch = (Int(instance.microbatch) + (isLast ? 1 : 0)) % microbatches
    let starts = reader.caches.map { floats($0.buffer, stage) }
    bench.forgetWhatIsAhead()
    for sequence in 0..<reader.shape.sequences {
      let slot = microbatch * reader.shape.sequences + sequence
      let filled = cached[slot]
      let keys = min(filled, reader.shape.window ?? filled)
      let first = slot * cachedPositions + filled - keys
      for (start, cache) in zip(starts, reader.caches) {
        bench.willRead(start + first * cache.columns, count: keys * cache.columns)
      }
    }
  }
}
