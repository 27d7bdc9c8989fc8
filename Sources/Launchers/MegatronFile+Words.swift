import Documents

/// Words of a command line as options.
extension MegatronFile {
  /// Options with the words behind each.
  ///
  /// - Parameter isBehindProgram: whether argparse reads the words, to which `-name` is no option.
  static func parsed(
    _ words: [ShellScript.Word], file: String, isBehindProgram: Bool = false
  ) throws(ConfigurationError) -> [GivenOption] {
    var options: [GivenOption] = []
    var isOpen = false
    for word in words {
      let text = word.text
      if text.hasPrefix("--"), text.count > 2 {
        isOpen = true
        options.append(option(word, file: file))
      } else if isShort(text) {
        isOpen = false
        guard isBehindProgram else { continue }
        options.append(try short(word, file: file))
      } else if [">", ">>", "2>", "&>", "2>&1"].contains(where: text.hasPrefix)
        || text.hasSuffix(".py") || ["torchrun", "python", "python3", "bash"].contains(text)
      {
        isOpen = false
      } else if isOpen, let last = options.popLast() {
        options.append(adding(text, to: last))
      }
    }
    return options
  }

  /// One dash and a letter behind it; `-1` is a value.
  private static func isShort(_ text: String) -> Bool {
    text.hasPrefix("-") && text.dropFirst().first?.isLetter == true
  }

  private static func option(_ word: ShellScript.Word, file: String) -> GivenOption {
    let parts = word.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let value = Array(parts.dropFirst())
    let (name, values) = MegatronOptions.canonical(parts[0], value)
    return GivenOption(
      name: name, spelling: parts[0], values: values, file: file, line: word.line,
      written: value.first ?? "", isTyped: true)
  }

  private static func adding(_ text: String, to last: GivenOption) -> GivenOption {
    var option = last
    let before = option.values
    option.values.append(text)
    option.written = nil
    // An alias of a flag takes what stands behind it as its own value.
    let bare = String(option.spelling.drop { $0 == "-" }).replacing("_", with: "-")
    if MegatronOptions.aliases[bare]?.isFlag == true {
      (option.name, option.values) = MegatronOptions.canonical(option.spelling, [text])
      if before.count > 1 { option.values = before + [text] }
    }
    return option
  }

  /// An option with one dash, under a name that nobody reads.
  ///
  /// - Throws: `ConfigurationError` where it is one of Megatron's with two, since the job would not start.
  private static func short(
    _ word: ShellScript.Word, file: String
  ) throws(ConfigurationError) -> GivenOption {
    let spelling = String(word.text.prefix { $0 != "=" })
    guard spelling.count > 2, MegatronOptions.isKnown("-" + spelling) else {
      return GivenOption(
        name: spelling, spelling: spelling, values: [], file: file, line: word.line)
    }
    throw ConfigurationError(
      file: file, line: word.line, keyPath: spelling,
      rule: "is no option to Megatron-LM with one dash", suggestion: "-" + spelling)
  }
}
