import Documents
import Quantities

/// The options of one job, with what was made of each.
///
/// A class, since what was read belongs to one job however many functions look at it. Of an option that is
/// written twice the last counts, as in every launcher.
final class GivenOptions {
  /// The file that messages about the job as a whole name.
  let file: String
  private var options: [GivenOption] = []
  private var lastOfName: [String: Int] = [:]
  private var explained: [ExplainedOption?] = []
  private var implied: [ExplainedOption] = []

  init(file: String, _ options: [GivenOption] = []) {
    self.file = file
    for option in options { add(option) }
  }

  /// Adds an option behind all others.
  func add(_ option: GivenOption) {
    if let earlier = lastOfName[option.name], options[earlier].values != option.values {
      explained[earlier] = explanation(
        of: options[earlier], .costless,
        "said again\(option.line.map { " in line \($0)" } ?? ""): the last counts")
    }
    lastOfName[option.name] = options.count
    options.append(option)
    explained.append(nil)
  }

  /// Adds what a launcher does where nothing is said.
  func addDefault(_ name: String, _ value: String) {
    guard lastOfName[name] == nil else { return }
    add(
      GivenOption(
        name: name, spelling: name, values: [value], file: file, line: nil, isDefault: true))
  }

  /// The option of a name that counts.
  func option(_ name: String) -> GivenOption? { lastOfName[name].map { options[$0] } }

  func contains(_ name: String) -> Bool { lastOfName[name] != nil }

  /// The names of all options that nothing was said about yet, in the order written.
  var unexplained: [GivenOption] {
    options.indices.filter { explained[$0] == nil }.map { options[$0] }
  }

  /// Everything that was said, in the order of the file; what is implied behind.
  var explanations: [ExplainedOption] { explained.compactMap(\.self) + implied }

  private func explanation(
    of option: GivenOption, _ sense: ExplainedOption.Sense, _ meaning: String
  ) -> ExplainedOption {
    ExplainedOption(
      file: option.isDefault ? nil : option.file, line: option.line, option: option.spelling,
      value: option.written ?? option.text, sense: option.isDefault ? .implied : sense,
      meaning: meaning)
  }

  /// Says that options were understood: their names, and as the last text what became of them.
  func explain(_ namesAndMeaning: String...) {
    for name in namesAndMeaning.dropLast() {
      explain(name, as: .understood, namesAndMeaning[namesAndMeaning.count - 1])
    }
  }

  /// Says what options are, all of them that are written under these names.
  func explain(_ names: String..., as sense: ExplainedOption.Sense, _ meaning: String) {
    for name in names {
      for index in options.indices where options[index].name == name && explained[index] == nil {
        explained[index] = explanation(of: options[index], sense, meaning)
      }
    }
  }

  /// Says what a launcher's default decides.
  func imply(_ option: String, _ value: String, _ meaning: String) {
    guard !implied.contains(where: { $0.option == option }) else { return }
    implied.append(
      ExplainedOption(
        file: nil, line: nil, option: option, value: value, sense: .implied, meaning: meaning))
  }

  /// Says what a launcher's default decides, and the plan cannot say.
  func lose(_ option: String, _ value: String, _ meaning: String) {
    implied.append(
      ExplainedOption(
        file: nil, line: nil, option: option, value: value, sense: .unmodelled, meaning: meaning))
  }

  /// An error about an option, at its line, or about the job where it is not written.
  func error(_ name: String, _ rule: String, suggestion: String? = nil) -> ConfigurationError {
    guard let option = option(name) else {
      return ConfigurationError(file: file, keyPath: name, rule: rule, suggestion: suggestion)
    }
    return ConfigurationError(
      file: option.file, line: option.line, keyPath: option.spelling,
      value: option.values.isEmpty ? nil : option.written ?? option.text, rule: rule,
      suggestion: suggestion)
  }
}

// MARK: - Values

extension GivenOptions {
  /// The one value of an option; nil where it is not written, or written as nothing (`null`, `None`).
  func text(_ name: String) throws(ConfigurationError) -> String? {
    guard let option = option(name) else { return nil }
    guard let value = option.values.first, option.values.count == 1 else {
      try checkExpanded(name, option.text)
      throw error(name, option.values.isEmpty ? "needs a value" : "takes one value")
    }
    if Self.isNothing(value) { return nil }
    try checkExpanded(name, value)
    return value
  }

  /// The words of an option, in brackets or not, with or without commas.
  func words(_ name: String) throws(ConfigurationError) -> [String]? {
    guard let option = option(name) else { return nil }
    let text = option.text
    if Self.isNothing(text) { return nil }
    try checkExpanded(name, text)
    return text.split { " ,[]()'\"".contains($0) }.map(String.init)
  }

