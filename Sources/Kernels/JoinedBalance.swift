/// The balance loss over the joined routers of several layers, as transformers has it (`load_balancing_loss_func`
/// of `models/mixtral/modeling_mixtral.py`, after the Switch Transformer, arXiv 2101.03961, equations 4 to 6).
///
/// Of R rows, those of every layer one behind the other, with E experts:
///   f_i = (rows that chose i) / R,  P_i = mean over rows of s'_i,  loss = E * sum_i f_i P_i.
/// f_i is a count and takes no gradient, so that the backward of a layer needs the counts of all layers and
/// of nothing else.
public struct JoinedBalance: Sendable {
  /// Rows of all layers so far.
  public private(set) var rows = 0
  /// By expert, the rows that chose it, and the sum of its shares in the scores.
  private var counts: [Int]
  private var shares: [Double]

  /// Begins without a row.
  public init(experts: Int) {
    counts = Array(repeating: 0, count: experts)
    shares = Array(repeating: 0, count: experts)
  }

  /// Goes on behind the rows of another rank, to the bit as if they had been added here.
  ///
  /// - Parameter bytes: what `write` wrote there.
  public init(experts: Int, from bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == Self.byteCount(experts: experts), "the sums fill their bytes")
    func count(_ index: Int) -> Int {
      Int(
        bytes.loadUnaligned(
          fromByteOffset: experts * Self.shareBytes + index * Self.countBytes, as: Int32.self))
    }
    shares = (0..<experts).map {
      bytes.loadUnaligned(fromByteOffset: $0 * Self.shareBytes, as: Double.self)
    }
    counts = (0..<experts).map(count)
    rows = count(experts)
  }

  private static let shareBytes = MemoryLayout<Double>.size
  private static let countBytes = MemoryLayout<Int32>.size

  /// The bytes that `write` fills: by expert a sum of shares and a count, and the number of rows.
  public static func byteCount(experts: Int) -> Int {
    experts * (shareBytes + countBytes) + countBytes
  }

  /// Writes the sums of all rows so far, for the rank that holds the next layers; anywhere in memory.
  public func write(to bytes: UnsafeMutableRawBufferPointer) {
    let experts = counts.count
    precondition(bytes.count == Self.byteCount(experts: experts), "the sums fill their bytes")
    for (expert, share) in shares.enumerated() {
      bytes.storeBytes(of: share, toByteOffset: expert * Self.shareBytes, as: Double.self)
    }
    for (index, count) in (counts + [rows]).enumerated() {
      bytes.storeBytes(
        of: Int32(count),
        toByteOffset: experts * Self.shareBytes + index * Self.countBytes, as: Int32.self)
    }
  }

  /// Adds rows of a layer.
  ///
  /// - Parameters:
  ///   - scores: (rows, experts), from the router; experts: (rows, chosen).
  public mutating func add(
    scores: UnsafePointer<Float>, experts: UnsafePointer<Int32>, rows range: Range<Int>,
    _ rule: RouterRule
  ) {
    precondition(rule.experts == counts.count, "all layers have as many experts")
    for slot in range.lowerBound * rule.chosen..<range.upperBound * rule.chosen {
      let expert = Int(experts[slot])
      precondition(expert >= 0 && expert < counts.count, "an expert's number lies in range")
      counts[expert] += 1
    }
    for row in range {
      let score = scores + row * counts.count
      let sum = counts.indices.reduce(0.0) { $0 + Double(score[$1]) }
      for expert in counts.indices { shares[expert] += Double(score[expert]) / sum }
    }
    rows += range.count
  }

  /// The loss of all rows so far, without a weight.
  public var loss: Double {
    let products = zip(counts, shares).reduce(0.0) { $0 + Double($1.0) * $1.1 }
    return Double(counts.count) * products / (Double(rows) * Double(rows))
  }

  /// scoreGradient (rows, experts), overwritten in some rows of one layer: `weight` times the gradient of the
  /// loss in their scores, behind the last layer's `add`.
  public func backward(
    _ scoreGradient: UnsafeMutablePointer<Float>, scores: UnsafePointer<Float>,
    rows range: Range<Int>,
    weight: Double
  ) {
    let scale = Double(counts.count) / Double(rows)
    balanceGradient(
      scoreGradient, scores: scores, rows: range, load: counts.map { Double($0) * scale },
      factor: weight / Double(rows))
  }
}
