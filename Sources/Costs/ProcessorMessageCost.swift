import Clusters

/// What a message between CPU ranks takes, by how many other ranks of its machine compute meanwhile.
///
/// Between measured numbers it is read on a straight line; above the most it stays.
public struct ProcessorMessageCost: Sendable {
  private struct Line {
    /// Ranks that compute beside the two of the message.
    var computing: Int
    var start: Double
    var secondsPerByte: Double
  }

  private let lines: [Line]

  /// - Parameters:
  ///   - start: seconds of an empty message while all other ranks wait.
  ///   - rate: bytes a second then.
  ///   - crowded: what was measured while others computed.
  public init(start: Double, rate: Double, crowded: [Processor.Messages] = []) {
    lines =
      [Line(computing: 0, start: start, secondsPerByte: 1 / rate)]
      + crowded.map {
        Line(
          computing: $0.active - 2, start: $0.start.value,
          secondsPerByte: $0.bytes.map { 1 / $0.value } ?? 0)
      }.sorted { $0.computing < $1.computing }
  }

  /// Seconds of a message of so many bytes.
  public func seconds(_ bytes: Int, computing: Int) -> Double {
    start(computing: computing) + Double(bytes) * secondsPerByte(computing: computing)
  }

  /// Seconds of an empty message.
  public func start(computing: Int) -> Double { value(computing) { $0.start } }

  /// Seconds of every further byte.
  public func secondsPerByte(computing: Int) -> Double { value(computing) { $0.secondsPerByte } }

  private func value(_ computing: Int, _ part: (Line) -> Double) -> Double {
    guard let above = lines.firstIndex(where: { $0.computing >= computing }) else {
      return part(lines[lines.count - 1])
    }
    guard above > 0, lines[above].computing > computing else { return part(lines[above]) }
    let (low, high) = (lines[above - 1], lines[above])
    let share = Double(computing - low.computing) / Double(high.computing - low.computing)
    return part(low) * (1 - share) + part(high) * share
  }
}
