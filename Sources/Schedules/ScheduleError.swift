/// Why a schedule cannot be made, read, lowered or carried out, in one sentence.
public struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong and the rule that it breaks.
  public var message: String
  /// The cells around the fault, one row per rank with the offending row marked.
  public var grid: String?

  public init(_ message: String, grid: String? = nil) {
    self.message = message
    self.grid = grid
  }

  public var description: String {
    if let grid { "\(message)\n\(grid)" } else { message }
  }
}
