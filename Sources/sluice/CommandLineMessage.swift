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
    // A suggestion says what to do; without one the command's help does.
    if !text.hasSuffix("?"), let help = Self.quoted(lines.last ?? "") { text += "; see \(help)" }
    self.text = text
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
