/// 1 for a completion that has the texts of a format, each once and in their order, the first at its
/// beginning: `<think>`, `</think>`, `<answer>`, `</answer>`.
public struct TagsRule: RewardRule {
  private let tags: [[UInt8]]

  public init(tags: [String]) { self.tags = tags.map { Array($0.utf8) } }

  public func reward(of completion: String, to prompt: TaskPrompt) -> Double {
    let text = Array(trimmed(completion).utf8)
    var end = 0
    for (index, tag) in tags.enumerated() {
      let places = text.indices.filter { text[$0...].starts(with: tag) }
      guard places.count == 1, places[0] >= end, index > 0 || places[0] == 0 else { return 0 }
      end = places[0] + tag.count
    }
    return 1
  }
}
