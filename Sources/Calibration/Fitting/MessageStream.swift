import RealModule

/// Messages of which many are under way: what one of them takes by its start, its bytes and how far the starts of some
/// hide behind the bytes of others.
///
/// Tests of bandwidth print a rate at each size. With deep queues the longer of start and bytes counts; where each
/// message waits for the one before both do. `overlap` lies between: the sum of powers, of which 1 adds the two up
/// and a large one takes the longer. Start and overlap are the test's own; the rate is the link's, and sizes at which
/// starts still take a tenth show it as well as the largest.
struct MessageStream: Sendable {
  var start: Double
  var rate: Double
  private var overlap: Double

  private static let starts = 1e-10...1.0
  private static let overlaps = 1.0...16
  /// From which part of a start on a message's bytes say something of the rate.
  private static let fromStart = 1.0 / 3

  func seconds(_ bytes: Double) -> Double {
    let (longer, shorter) = (max(start, bytes / rate), min(start, bytes / rate))
    return longer * Double.pow(1 + Double.pow(shorter / longer, overlap), 1 / overlap)
  }

  /// - Parameters:
  ///   - rows: bytes and seconds of messages, by size.
  ///   - rates: what the rate may be.
  init(_ rows: [(bytes: Double, seconds: Double)], within rates: ClosedRange<Double>) {
    let fastest = rows.map { $0.bytes / $0.seconds }.max() ?? rates.upperBound
    (start, rate, overlap) = (rows.first?.seconds ?? 1e-6, fastest, 2)
    // Two rows show no start.
    if rows.count < 3 { start = Self.starts.lowerBound }
    fit(rows, within: rates)
    // Small messages go by other protocols than those that show the rate.
    fit(rows.filter { $0.bytes >= Self.fromStart * start * rate }, within: rates)
  }

  /// As many of rate, start and overlap as there are rows for, two each.
  private mutating func fit(
    _ rows: [(bytes: Double, seconds: Double)], within rates: ClosedRange<Double>
  ) {
    guard !rows.isEmpty else { return }
    let count = rows.count < 3 ? 1 : rows.count < 4 ? 2 : 3
    func with(_ values: [Double]) -> Self {
      var stream = self
      stream.rate = values[0]
      if count > 1 { stream.start = values[1] }
      if count > 2 { stream.overlap = values[2] }
      return stream
    }
    let found = LeastSquares().fit(
      from: Array([rate, start, overlap].prefix(count)),
      within: Array([rates, Self.starts, Self.overlaps].prefix(count))
    ) { values in
      let stream = with(values)
      return rows.map { Double.log(stream.seconds($0.bytes) / $0.seconds) }
    }
    self = with(found)
  }
}
