import Plans

/// Seconds of a decoding step of one deployment, by what each of its data ranks decodes.
///
/// Steps are simulated at batches in powers of two and at three lengths, and straight lines drawn between: in the
/// length they are lines where a kernel is not bounded by something else, in the batch products bend them.
struct DecodeTimes: Sendable {
  private let batches: [Int]
  private let contexts: [Double]
  /// By batch and length.
  private let seconds: [[Double]]

  init(
    _ planned: PlannedInference, most: Int, shortest: Int, longest: Int, acceptance: Double?
  ) throws {
    var batches = [1]
    while let last = batches.last, last < most { batches.append(min(most, 2 * last)) }
    let contexts = Array(Set([shortest, (shortest + longest) / 2, longest])).sorted()
    self.batches = batches
    self.contexts = contexts.map(Double.init)
    seconds = try batches.map { batch in
      try contexts.map { context in
        try planned.report(
          InferenceRequest(
            .decode(context: context), batch: batch, acceptance: acceptance,
            returnsProbabilities: true)
        ).seconds
      }
    }
  }

  /// - Parameters:
  ///   - batch: sequences of the data rank that has most.
  ///   - positions: positions of each in the mean.
  func callAsFunction(batch: Int, positions: Double) -> Double {
    let (row, share) = Self.place(Double(batch), in: batches.map(Double.init))
    let (column, part) = Self.place(positions, in: contexts)
    func along(_ row: Int) -> Double {
      let values = seconds[row]
      guard column + 1 < values.count else { return values[column] }
      return values[column] + part * (values[column + 1] - values[column])
    }
    guard row + 1 < seconds.count else { return along(row) }
    return along(row) + share * (along(row + 1) - along(row))
  }

  /// The place below a value and the share of the way to the next one, within the ends.
  private static func place(_ value: Double, in places: [Double]) -> (Int, Double) {
    guard let last = places.last, value < last else { return (places.count - 1, 0) }
    guard let above = places.firstIndex(where: { $0 > value }), above > 0 else { return (0, 0) }
    let below = places[above - 1]
    return (above - 1, (value - below) / (places[above] - below))
  }
}
