import Programs

/// The prices of one program's operations, ready to be looked up by number.
///
/// A kernel of fixed size has one price. Of a kernel over routed rows a price is kept for every block
/// of rows that has occurred; kernels that differ only in which exchange feeds them share their
/// prices.
final class ProgramPrices {
  /// A kernel over routed rows, and where the number of rows comes from.
  struct Routed {
    var table: Int32
    var rows: Rows
    /// FLOPs of one row: they grow in proportion.
    var flopsPerRow: Double
  }

  /// Seconds and picoseconds of fixed kernels; −1 less the place in `routed` for the others.
  let picosecondsOf: [Int64]
  let secondsOf: [Double]
  let routed: [Routed]
  /// FLOPs of all fixed kernels, and with attention counted on and below the diagonal only.
  let flops: Double
  let causalFLOPs: Double

  /// - Parameter channels: multiprocessors that collectives beside the kernels take.
  init(
    _ program: Program, pricing: any Pricing, isOverlapped: Bool, channels: Int = 0,
    tables: RoutedPrices
  ) {
    var picoseconds: [Int64] = []
    var seconds: [Double] = []
    var routed: [Routed] = []
    var (flops, causal) = (0.0, 0.0)
    for operation in program.operations {
      let kernel = operation.kernel
      if let rows = kernel.rows, rows.exchange != nil {
        seconds.append(0)
        picoseconds.append(-1 - Int64(routed.count))
        routed.append(
          Routed(
            table: tables.table(of: operation, isOverlapped: isOverlapped, channels: channels),
            rows: rows,
            flopsPerRow: kernel.flops { if case .fixed(let count) = $0 { count } else { 1 } }))
        continue
      }
      let price = pricing.seconds(
        of: operation, rows: ExchangeRows(), isOverlapped: isOverlapped, channels: channels)
      seconds.append(price)
      picoseconds.append(Simulation.picoseconds(price))
      let work = kernel.flops { ExchangeRows()($0) }
      flops += work
      let isHalf = if case .attention(let shape, _, _) = kernel { shape.isCausal } else { false }
      causal += isHalf ? work / 2 : work
    }
    picosecondsOf = picoseconds
    secondsOf = seconds
    self.routed = routed
    self.flops = flops
    causalFLOPs = causal
  }

  /// FLOPs of the kernels over routed rows.
  func routedFLOPs(_ rows: ExchangeRows) -> Double {
    routed.reduce(0) { $0 + $1.flopsPerRow * Double(rows($1.rows)) }
  }
}

/// Prices of kernels over routed rows, by kernel and block of rows; worked out when first asked for.
final class RoutedPrices {
  private struct Key: Hashable {
    var kernel: Kernel
    var isOverlapped: Bool
    var channels: Int
  }

  private let pricing: any Pricing
  private let block: Int
  private var tables: [Key: Int32] = [:]
  private var operations: [(Operation, isOverlapped: Bool, channels: Int)] = []
  /// Seconds per block, −1 where nobody has asked.
  private var seconds: [[Double]] = []

  init(_ pricing: any Pricing) {
    self.pricing = pricing
    block = pricing.rowsPerBlock
    precondition(block > 0, "A block has rows.")
  }

  func table(of operation: Operation, isOverlapped: Bool, channels: Int) -> Int32 {
    var operation = operation
    operation.kernel = operation.kernel.onFirstExchange
    let key = Key(
      kernel: operation.kernel, isOverlapped: isOverlapped, channels: channels)
    if let table = tables[key] { return table }
    let table = Int32(seconds.count)
    tables[key] = table
    operations.append((operation, isOverlapped, channels))
    seconds.append([])
    return table
  }

  func price(_ table: Int32, rows: Int) -> Double {
    let (table, index) = (Int(table), (rows + block - 1) / block)
    if index < seconds[table].count, seconds[table][index] >= 0 { return seconds[table][index] }
    return fill(table, index)
  }

  private func fill(_ table: Int, _ index: Int) -> Double {
    while seconds[table].count <= index { seconds[table].append(-1) }
    let (operation, isOverlapped, channels) = operations[table]
    let exchange = operation.kernel.rows?.exchange ?? 0
    let rows = Array(repeating: index * block, count: exchange + 1)
    let price = pricing.seconds(
      of: operation, rows: ExchangeRows(received: rows, routed: rows, sent: rows),
      isOverlapped: isOverlapped, channels: channels)
    seconds[table][index] = price
    return price
  }
}

extension Rows {
  /// The exchange that decides the number; nil where it is fixed.
  package var exchange: Int? {
    switch self {
    case .fixed: nil
    case .received(let exchange), .routed(let exchange), .sent(let exchange),
      .gathered(let exchange, _):
      exchange
    }
  }

  /// The same number of the stage's first exchange.
  var onFirstExchange: Rows {
    switch self {
    case .fixed: self
    case .received, .gathered: .received(exchange: 0)
    case .routed: .routed(exchange: 0)
    case .sent: .sent(exchange: 0)
    }
  }
}

extension Kernel {
  /// The same kernel behind the stage's first exchange.
  var onFirstExchange: Kernel {
    func first(_ matmul: Matmul) -> Matmul {
      var matmul = matmul
      matmul.m = matmul.m.onFirstExchange
      return matmul
    }
    switch self {
    case .matmul(let matmul): return .matmul(first(matmul))
    case .groupedMatmul(let matmul, let experts):
      return .groupedMatmul(first(matmul), experts: experts)
    case .norm(let rows, let columns, let epsilon, let centred, let pass):
      return .norm(
        rows: rows.onFirstExchange, columns: columns, epsilon: epsilon, centred: centred, pass)
    case .quantizedNorm(let rows, let columns, let epsilon, let centred):
      return .quantizedNorm(
        rows: rows.onFirstExchange, columns: columns, epsilon: epsilon, centred: centred)
    case .add(let rows, let columns, let terms):
      return .add(rows: rows.onFirstExchange, columns: columns, terms: terms)
    case .gatedUnit(let rows, let columns, let weighted, let pass):
      return .gatedUnit(rows: rows.onFirstExchange, columns: columns, weighted: weighted, pass)
    case .gelu(let rows, let columns, let pass):
      return .gelu(rows: rows.onFirstExchange, columns: columns, pass)
    case .join(let rows, let columns, let pass):
      return .join(rows: rows.onFirstExchange, columns: columns, pass)
    case .convert(let kind, let rows, let columns, let from, let to):
      return .convert(kind, rows: rows.onFirstExchange, columns: columns, from: from, to: to)
    case .launches(let count, let kind, let rows):
      return .launches(count: count, kind, rows: rows.onFirstExchange)
    case .permute(_, let columns, let pass): return .permute(exchange: 0, columns: columns, pass)
    case .unpermute(_, let columns, let pass):
      return .unpermute(exchange: 0, columns: columns, pass)
    default: return self
    }
  }
}
