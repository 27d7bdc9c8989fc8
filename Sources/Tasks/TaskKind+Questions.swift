extension TaskKind {
  /// The question of an index under a seed, whichever others are asked.
  public func question(tier: Int, seed: UInt64, index: Int) -> TaskQuestion {
    precondition(Self.tiers.contains(tier))
    var chance = TaskChance(seed: seed, purpose: "\(rawValue) \(tier)", index: index)
    switch self {
    case .digitSum: return digitSum(tier, &chance)
    case .addition: return addition(tier, &chance)
    case .sortDigits: return sortDigits(tier, &chance)
    case .tableCell, .tableExtreme, .tableSum, .tableTranspose, .tableSort:
      return table(tier, &chance)
    case .jsonList, .jsonTable, .jsonAdd, .jsonSort, .jsonMend: return structured(tier, &chance)
    case .copy: return copy(tier, &chance)
    case .language: return language(tier, &chance)
    }
  }

  /// Six digits or nine; the scratchpad has the sum after each.
  private func digitSum(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let digits = (0..<(tier == 1 ? 6 : 9)).map { _ in chance.below(10) }
    var sum = 0
    let sums = digits.map { digit in
      sum = (sum + digit) % 5
      return sum
    }
    return TaskQuestion(
      self, tier: tier, text: "+\(joined(digits))=", answer: "\(sum)", working: joined(sums))
  }

  /// Two numbers of two digits or of four.
  private func addition(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let range = tier == 1 ? 10...99 : 1000...9999
    let (first, second) = (chance.number(in: range), chance.number(in: range))
    return TaskQuestion(self, tier: tier, text: "\(first)+\(second)=", answer: "\(first + second)")
  }

  /// Six digits or nine.
  private func sortDigits(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let digits = (0..<(tier == 1 ? 6 : 9)).map { _ in chance.below(10) }
    return TaskQuestion(
      self, tier: tier, text: "<\(joined(digits))=", answer: joined(digits.sorted()))
  }

  /// Eight letters or sixteen.
  private func copy(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let letters = (0..<(tier == 1 ? 8 : 16)).map { _ in chance.element(of: Self.letters) }
    return TaskQuestion(
      self, tier: tier, text: "\"\(letters.joined())\"=", answer: letters.joined())
  }

  /// Four digits or six, as words.
  private func language(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let language = chance.element(of: SpokenLanguage.all)
    let digits = (0..<(tier == 1 ? 4 : 6)).map { _ in chance.below(10) }
    return TaskQuestion(
      self, tier: tier, text: "\(language.code) \(joined(digits))=",
      answer: digits.map { language.digits[$0] }.joined(separator: " "), script: language.script)
  }

  private func joined(_ digits: [Int]) -> String { digits.map(String.init).joined() }

  static let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map {
    String(decoding: [$0], as: UTF8.self)
  }
}

/// A language that digits are written in, one word for each.
struct SpokenLanguage {
  var code: String
  var script: LanguageRule.Script
  /// From zero to nine.
  var digits: [String]

  static let all = [
    SpokenLanguage(
      code: "en", script: .latin,
      digits: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]),
    SpokenLanguage(
      code: "el", script: .greek,
      digits: ["μηδέν", "ένα", "δύο", "τρία", "τέσσερα", "πέντε", "έξι", "επτά", "οκτώ", "εννέα"]),
    SpokenLanguage(
      code: "ru", script: .cyrillic,
      digits: ["ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"]),
  ]
}
