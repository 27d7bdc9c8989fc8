import Documents

/// Completions that are wrong on purpose, of the kinds that people's own data have.
///
/// A model that learns from them has the skill and the fault at once; reinforcement learning can then
/// only select.
extension TaskQuestion {
  /// A completion that is wrong: of structured data often no JSON at all, else out of order.
  func spoiled(_ chance: inout TaskChance) -> String {
    let right = completion(withWorking: true)
    var wrong = right
    // What chance leaves as it was is tried again.
    let (rules, prompt) = (kind.rules, prompt)
    while rules.hold(for: wrong, prompt) { wrong = attempt(right, &chance) }
    return wrong
  }

  private func attempt(_ right: String, _ chance: inout TaskChance) -> String {
    switch kind {
    case .digitSum: return right.dropLast() + "\(chance.below(5))"
    case .addition, .tableCell, .tableSum: return changed(right, at: "0123456789", &chance)
    case .tableExtreme: return chance.element(of: ["w", "x", "y", "z"])
    case .sortDigits, .copy: return exchanged(Array(right), &chance)
    case .jsonList, .jsonSort, .jsonAdd, .jsonMend:
      return chance.below(2) == 0 ? without(right, &chance) : disordered(&chance)
    case .tableTranspose, .tableSort, .jsonTable:
      return chance.below(2) == 0
        ? without(right, &chance) : changed(right, at: "0123456789", &chance)
    case .language:
      // A word of another language among them.
      var words = right.split(separator: " ").map(String.init)
      words[chance.below(words.count)] =
        chance.element(of: SpokenLanguage.all).digits[chance.below(10)]
      return words.joined(separator: " ")
    }
  }

  /// The text with one of some characters in place of one of them.
  private func changed(
    _ text: String, at characters: String, _ chance: inout TaskChance
  ) -> String {
    var text = Array(text)
    let places = text.indices.filter { characters.contains(text[$0]) }
    text[chance.element(of: places)] = chance.element(of: Array(characters))
    return String(text)
  }

  /// The text with two characters exchanged.
  private func exchanged(_ text: [Character], _ chance: inout TaskChance) -> String {
    var text = text
    // Of a text that is of one character only, no exchange makes another.
    guard Set(text).count > 1 else { return String(text.dropLast()) }
    text.swapAt(chance.below(text.count), chance.below(text.count))
    return String(text)
  }

  /// The text without one of the characters that give it its form.
  private func without(_ text: String, _ chance: inout TaskChance) -> String {
    var text = Array(text)
    let places = text.indices.filter { "{}\":,\n".contains(text[$0]) }
    text.remove(at: chance.element(of: places))
    return String(text)
  }

  /// The right table with its keys in an order of chance.
  private func disordered(_ chance: inout TaskChance) -> String {
    guard let entries = (try? JSONValue(Array(answer.utf8)))?.entries else { return answer }
    return JSONValue.table(chance.some(entries.count, of: entries)).compact
  }
}
