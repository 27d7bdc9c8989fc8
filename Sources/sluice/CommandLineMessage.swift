import Quantities

/// What swift-argument-parser says about a command line, as one line in the style of all messages.
///
/// Its text begins with `Error: Unknown option '--plann'. Did you mean '--plan'?`, goes on with the help
/// of an option and the whole usage, and ends by naming the command's help.
struct CommandLineMessage {
  let text: String

  init(_ full: String) {
    let lines = full.split(separator: "\n").map(String.init)
    let prefix = "Error: "
    let fault = lines.prefix { !$0.hasPrefix("Help:") && !$0.hasPrefix("Usage:") }
      .map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
      .joined(separator: " ")
    let sentences = fault.split(separator: ". ").map { Self.lowered(String($0)) }
    var text = sentences.joined(separator: "; ")
    if text.hasSuffix(".") { text.removeLast() }
    if let near = Self.nearestChoice(fault) { text += "; did you mean \(near)?" }
    // A suggestion says what to do; without one the command's help does.
    if !text.hasSuffix("?"), let help = Self.quoted(lines.last ?? "") { text += "; see \(help)" }
    self.text = text
  }

  /// The nearest of the values that an option takes.
  ///
  /// The parser says `The value 'node' is invalid for '--between <between>'. Please provide one of 'devices' and
  /// 'nodes'.`
  private static func nearestChoice(_ fault: String) -> String? {
    guard let given = fault.firstRange(of: "The value '"),
      let choices = fault.firstRange(of: "Please provide one of ")
    else { return nil }
    let value = fault[given.upperBound...].prefix { $0 != "'" }
    let names = fault[choices.upperBound...].split(separator: "'", omittingEmptySubsequences: false)
      .enumerated().filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
    return nearestName(to: String(value), among: names)
  }

  /// With a small first letter, unless it belongs to a name.
  private static func lowered(_ sentence: String) -> String {
    guard let first = sentence.first, let second = sentence.dropFirst().first, first.isUppercase,
      !second.isUppercase
    else { return sentence }
    return first.lowercased() + sentence.dropFirst()
  }

  /// The command in `See 'sluice plan --help' for more information.`, if that is the line.
  private static func quoted(_ line: String) -> String? {
    let parts = line.split(separator: "'", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1].hasSuffix("--help") else { return nil }
    return String(parts[1])
  }
}
