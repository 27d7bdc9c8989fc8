/// 1 for a completion of a permitted length in characters (Unicode scalars); beyond it less, down to 0.
public struct LengthRule: RewardRule {
  private let minimum: Int
  private let maximum: Int
  /// The characters beyond the maximum over which the reward falls to 0 evenly.
  private let slack: Int

  public init(minimum: Int = 0, maximum: Int, slack: Int = 0) {
    (self.minimum, self.maximum, self.slack) = (minimum, maximum, slack)
  }

  public func reward(of completion: String, to prompt: TaskPrompt) -> Double {
    let length = completion.unicodeScalars.count
    if length < minimum { return 0 }
    if length <= maximum { return 1 }
    return slack == 0 ? 0 : max(0, 1 - Double(length - maximum) / Double(slack))
  }
}
