/// Finds ranks that compute more slowly than those with the same work.
///
/// Compared is the time in kernels per floating-point operation, waits left out, over the last steps: with
/// the median of the ranks at the same position of the pipeline (of two ranks with the faster one), which
/// hold the same layers; where a position has one rank, with the rank's own time in the steps before, as far
/// as the median rank has not become slower too. A rank is slow from half as much again on, where that
/// comes to at least 10 ms a step: less is the system's scheduling.
public struct SlowRanks {
  /// A rank that is slow.
  public struct Finding: Hashable, Sendable {
    public var rank: Int
    /// Its time over that of the ranks that it is compared with.
    public var factor: Double
  }

  /// Steps over which is compared.
  public static let window = 5
  /// How many times as slow a rank is at least.
  public static let leastFactor = 1.5
  /// Seconds a step that it is slower by at least.
  public static let leastSeconds = 0.01

  /// The position of each rank in the pipeline.
  private let positions: [Int]
  /// By step, the oldest first: each rank's seconds and operations.
  private var steps: [[(seconds: Double, operations: Double)]] = []
  /// Seconds per operation of each rank while nothing was found, over all windows so far.
  private var usual: [(sum: Double, count: Double)]

  package init(positions: [Int]) {
    self.positions = positions
    usual = positions.map { _ in (0, 0) }
  }

  /// Takes in a step.
  ///
  /// - Parameters:
  ///   - seconds: by rank, the time in kernels.
  ///   - operations: by rank, floating-point operations of products.
  /// - Returns: the ranks that are slow now, in their order; none before `window` steps.
  package mutating func add(seconds: [Double], operations: [Double]) -> [Finding] {
    precondition(seconds.count == positions.count && operations.count == positions.count)
    steps.append(zip(seconds, operations).map { ($0, max($1, 1)) })
    if steps.count > Self.window { steps.removeFirst() }
    guard steps.count == Self.window else { return [] }
    let rates = positions.indices.map { rank in
      steps.reduce(0) { $0 + $1[rank].seconds } / steps.reduce(0) { $0 + $1[rank].operations }
    }
    let findings = positions.indices.compactMap { finding(of: $0, rates) }
    if findings.isEmpty {
      for rank in rates.indices {
        usual[rank].sum += rates[rank]
        usual[rank].count += 1
      }
    }
    return findings
  }

  private func finding(of rank: Int, _ rates: [Double]) -> Finding? {
    let alike = rates.indices.filter { positions[$0] == positions[rank] }.map { rates[$0] }
    let expected: Double
    if alike.count > 1 {
      expected = Self.lowerMedian(alike)
    } else {
      let changes = rates.indices.compactMap { rank -> Double? in
        usual[rank].count > 0 ? rates[rank] * usual[rank].count / usual[rank].sum : nil
      }
      guard changes.count == rates.count else { return nil }
      expected = usual[rank].sum / usual[rank].count * max(1, Self.lowerMedian(changes))
    }
    let factor = rates[rank] / max(expected, .leastNormalMagnitude)
    let operations = steps.reduce(0) { $0 + $1[rank].operations } / Double(Self.window)
    guard factor >= Self.leastFactor, (rates[rank] - expected) * operations >= Self.leastSeconds
    else { return nil }
    return Finding(rank: rank, factor: factor)
  }

  private static func lowerMedian(_ values: [Double]) -> Double {
    values.sorted()[(values.count - 1) / 2]
  }
}
