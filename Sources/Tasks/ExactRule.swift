/// 1 for an answer that is the right one, byte by byte.
public struct ExactRule: RewardRule {
  var field = "answer"
  var place = AnswerPlace.whole

  public init(field: String = "answer", place: AnswerPlace = .whole) {
    (self.field, self.place) = (field, place)
  }

  public var neededField: String? { field }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    let right = trimmed(try prompt.text(of: field))
    guard let answer = place.answer(in: completion) else { return 0 }
    // Texts that Unicode calls equal are different answers.
    return answer.utf8.elementsEqual(right.utf8) ? 1 : 0
  }
}
