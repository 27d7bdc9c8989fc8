/// What was typed, made ready for swift-argument-parser.
enum TypedArguments {
  /// Options that take several numbers behind each other.
  private static let lists = ["--path", "--trace-positions"]

  /// Joins a number below zero with the option before it, which the parser would take for an option of
  /// its own: `--price -1` becomes `--price=-1`, so that the option's rule says what is wrong with it.
  static func joiningNegativeNumbers(_ typed: [String]) -> [String] {
    var result: [String] = []
    /// The option whose values are being read, if it takes several.
    var list: String?
    for word in typed {
      if isNegativeNumber(word), let option = result.last, isOption(option) {
        result[result.count - 1] = "\(option)=\(word)"
      } else if isNegativeNumber(word), let list {
        result.append("\(list)=\(word)")
      } else {
        result.append(word)
        if word.hasPrefix("-") { list = lists.contains(word) ? word : nil }
      }
    }
    return result
  }

  private static func isNegativeNumber(_ word: String) -> Bool {
    guard word.first == "-", let second = word.dropFirst().first else { return false }
    return second.isASCII && second.isNumber || second == "."
  }

  private static func isOption(_ word: String) -> Bool {
    word.hasPrefix("-") && word != "--" && !word.contains("=") && !isNegativeNumber(word)
  }
}