  /// Whether a flag is set: alone, or with `True` behind it; nil where it is not written.
  func flag(_ name: String) throws(ConfigurationError) -> Bool? {
    guard let option = option(name) else { return nil }
    try checkExpanded(name, option.text)
    guard option.values.count <= 1 else { throw error(name, "is a flag and takes no value") }
    switch option.values.first?.lowercased() {
    case nil, "true", "1", "yes", "on": return true
    case "false", "0", "no", "off", "none", "null": return false
    default: throw error(name, "expected true or false")
    }
  }

  /// A whole number in a range.
  func integer(
    _ name: String, in range: ClosedRange<Int> = 1...(1 << 30)
  ) throws(ConfigurationError) -> Int? {
    try checkTyped(name)
    guard let text = try text(name) else { return nil }
    // argparse turns a word into a whole number as Python's int() does, which takes no `64.0` and no `1e3`.
    let isTyped = option(name)?.isTyped == true
    guard let number = isTyped ? Int(text.replacing("_", with: "")) : Self.integer(text) else {
      throw error(name, "expected a whole number")
    }
    guard range.contains(number) else {
      throw error(name, "must be from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A finite number in a range.
  func number(
    _ name: String, in range: ClosedRange<Double> = 0...1e18
  ) throws(ConfigurationError) -> Double? {
    try checkTyped(name)
    guard let text = try text(name) else { return nil }
    guard let number = Double(text.replacing("_", with: "")), number.isFinite else {
      throw error(name, "expected a number")
    }
    guard range.contains(number) else {
      throw error(name, "must be from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// Refuses a length of the command line beside another one of a file.
  func checkLength(
    _ settings: ImportSettings, _ said: Int?, _ name: String
  ) throws(ConfigurationError) {
    guard let own = settings.sequenceLength, let said, own != said,
      option(name)?.isDefault == false
    else { return }
    throw error(name, "is said here: --seq-length \(own) of the import has no effect")
  }

  /// One of some words; `none` is one where it is among them, though other options are told nothing by it.
  func choice(_ name: String, _ words: [String]) throws(ConfigurationError) -> String? {
    if let values = option(name)?.values, values.count == 1, words.contains(values[0]) {
      return values[0]
    }
    guard let text = try text(name) else { return nil }
    guard words.contains(text) else {
      throw error(
        name, "expected one of \(words.joined(separator: ", "))",
        suggestion: nearestName(to: text, among: words))
    }
    return text
  }

  /// Refuses nothing in place of a number on a command line; in a table it leaves the number to the default.
  private func checkTyped(_ name: String) throws(ConfigurationError) {
    guard let option = option(name), option.isTyped, option.values.count == 1,
      Self.isNothing(option.values[0])
    else { return }
    throw error(name, "expected a number")
  }

  /// Refuses a value that depends on what only a running shell knows.
  private func checkExpanded(_ name: String, _ value: String) throws(ConfigurationError) {
    guard let unset = unsetVariable(in: value) else { return }
    if unset.hasPrefix("${"), unset.contains(":"), !unset.contains(":-") {
      throw error(name, "\(unset) is worked out by the launcher: write its value in the file")
    }
    if unset.hasPrefix("$(") || unset.hasPrefix("`") {
      throw error(
        name,
        unset.hasPrefix("$((")
          ? "cannot be worked out: write its value in the file"
          : "is what a command prints, and none is run: write its value in the file")
    }
    let bare = unset.filter { !"${}".contains($0) }
    if !bare.isEmpty, bare.allSatisfy(\.isNumber) {
      throw error(
        name, "\(unset) is an argument, and none is known here: give it with --define \(bare)=VALUE"
      )
    }
    throw error(name, "\(unset) is not set in the file: give it with --define NAME=VALUE")
  }

  /// Whole numbers as launchers' files have them: `12`, `5e8`, `1_000`.
  static func integer(_ text: String) -> Int? {
    let plain = text.replacing("_", with: "")
    if let number = Int(plain) { return number }
    guard let number = Double(plain), number == number.rounded(), abs(number) < 1e15 else {
      return nil
    }
    return Int(number)
  }

  static func isNothing(_ text: String) -> Bool {
    ["none", "null", "~", ""].contains(text.lowercased())
  }
}

/// The first variable or substitution that was left in a text, as it is written there.
func unsetVariable(in text: String) -> String? {
  guard let dollar = text.firstIndex(of: "$") else { return nil }
  let rest = text[dollar...]
  if rest.hasPrefix("${"), let end = closingBrace(of: rest) { return String(rest[...end]) }
  if rest.hasPrefix("$((") {
    return ShellArithmetic.firstName(in: rest.dropFirst(3)).map { "${\($0)}" } ?? String(rest)
  }
  if rest.hasPrefix("$(") { return String(rest) }
  let name = rest.dropFirst().prefix { $0.isLetter || $0.isNumber || $0 == "_" }
  return "$" + name
}
